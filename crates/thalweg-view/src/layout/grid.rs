//! The layers and their cells: boxes, and bends of the links that pass through.

use super::{Link, Size};

/// Distance between neighbours in a layer, in pixels.
const BOX_GAP: f64 = 28.0;
const BEND_GAP: f64 = 16.0;
/// Distance between a box and the loop at its side, between loops, and between a line and its label, in pixels.
pub(super) const LOOP_REACH: f64 = 24.0;
pub(super) const LABEL_GAP: f64 = 6.0;
const LABEL_HEIGHT: f64 = 14.0;

pub(super) struct Grid {
    /// The boxes in the order given, then the bends.
    pub(super) cells: Vec<Cell>,
    /// The cells of each layer, from left to right.
    pub(super) layers: Vec<Vec<usize>>,
    /// For each link the cells it runs through from top to bottom, or nothing if it is a loop.
    pub(super) chains: Vec<Vec<usize>>,
    /// For each link, whether elements go down its chain.
    pub(super) downward: Vec<bool>,
}

/// An item in a layer. It extends to the left and right of its anchor, where lines attach.
pub(super) struct Cell {
    pub(super) layer: usize,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) height: f64,
    pub(super) is_box: bool,
    /// Linked cells in the next layer up, once for each link.
    pub(super) above: Vec<usize>,
    /// The same in the next layer down.
    pub(super) below: Vec<usize>,
}

impl Cell {
    /// Minimum distance between the anchors of this cell and of its right neighbour.
    pub(super) fn distance_to(&self, right: &Self) -> f64 {
        let gap = if self.is_box && right.is_box {
            BOX_GAP
        } else {
            BEND_GAP
        };
        self.right + gap + right.left
    }
}

impl Grid {
    pub(super) fn new(sizes: &[Size], links: &[Link], downward: &[bool], ranks: &[usize]) -> Self {
        let mut cells: Vec<Cell> = sizes
            .iter()
            .zip(ranks)
            .map(|(size, &layer)| Cell {
                layer,
                left: size.width / 2.0,
                right: size.width / 2.0,
                height: size.height,
                is_box: true,
                above: Vec::new(),
                below: Vec::new(),
            })
            .collect();
        let mut chains = Vec::with_capacity(links.len());
        for (link, &down) in links.iter().zip(downward) {
            if link.from == link.to {
                cells[link.from].right +=
                    LOOP_REACH + link.label.map_or(0.0, |width| width + LABEL_GAP);
                chains.push(Vec::new());
                continue;
            }
            let (upper, lower) = if down {
                (link.from, link.to)
            } else {
                (link.to, link.from)
            };
            let mut chain = vec![upper];
            let labelled = (ranks[upper] + ranks[lower]) / 2;
            for layer in ranks[upper] + 1..ranks[lower] {
                let label = link.label.filter(|_| layer == labelled);
                chain.push(cells.len());
                cells.push(Cell {
                    layer,
                    left: 0.0,
                    right: label.map_or(0.0, |width| width + LABEL_GAP),
                    height: label.map_or(0.0, |_| LABEL_HEIGHT),
                    is_box: false,
                    above: Vec::new(),
                    below: Vec::new(),
                });
            }
            chain.push(lower);
            for pair in chain.windows(2) {
                cells[pair[0]].below.push(pair[1]);
                cells[pair[1]].above.push(pair[0]);
            }
            chains.push(chain);
        }
        let layers = layers_by_walk(&cells);
        Self {
            cells,
            layers,
            chains,
            downward: downward.to_vec(),
        }
    }
}

/// Orders each layer by a depth-first walk from the top: connected cells stay together, and those below a box keep
/// the order in which they were attached.
fn layers_by_walk(cells: &[Cell]) -> Vec<Vec<usize>> {
    let depth = cells.iter().map(|cell| cell.layer + 1).max().unwrap_or(0);
    let mut layers = vec![Vec::new(); depth];
    let mut met = vec![false; cells.len()];
    for start in (0..cells.len()).filter(|&cell| cells[cell].above.is_empty()) {
        let mut open = vec![start];
        while let Some(cell) = open.pop() {
            if !std::mem::replace(&mut met[cell], true) {
                layers[cells[cell].layer].push(cell);
                open.extend(cells[cell].below.iter().rev());
            }
        }
    }
    layers
}
