//! Assigns horizontal positions: each cell as near as possible to the mean of its neighbours, while order and minimum
//! distances within the layer are kept.

use super::grid::Grid;

const ONE_SIDED_SWEEPS: usize = 6;
const BALANCED_SWEEPS: usize = 12;
/// Links between boxes that slant by fewer pixels are made vertical where there is room.
const NEARLY_VERTICAL: f64 = 24.0;

/// Horizontal position of each cell's anchor, relative to the left edge of the drawing.
pub(super) fn anchors(grid: &Grid) -> Vec<f64> {
    let mut placer = Placer::new(grid);
    for _ in 0..ONE_SIDED_SWEEPS {
        placer.sweep_down(Side::Above);
        placer.sweep_up(Side::Below);
    }
    for _ in 0..BALANCED_SWEEPS {
        placer.sweep_down(Side::Both);
        placer.sweep_up(Side::Both);
    }
    // The second round uses the room that the first has made.
    for _ in 0..2 {
        placer.straighten();
    }

    let Placer { mut anchors, .. } = placer;
    let left = grid
        .cells
        .iter()
        .zip(&anchors)
        .map(|(cell, anchor)| anchor - cell.left)
        .fold(f64::INFINITY, f64::min);
    anchors.iter_mut().for_each(|anchor| *anchor -= left);
    anchors
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Above,
    Below,
    Both,
}

struct Placer<'a> {
    grid: &'a Grid,
    anchors: Vec<f64>,
}

impl<'a> Placer<'a> {
    /// All layers packed, and centred over each other.
    fn new(grid: &'a Grid) -> Self {
        let mut anchors = vec![0.0; grid.cells.len()];
        for layer in &grid.layers {
            let offsets = offsets(grid, layer);
            let middle = offsets.last().map_or(0.0, |last| last / 2.0);
            for (&cell, offset) in layer.iter().zip(offsets) {
                anchors[cell] = offset - middle;
            }
        }
        Self { grid, anchors }
    }

    fn sweep_down(&mut self, side: Side) {
        (0..self.grid.layers.len()).for_each(|layer| self.settle(layer, side));
    }

    fn sweep_up(&mut self, side: Side) {
        (0..self.grid.layers.len())
            .rev()
            .for_each(|layer| self.settle(layer, side));
    }

    /// Moves the cells of a layer towards the mean of their neighbours on `side`, as far as the other cells allow.
    fn settle(&mut self, layer: usize, side: Side) {
        let order = &self.grid.layers[layer];
        let wishes = order
            .iter()
            .map(|&cell| self.wish(cell, side))
            .collect::<Vec<_>>();
        for (&cell, anchor) in order
            .iter()
            .zip(nearest(&wishes, &offsets(self.grid, order)))
        {
            self.anchors[cell] = anchor;
        }
    }

    fn wish(&self, cell: usize, side: Side) -> Wish {
        let this = &self.grid.cells[cell];
        let above = this.above.iter().filter(|_| side != Side::Below);
        let below = this.below.iter().filter(|_| side != Side::Above);
        let (mut sum, mut weight) = (0.0, 0.0);
        for &other in above.chain(below) {
            let pull = self.pull(cell, other);
            sum += pull * self.anchors[other];
            weight += pull;
        }
        match weight > 0.0 {
            true => Wish {
                anchor: sum / weight,
                weight,
            },
            // Without neighbours it yields to cells that have some.
            false => Wish {
                anchor: self.anchors[cell],
                weight: 0.01,
            },
        }
    }

    /// Weight of a link: a kink in the middle of a long line is worse than a slant at its end.
    fn pull(&self, a: usize, b: usize) -> f64 {
        match (self.grid.cells[a].is_box, self.grid.cells[b].is_box) {
            (true, true) => 1.0,
            (false, false) => 8.0,
            _ => 2.0,
        }
    }

    /// Aligns cells that are nearly on a vertical line, as far down as there is room.
    fn straighten(&mut self) {
        let mut positions = vec![0; self.grid.cells.len()];
        for layer in &self.grid.layers {
            layer
                .iter()
                .enumerate()
                .for_each(|(position, &cell)| positions[cell] = position);
        }
        let next: Vec<Option<usize>> = (0..positions.len())
            .map(|cell| self.continuation(cell))
            .collect();
        let mut continued = vec![false; positions.len()];
        next.iter()
            .flatten()
            .for_each(|&cell| continued[cell] = true);

        for top in (0..positions.len()).filter(|&cell| !continued[cell]) {
            let mut run = Run::default();
            for cell in std::iter::successors(Some(top), |&cell| next[cell]) {
                let room = self.room(cell, positions[cell]);
                if !run.fits(room) {
                    self.apply(&std::mem::take(&mut run));
                }
                run.add(cell, self.anchors[cell], room);
            }
            self.apply(&run);
        }
    }

    fn apply(&mut self, run: &Run) {
        for &cell in &run.cells {
            self.anchors[cell] = run.anchor();
        }
    }

    /// The cell to align under this one: the nearest below, if this one is also the nearest above it.
    fn continuation(&self, cell: usize) -> Option<usize> {
        let cells = &self.grid.cells;
        let slant = |a: usize, b: usize| (self.anchors[a] - self.anchors[b]).abs();
        let nearest = |to: usize, among: &[usize]| {
            among
                .iter()
                .copied()
                .min_by(|&a, &b| slant(to, a).total_cmp(&slant(to, b)))
        };
        let below = nearest(cell, &cells[cell].below)?;
        let bends = !cells[cell].is_box && !cells[below].is_box;
        let aligned = bends || slant(cell, below) < NEARLY_VERTICAL;
        (aligned && nearest(below, &cells[below].above) == Some(cell)).then_some(below)
    }

    /// How far a cell can move to the left and to the right, given its neighbours.
    fn room(&self, cell: usize, position: usize) -> (f64, f64) {
        let cells = &self.grid.cells;
        let layer = &self.grid.layers[cells[cell].layer];
        let left = position.checked_sub(1).map(|left| layer[left]);
        let right = layer.get(position + 1);
        (
            left.map_or(f64::NEG_INFINITY, |left| {
                self.anchors[left] + cells[left].distance_to(&cells[cell])
            }),
            right.map_or(f64::INFINITY, |&right| {
                self.anchors[right] - cells[cell].distance_to(&cells[right])
            }),
        )
    }
}

/// Cells below each other that can share a position.
#[derive(Default)]
struct Run {
    cells: Vec<usize>,
    sum: f64,
    room: Option<(f64, f64)>,
}

impl Run {
    fn fits(&self, (from, to): (f64, f64)) -> bool {
        self.room
            .is_none_or(|room| room.0.max(from) <= room.1.min(to))
    }

    fn add(&mut self, cell: usize, anchor: f64, (from, to): (f64, f64)) {
        self.cells.push(cell);
        self.sum += anchor;
        self.room = Some(
            self.room
                .map_or((from, to), |room| (room.0.max(from), room.1.min(to))),
        );
    }

    /// The mean of the cells' anchors, or the nearest position with room.
    fn anchor(&self) -> f64 {
        let (from, to) = self.room.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        (self.sum / self.cells.len() as f64).max(from).min(to)
    }
}

/// The anchors of a packed layer that begins at 0.
fn offsets(grid: &Grid, layer: &[usize]) -> Vec<f64> {
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(layer.len());
    for (position, &cell) in layer.iter().enumerate() {
        if position > 0 {
            offset += grid.cells[layer[position - 1]].distance_to(&grid.cells[cell]);
        }
        offsets.push(offset);
    }
    offsets
}

/// The wanted position of an item in a row, with its weight.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pub(super) anchor: f64,
    pub(super) weight: f64,
}

/// The anchors that minimize the weighted sum of squared distances from the wanted positions, with at least the
/// distances `offsets` between them.
///
/// With the offsets subtracted, this is isotonic regression, solved by pooling adjacent violators.
pub(super) fn nearest(wishes: &[Wish], offsets: &[f64]) -> Vec<f64> {
    struct Pool {
        anchor: f64,
        weight: f64,
        len: usize,
    }

    let mut pools: Vec<Pool> = Vec::new();
    for (wish, offset) in wishes.iter().zip(offsets) {
        let mut pool = Pool {
            anchor: wish.anchor - offset,
            weight: wish.weight,
            len: 1,
        };
        while let Some(last) = pools.pop_if(|last| last.anchor > pool.anchor) {
            let weight = last.weight + pool.weight;
            let anchor = (last.anchor * last.weight + pool.anchor * pool.weight) / weight;
            pool = Pool {
                anchor,
                weight,
                len: last.len + pool.len,
            };
        }
        pools.push(pool);
    }
    let anchors = pools
        .iter()
        .flat_map(|pool| std::iter::repeat_n(pool.anchor, pool.len));
    anchors
        .zip(offsets)
        .map(|(anchor, offset)| anchor + offset)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(anchor: f64) -> Wish {
        Wish {
            anchor,
            weight: 1.0,
        }
    }

    #[test]
    fn positions_with_enough_room_are_granted() {
        assert_eq!(
            nearest(&[at(0.0), at(10.0), at(30.0)], &[0.0, 5.0, 10.0]),
            [0.0, 10.0, 30.0]
        );
    }

    #[test]
    fn nodes_with_the_same_target_are_centred_around_it() {
        assert_eq!(
            nearest(&[at(7.0), at(7.0), at(7.0)], &[0.0, 10.0, 20.0]),
            [-3.0, 7.0, 17.0]
        );
    }

    #[test]
    fn the_greater_weight_wins() {
        let heavy = Wish {
            anchor: 7.0,
            weight: 3.0,
        };
        assert_eq!(nearest(&[heavy, at(7.0)], &[0.0, 8.0]), [5.0, 13.0]);
    }

    proptest! {
        #[test]
        fn minimum_distances_are_kept(wishes in prop::collection::vec((-1e3..1e3_f64, 0.0..50.0_f64), 1..30)) {
            let mut offset = 0.0;
            let offsets: Vec<f64> = wishes.iter().map(|(_, step)| { offset += step; offset }).collect();
            let wishes: Vec<Wish> = wishes.iter().map(|&(anchor, _)| at(anchor)).collect();
            let anchors = nearest(&wishes, &offsets);
            for index in 1..anchors.len() {
                let apart = anchors[index] - anchors[index - 1];
                prop_assert!(apart >= offsets[index] - offsets[index - 1] - 1e-6);
            }
            // A small common shift must not improve the positions.
            let cost = |by: f64| wishes.iter().zip(&anchors).map(|(wish, anchor)| (anchor + by - wish.anchor).powi(2)).sum::<f64>();
            prop_assert!(cost(0.0) <= cost(0.1) && cost(0.0) <= cost(-0.1));
        }
    }
}
