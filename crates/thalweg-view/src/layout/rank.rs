//! Assigns boxes to layers.

use super::Link;

/// Passes over all boxes that pull them towards their neighbours. Most drawings need at most three.
const MAX_PASSES: usize = 16;

/// Layer of each box, from 0 at the top. A box is below all boxes that link down to it.
///
/// A box is as high as possible, or as low as possible if it has more links down than up. So a source whose elements
/// join late is near the join.
pub(super) fn ranks(count: usize, links: &[Link], downward: &[bool]) -> Vec<usize> {
    let mut above = vec![Vec::new(); count];
    let mut below = vec![Vec::new(); count];
    for (link, &down) in links
        .iter()
        .zip(downward)
        .filter(|(link, _)| link.from != link.to)
    {
        let (upper, lower) = if down {
            (link.from, link.to)
        } else {
            (link.to, link.from)
        };
        // A label takes a separate layer, so that no box is placed next to it.
        let span = if link.label.is_some() { 2 } else { 1 };
        above[lower].push((upper, span));
        below[upper].push((lower, span));
    }

    let mut ranks = vec![0; count];
    let sorted = topological(&above, &below);
    let highest = |ranks: &[usize], node: usize| {
        above[node]
            .iter()
            .map(|&(upper, span)| ranks[upper] + span)
            .max()
            .unwrap_or(0)
    };
    for &node in &sorted {
        ranks[node] = highest(&ranks, node);
    }
    for _ in 0..MAX_PASSES {
        let before = ranks.clone();
        for &node in sorted.iter().rev() {
            if below[node].len() > above[node].len() {
                let lowest = below[node]
                    .iter()
                    .map(|&(lower, span)| ranks[lower] - span)
                    .min();
                ranks[node] = lowest.unwrap_or(ranks[node]);
            }
        }
        for &node in &sorted {
            if above[node].len() > below[node].len() {
                ranks[node] = highest(&ranks, node);
            }
        }
        if ranks == before {
            break;
        }
    }
    let top = ranks.iter().copied().min().unwrap_or(0);
    ranks.iter().map(|rank| rank - top).collect()
}

fn topological(above: &[Vec<(usize, usize)>], below: &[Vec<(usize, usize)>]) -> Vec<usize> {
    let mut missing: Vec<usize> = above.iter().map(Vec::len).collect();
    let mut sorted: Vec<usize> = (0..above.len())
        .filter(|&node| missing[node] == 0)
        .collect();
    let mut next = 0;
    while next < sorted.len() {
        for &(lower, _) in &below[sorted[next]] {
            missing[lower] -= 1;
            if missing[lower] == 0 {
                sorted.push(lower);
            }
        }
        next += 1;
    }
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(from: usize, to: usize) -> Link {
        Link {
            from,
            to,
            feedback: false,
            label: None,
        }
    }

    #[test]
    fn a_late_source_stands_near_its_join() {
        let links = [link(0, 1), link(1, 2), link(2, 3), link(4, 3)];
        assert_eq!(ranks(5, &links, &[true; 4]), [0, 1, 2, 3, 2]);
    }

    #[test]
    fn a_label_has_a_layer_of_its_own() {
        let links = [Link {
            label: Some(10.0),
            ..link(0, 1)
        }];
        assert_eq!(ranks(2, &links, &[true]), [0, 2]);
    }

    #[test]
    fn a_link_that_points_up_ranks_the_other_way() {
        assert_eq!(ranks(2, &[link(0, 1)], &[false]), [1, 0]);
    }
}
