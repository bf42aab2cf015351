//! Chooses the links that point down, such that they form no cycle.

use super::Link;

/// For each link, whether it is drawn from its first box down to its second.
///
/// Feedback links point up unless that would close a cycle; others point down unless they close one.
pub(super) fn downward(count: usize, links: &[Link]) -> Vec<bool> {
    let mut downward = vec![true; links.len()];
    let mut below = vec![Vec::new(); count];
    for (position, link) in links
        .iter()
        .enumerate()
        .filter(|(_, link)| !link.feedback && link.from != link.to)
    {
        below[link.from].push((link.to, position));
    }
    for position in back_links(&below) {
        downward[position] = false;
    }

    let mut below = vec![Vec::new(); count];
    for (link, &down) in links
        .iter()
        .zip(&downward)
        .filter(|(link, _)| !link.feedback)
    {
        let (upper, lower) = if down {
            (link.from, link.to)
        } else {
            (link.to, link.from)
        };
        below[upper].push(lower);
    }
    for (position, link) in links.iter().enumerate().filter(|(_, link)| link.feedback) {
        downward[position] = leads_to(&below, link.from, link.to);
        let (upper, lower) = if downward[position] {
            (link.from, link.to)
        } else {
            (link.to, link.from)
        };
        below[upper].push(lower);
    }
    downward
}

/// Links that lead back onto the path of a depth-first walk. The walk starts at boxes without incoming links, so that
/// a loop is entered where elements enter it.
fn back_links(below: &[Vec<(usize, usize)>]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }

    let mut entered = vec![false; below.len()];
    for &(to, _) in below.iter().flatten() {
        entered[to] = true;
    }
    let (inner, outer): (Vec<usize>, Vec<usize>) =
        (0..below.len()).partition(|&node| entered[node]);

    let mut marks = vec![Mark::New; below.len()];
    let mut back = Vec::new();
    for start in outer.into_iter().chain(inner) {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::OnPath;
        let mut path = vec![(start, below[start].iter())];
        while let Some((node, rest)) = path.last_mut() {
            match rest.next() {
                Some(&(to, position)) => match marks[to] {
                    Mark::New => {
                        marks[to] = Mark::OnPath;
                        path.push((to, below[to].iter()));
                    }
                    Mark::OnPath => back.push(position),
                    Mark::Done => {}
                },
                None => {
                    marks[*node] = Mark::Done;
                    path.pop();
                }
            }
        }
    }
    back
}

fn leads_to(below: &[Vec<usize>], from: usize, to: usize) -> bool {
    let mut seen = vec![false; below.len()];
    seen[from] = true;
    let mut open = vec![from];
    while let Some(node) = open.pop() {
        if node == to {
            return true;
        }
        for &next in &below[node] {
            if !std::mem::replace(&mut seen[next], true) {
                open.push(next);
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: usize, to: usize, feedback: bool) -> Link {
        Link {
            from,
            to,
            feedback,
            label: None,
        }
    }

    #[test]
    fn feedback_points_up() {
        let links = [link(0, 1, false), link(1, 2, false), link(2, 1, true)];
        assert_eq!(downward(3, &links), [true, true, false]);
    }

    #[test]
    fn feedback_along_a_forward_path_points_down() {
        let links = [link(0, 1, false), link(1, 2, false), link(0, 2, true)];
        assert_eq!(downward(3, &links), [true, true, true]);
    }

    #[test]
    fn an_undeclared_cycle_is_cut_at_its_back_edge() {
        let links = [link(2, 1, false), link(1, 2, false), link(0, 1, false)];
        assert_eq!(downward(3, &links), [false, true, true]);
    }
}
