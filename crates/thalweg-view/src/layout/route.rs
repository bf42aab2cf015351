//! Computes boxes and lines from positions in layers.

use super::grid::{Grid, LABEL_GAP, LOOP_REACH};
use super::place::{Wish, nearest};
use super::{Drawing, Link, Point, Rect, Route, Shape, Size};

/// Distance between two layers, in pixels: larger where lines go far to the side, so that none is too flat.
const MIN_GAP: f64 = 40.0;
const MAX_GAP: f64 = 130.0;
const GAP_PER_SLANT: f64 = 0.12;
/// Distance between lines at one side of a box, and from the outermost line to the corner, in pixels.
const PORT_GAP: f64 = 12.0;
const CORNER: f64 = 14.0;
/// How far the start of a line is shifted towards its end, as a fraction of the distance.
const LEAN: f64 = 0.25;

pub(super) fn drawing(grid: &Grid, anchors: &[f64], sizes: &[Size], links: &[Link]) -> Drawing {
    let bands = bands(grid, anchors);
    let boxes: Vec<Rect> = sizes
        .iter()
        .zip(&grid.cells)
        .zip(anchors)
        .map(|((size, cell), anchor)| Rect {
            x: anchor - size.width / 2.0,
            y: bands[cell.layer].top + (bands[cell.layer].height - size.height) / 2.0,
            width: size.width,
            height: size.height,
        })
        .collect();

    let upper_ports = ports(grid, anchors, End::Upper);
    let lower_ports = ports(grid, anchors, End::Lower);
    let mut sides: Vec<f64> = boxes.iter().map(|rect| rect.x + rect.width).collect();
    let routes = links
        .iter()
        .enumerate()
        .map(|(number, link)| match grid.chains[number].as_slice() {
            [upper, bends @ .., lower] => {
                let mut points = leaving(
                    &boxes[*upper],
                    &bands[grid.cells[*upper].layer],
                    upper_ports[number],
                );
                let mut label = None;
                for &bend in bends {
                    let (x, band) = (anchors[bend], &bands[grid.cells[bend].layer]);
                    points.push(Point { x, y: band.top });
                    if band.height > 0.0 {
                        points.push(Point {
                            x,
                            y: band.bottom(),
                        });
                    }
                    if grid.cells[bend].height > 0.0 {
                        label = Some(Point {
                            x: x + LABEL_GAP,
                            y: band.top + band.height / 2.0,
                        });
                    }
                }
                points.extend(entering(
                    &boxes[*lower],
                    &bands[grid.cells[*lower].layer],
                    lower_ports[number],
                ));
                if !grid.downward[number] {
                    points.reverse();
                }
                Route {
                    shape: Shape::Through(points),
                    label,
                }
            }
            _ => self_loop(boxes[link.from], &mut sides[link.from], link),
        })
        .collect();

    let width = grid
        .cells
        .iter()
        .zip(anchors)
        .map(|(cell, anchor)| anchor + cell.right)
        .fold(0.0, f64::max);
    let height = bands.last().map_or(0.0, Band::bottom);
    Drawing {
        width,
        height,
        boxes,
        routes,
    }
}

/// Vertical extent of a layer.
struct Band {
    top: f64,
    height: f64,
}

impl Band {
    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// Points of a line from the bottom of a box to the bottom of its layer: it must not turn beside a higher box.
fn leaving(rect: &Rect, band: &Band, x: f64) -> Vec<Point> {
    let y = rect.y + rect.height;
    let mut points = vec![Point { x, y }];
    if y < band.bottom() {
        points.push(Point {
            x,
            y: band.bottom(),
        });
    }
    points
}

/// The same at the lower end, from the top of the layer to the top of the box.
fn entering(rect: &Rect, band: &Band, x: f64) -> Vec<Point> {
    let mut points = Vec::new();
    if rect.y > band.top {
        points.push(Point { x, y: band.top });
    }
    points.push(Point { x, y: rect.y });
    points
}

fn bands(grid: &Grid, anchors: &[f64]) -> Vec<Band> {
    let mut top = 0.0;
    let mut bands = Vec::with_capacity(grid.layers.len());
    for layer in &grid.layers {
        let height = layer
            .iter()
            .map(|&cell| grid.cells[cell].height)
            .fold(0.0, f64::max);
        bands.push(Band { top, height });
        let slants = layer.iter().flat_map(|&cell| {
            grid.cells[cell]
                .below
                .iter()
                .map(move |&other| (anchors[cell] - anchors[other]).abs())
        });
        let slant = slants.fold(0.0, f64::max);
        top += height + (MIN_GAP + slant * GAP_PER_SLANT).min(MAX_GAP);
    }
    bands
}

#[derive(Clone, Copy)]
enum End {
    Upper,
    Lower,
}

/// Where each link meets its upper, or lower, box: side by side in the order of the other ends, so that the links of a
/// box do not cross near it, and vertical where possible.
fn ports(grid: &Grid, anchors: &[f64], end: End) -> Vec<f64> {
    let mut meeting: Vec<Vec<(f64, usize)>> = vec![Vec::new(); grid.cells.len()];
    for (number, chain) in grid.chains.iter().enumerate() {
        let (first, second) = match (end, chain.as_slice()) {
            (End::Upper, [first, second, ..]) | (End::Lower, [.., second, first]) => {
                (*first, *second)
            }
            _ => continue,
        };
        meeting[first].push((anchors[second], number));
    }
    let mut ports = vec![0.0; grid.chains.len()];
    for (cell, mut links) in meeting
        .into_iter()
        .enumerate()
        .filter(|(_, links)| !links.is_empty())
    {
        links.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let room = (grid.cells[cell].left - CORNER).max(0.0);
        let gap = PORT_GAP.min(2.0 * room / links.len() as f64);
        let wishes: Vec<Wish> = links
            .iter()
            .map(|(target, _)| Wish {
                anchor: ((target - anchors[cell]) * LEAN).clamp(-room, room),
                weight: 1.0,
            })
            .collect();
        let offsets: Vec<f64> = (0..links.len()).map(|index| index as f64 * gap).collect();
        let taken = offsets.last().copied().unwrap_or(0.0);
        for (((_, number), port), offset) in links
            .into_iter()
            .zip(nearest(&wishes, &offsets))
            .zip(offsets)
        {
            ports[number] = anchors[cell] + port.clamp(offset - room, offset + room - taken);
        }
    }
    ports
}

/// A loop at the right side of a box, outside of the previous ones, which extend to `taken`.
fn self_loop(rect: Rect, taken: &mut f64, link: &Link) -> Route {
    let reach = *taken + LOOP_REACH;
    *taken = reach + link.label.map_or(0.0, |width| width + LABEL_GAP);
    let side = rect.x + rect.width;
    let middle = rect.y + rect.height / 2.0;
    let spread = rect.height / 4.0;
    Route {
        shape: Shape::Loop {
            side,
            reach,
            out: middle + spread,
            back: middle - spread,
        },
        label: link.label.map(|_| Point {
            x: reach + LABEL_GAP,
            y: middle,
        }),
    }
}
