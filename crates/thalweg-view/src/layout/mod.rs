//! Layered drawing from top to bottom, after Sugiyama.
//!
//! Each connected part of the graph is drawn separately, in these steps; then the parts are packed into rows:
//!
//! 1. [`direct`] decides which links point down, without a cycle;
//! 2. [`rank`] assigns each box to a layer below all boxes that lead to it;
//! 3. [`grid`] reserves a cell for each link that passes a layer;
//! 4. [`order`] sorts the layers so that few links cross;
//! 5. [`place`] assigns horizontal positions in that order;
//! 6. [`route`] computes the boxes and lines.

mod direct;
mod grid;
mod order;
mod place;
mod rank;
mod route;

/// A box to place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A line between two boxes, which are given by their indices in the list of boxes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Drawn upwards where possible; all others go down unless they close a cycle.
    pub(super) feedback: bool,
    /// Width of the text beside the line, in pixels.
    pub(super) label: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
}

/// A placed box: its upper left corner and its size, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// A placed line, in the direction of the elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) shape: Shape,
    /// Left end and vertical middle of the text beside the line.
    pub(super) label: Option<Point>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// A curve through these points, vertical at each.
    Through(Vec<Point>),
    /// A loop at a box: out of its right side at the first height, as far as `reach`, and back in at the second.
    Loop {
        side: f64,
        reach: f64,
        out: f64,
        back: f64,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawing {
    pub(super) width: f64,
    pub(super) height: f64,
    /// In the order of the given boxes.
    pub(super) boxes: Vec<Rect>,
    /// In the order of the given links.
    pub(super) routes: Vec<Route>,
}

/// Distance between unconnected parts, in pixels.
const PART_GAP: f64 = 48.0;

/// Draws the boxes and links. The same input gives the same drawing.
pub(super) fn lay_out(sizes: &[Size], links: &[Link]) -> Drawing {
    let mut drawing = Drawing {
        boxes: vec![
            Rect {
                x: 0.0,
                y: 0.0,
                width: 0.0,
                height: 0.0
            };
            sizes.len()
        ],
        routes: vec![
            Route {
                shape: Shape::Through(Vec::new()),
                label: None
            };
            links.len()
        ],
        ..Drawing::default()
    };
    let parts: Vec<(Part, Drawing)> = parts(sizes.len(), links)
        .into_iter()
        .map(|part| {
            let drawn = part.draw(sizes, links);
            (part, drawn)
        })
        .collect();

    let widest = parts
        .iter()
        .map(|(_, drawn)| drawn.width)
        .fold(0.0, f64::max);
    let area: f64 = parts
        .iter()
        .map(|(_, drawn)| (drawn.width + PART_GAP) * (drawn.height + PART_GAP))
        .sum();
    let row_width = widest.max((2.0 * area).sqrt());
    let (mut x, mut y, mut row_height) = (0.0_f64, 0.0, 0.0_f64);
    for (part, drawn) in parts {
        if x > 0.0 && x + drawn.width > row_width {
            y += row_height + PART_GAP;
            (x, row_height) = (0.0, 0.0);
        }
        drawing.width = drawing.width.max(x + drawn.width);
        drawing.height = drawing.height.max(y + drawn.height);
        row_height = row_height.max(drawn.height);
        let offset = Point { x, y };
        x += drawn.width + PART_GAP;
        for (&position, rect) in part.boxes.iter().zip(drawn.boxes) {
            drawing.boxes[position] = Rect {
                x: rect.x + offset.x,
                y: rect.y + offset.y,
                ..rect
            };
        }
        for (&position, route) in part.links.iter().zip(drawn.routes) {
            drawing.routes[position] = route.moved(offset);
        }
    }
    drawing
}

impl Route {
    fn moved(self, by: Point) -> Self {
        let moved = |point: Point| Point {
            x: point.x + by.x,
            y: point.y + by.y,
        };
        let shape = match self.shape {
            Shape::Through(points) => Shape::Through(points.into_iter().map(moved).collect()),
            Shape::Loop {
                side,
                reach,
                out,
                back,
            } => Shape::Loop {
                side: side + by.x,
                reach: reach + by.x,
                out: out + by.y,
                back: back + by.y,
            },
        };
        Self {
            shape,
            label: self.label.map(moved),
        }
    }
}

/// A connected part: boxes, and the links between them.
struct Part {
    boxes: Vec<usize>,
    links: Vec<usize>,
}

impl Part {
    fn draw(&self, sizes: &[Size], links: &[Link]) -> Drawing {
        // Both lists ascend, so a box's new position is found by search.
        let local = |position: usize| self.boxes.partition_point(|&other| other < position);
        let sizes: Vec<Size> = self.boxes.iter().map(|&position| sizes[position]).collect();
        let links: Vec<Link> = self
            .links
            .iter()
            .map(|&position| Link {
                from: local(links[position].from),
                to: local(links[position].to),
                ..links[position]
            })
            .collect();
        let downward = direct::downward(sizes.len(), &links);
        let ranks = rank::ranks(sizes.len(), &links, &downward);
        let mut grid = grid::Grid::new(&sizes, &links, &downward, &ranks);
        order::reduce_crossings(&mut grid);
        let anchors = place::anchors(&grid);
        route::drawing(&grid, &anchors, &sizes, &links)
    }
}

/// The connected parts, ordered by their first boxes.
fn parts(count: usize, links: &[Link]) -> Vec<Part> {
    let mut neighbours = vec![Vec::new(); count];
    for link in links {
        neighbours[link.from].push(link.to);
        neighbours[link.to].push(link.from);
    }
    let mut part_of = vec![usize::MAX; count];
    let mut parts = Vec::new();
    for first in 0..count {
        if part_of[first] != usize::MAX {
            continue;
        }
        let number = parts.len();
        part_of[first] = number;
        let mut boxes = vec![first];
        let mut next = 0;
        while next < boxes.len() {
            for &neighbour in &neighbours[boxes[next]] {
                if part_of[neighbour] == usize::MAX {
                    part_of[neighbour] = number;
                    boxes.push(neighbour);
                }
            }
            next += 1;
        }
        boxes.sort_unstable();
        parts.push(Part {
            boxes,
            links: Vec::new(),
        });
    }
    for (position, link) in links.iter().enumerate() {
        parts[part_of[link.from]].links.push(position);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NODES: usize = 14;

    fn sizes() -> impl Strategy<Value = Vec<Size>> {
        let size =
            (20.0..200.0_f64, 20.0..60.0_f64).prop_map(|(width, height)| Size { width, height });
        prop::collection::vec(size, NODES)
    }

    fn links() -> impl Strategy<Value = Vec<Link>> {
        let link = (
            0..NODES,
            0..NODES,
            any::<bool>(),
            prop::option::weighted(0.2, 5.0..80.0_f64),
        )
            .prop_map(|(from, to, feedback, label)| Link {
                from,
                to,
                feedback,
                label,
            });
        prop::collection::vec(link, 0..30)
    }

    /// Forward links without a cycle, and feedback links.
    fn sound_links() -> impl Strategy<Value = Vec<Link>> {
        links().prop_map(|links| {
            links
                .into_iter()
                .map(|link| Link {
                    feedback: link.from >= link.to,
                    ..link
                })
                .collect()
        })
    }

    fn ends(route: &Route) -> Option<(Point, Point)> {
        match &route.shape {
            Shape::Through(points) => Some((*points.first()?, *points.last()?)),
            Shape::Loop { .. } => None,
        }
    }

    fn overlap(a: &Rect, b: &Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    /// Whether a line may enter or leave the box at this point.
    fn touches(point: Point, rect: &Rect, at_bottom: bool) -> bool {
        let y = if at_bottom {
            rect.y + rect.height
        } else {
            rect.y
        };
        (point.y - y).abs() < 1e-6 && rect.x <= point.x && point.x <= rect.x + rect.width
    }

    proptest! {
        #[test]
        fn boxes_lie_within_the_drawing_without_overlap(sizes in sizes(), links in links()) {
            let drawing = lay_out(&sizes, &links);
            for (index, rect) in drawing.boxes.iter().enumerate() {
                prop_assert!(rect.x >= -1e-6 && rect.x + rect.width <= drawing.width + 1e-6);
                prop_assert!(rect.y >= -1e-6 && rect.y + rect.height <= drawing.height + 1e-6);
                for other in &drawing.boxes[..index] {
                    prop_assert!(!overlap(rect, other), "{:?} overlaps {:?}", rect, other);
                }
            }
        }

        #[test]
        fn links_go_down_and_feedback_goes_up(sizes in sizes(), links in sound_links()) {
            let drawing = lay_out(&sizes, &links);
            for (link, route) in links.iter().zip(&drawing.routes) {
                let Some((start, end)) = ends(route) else {
                    prop_assert_eq!(link.from, link.to);
                    continue;
                };
                prop_assert_eq!(start.y > end.y, link.feedback, "{:?}: {:?}", link, route);
                prop_assert!(touches(start, &drawing.boxes[link.from], !link.feedback));
                prop_assert!(touches(end, &drawing.boxes[link.to], link.feedback));
            }
        }

        #[test]
        fn lines_never_turn_back_or_cross_boxes(sizes in sizes(), links in links()) {
            let drawing = lay_out(&sizes, &links);
            for route in &drawing.routes {
                let Shape::Through(points) = &route.shape else { continue };
                let rising = points[0].y > points[points.len() - 1].y;
                for pair in points.windows(2) {
                    prop_assert_eq!(pair[0].y > pair[1].y, rising);
                    let line = Rect {
                        x: pair[0].x.min(pair[1].x),
                        y: pair[0].y.min(pair[1].y) + 1e-6,
                        width: (pair[0].x - pair[1].x).abs(),
                        height: (pair[0].y - pair[1].y).abs() - 2e-6,
                    };
                    for rect in &drawing.boxes {
                        prop_assert!(!overlap(&line, rect), "{:?} runs into {:?}", line, rect);
                    }
                }
            }
        }

        #[test]
        fn labels_have_room(sizes in sizes(), links in links()) {
            let drawing = lay_out(&sizes, &links);
            for (link, route) in links.iter().zip(&drawing.routes) {
                prop_assert_eq!(link.label.is_some(), route.label.is_some());
                if let (Some(width), Some(label)) = (link.label, route.label) {
                    let text = Rect { x: label.x, y: label.y - 5.0, width: width - 1e-6, height: 10.0 };
                    prop_assert!(text.x + text.width <= drawing.width + 1e-6);
                    for rect in &drawing.boxes {
                        prop_assert!(!overlap(&text, rect), "a label at {:?} is under {:?}", text, rect);
                    }
                }
            }
        }

        #[test]
        fn the_same_input_gives_the_same_drawing(sizes in sizes(), links in links()) {
            prop_assert_eq!(lay_out(&sizes, &links), lay_out(&sizes, &links));
        }
    }

    #[test]
    fn a_diamond_is_symmetric() {
        let size = Size {
            width: 80.0,
            height: 40.0,
        };
        let link = |from, to| Link {
            from,
            to,
            feedback: false,
            label: None,
        };
        let drawing = lay_out(
            &[size; 4],
            &[link(0, 1), link(0, 2), link(1, 3), link(2, 3)],
        );
        let middle = |index: usize| drawing.boxes[index].x + 40.0;
        assert!((middle(0) - middle(3)).abs() < 1e-6);
        assert!((middle(1) + middle(2) - 2.0 * middle(0)).abs() < 1e-6);
        assert!(middle(1) < middle(2));
    }

    #[test]
    fn a_chain_is_straight() {
        let size = |width| Size {
            width,
            height: 40.0,
        };
        let link = |from, to| Link {
            from,
            to,
            feedback: false,
            label: None,
        };
        let drawing = lay_out(
            &[size(50.0), size(150.0), size(90.0)],
            &[link(0, 1), link(1, 2)],
        );
        for route in &drawing.routes {
            let (start, end) = ends(route).expect("the chain has no loops");
            assert!((start.x - end.x).abs() < 1e-6);
        }
    }
}
