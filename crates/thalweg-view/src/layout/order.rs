//! Orders cells within layers: sweeps up and down move each cell to the mean position of its neighbours; then
//! neighbouring cells are swapped, as long as that reduces the number of crossings.

use super::grid::Grid;

/// Sweeps without improvement before giving up.
const PATIENCE: usize = 6;
const MAX_SWEEPS: usize = 40;
const MAX_SWAP_PASSES: usize = 4;

pub(super) fn reduce_crossings(grid: &mut Grid) {
    let mut positions = vec![0.0; grid.cells.len()];
    for layer in &grid.layers {
        number(layer, &mut positions);
    }
    let mut best = grid.layers.clone();
    let mut fewest = crossings(grid, &positions);
    let mut idle = 0;
    for sweep in 0..MAX_SWEEPS {
        if fewest == 0 || idle == PATIENCE {
            break;
        }
        let depth = grid.layers.len();
        let downwards = sweep % 2 == 0;
        for step in 1..depth {
            let layer = if downwards { step } else { depth - 1 - step };
            sort_layer(grid, layer, downwards, &mut positions);
        }
        swap_neighbours(grid, &mut positions);
        let now = crossings(grid, &positions);
        if now < fewest {
            fewest = now;
            best.clone_from(&grid.layers);
            idle = 0;
        } else {
            idle += 1;
        }
    }
    grid.layers = best;
}

fn number(layer: &[usize], positions: &mut [f64]) {
    for (position, &cell) in layer.iter().enumerate() {
        positions[cell] = position as f64;
    }
}

/// Sorts a layer by the mean positions of the neighbours above, or below. Cells without neighbours stay in place.
fn sort_layer(grid: &mut Grid, layer: usize, by_above: bool, positions: &mut [f64]) {
    let cells = &grid.cells;
    let neighbours = |cell: usize| {
        if by_above {
            &cells[cell].above
        } else {
            &cells[cell].below
        }
    };
    let order = &mut grid.layers[layer];
    let mut moving: Vec<(f64, usize)> = order
        .iter()
        .filter(|&&cell| !neighbours(cell).is_empty())
        .map(|&cell| {
            let sum: f64 = neighbours(cell).iter().map(|&other| positions[other]).sum();
            (sum / neighbours(cell).len() as f64, cell)
        })
        .collect();
    moving.sort_by(|(left, _), (right, _)| left.total_cmp(right));
    let mut moved = moving.into_iter().map(|(_, cell)| cell);
    for place in order.iter_mut() {
        if !neighbours(*place).is_empty() {
            *place = moved.next().unwrap_or(*place);
        }
    }
    number(order, positions);
}

/// Swaps adjacent cells where that reduces the number of crossings.
fn swap_neighbours(grid: &mut Grid, positions: &mut [f64]) {
    for _ in 0..MAX_SWAP_PASSES {
        let mut swapped = false;
        for layer in 0..grid.layers.len() {
            for right in 1..grid.layers[layer].len() {
                let (a, b) = (grid.layers[layer][right - 1], grid.layers[layer][right]);
                let (cell_a, cell_b) = (&grid.cells[a], &grid.cells[b]);
                let crossed =
                    |left: &[usize], right: &[usize]| crossings_of_pair(left, right, positions);
                let now =
                    crossed(&cell_a.above, &cell_b.above) + crossed(&cell_a.below, &cell_b.below);
                let then =
                    crossed(&cell_b.above, &cell_a.above) + crossed(&cell_b.below, &cell_a.below);
                if then < now {
                    grid.layers[layer].swap(right - 1, right);
                    positions.swap(a, b);
                    swapped = true;
                }
            }
        }
        if !swapped {
            break;
        }
    }
}

/// Number of crossings between the links of a cell and those of its right neighbour, on one side.
fn crossings_of_pair(left: &[usize], right: &[usize], positions: &[f64]) -> usize {
    let sorted = |cells: &[usize]| {
        let mut sorted: Vec<f64> = cells.iter().map(|&cell| positions[cell]).collect();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    let right = sorted(right);
    sorted(left)
        .into_iter()
        .map(|end| right.partition_point(|&other| other < end))
        .sum()
}

/// Number of crossings in all layers.
fn crossings(grid: &Grid, positions: &[f64]) -> usize {
    let mut total = 0;
    for (layer, lower) in grid.layers.iter().zip(grid.layers.iter().skip(1)) {
        let mut seen = Tally::new(lower.len());
        for &cell in layer {
            let ends = || {
                grid.cells[cell]
                    .below
                    .iter()
                    .map(|&end| positions[end] as usize)
            };
            total += ends().map(|end| seen.beyond(end)).sum::<usize>();
            ends().for_each(|end| seen.add(end));
        }
    }
    total
}

/// Counts by position in a Fenwick tree: adds one, and sums those beyond a position, in logarithmic time.
struct Tally {
    tree: Vec<usize>,
    total: usize,
}

impl Tally {
    fn new(len: usize) -> Self {
        Self {
            tree: vec![0; len + 1],
            total: 0,
        }
    }

    fn add(&mut self, position: usize) {
        self.total += 1;
        let mut index = position + 1;
        while index < self.tree.len() {
            self.tree[index] += 1;
            index += index & index.wrapping_neg();
        }
    }

    fn beyond(&self, position: usize) -> usize {
        let mut up_to = 0;
        let mut index = position + 1;
        while index > 0 {
            up_to += self.tree[index];
            index &= index - 1;
        }
        self.total - up_to
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Link, Size, direct, rank};
    use super::*;
    use proptest::prelude::*;

    fn grid(count: usize, links: &[(usize, usize)]) -> Grid {
        let links: Vec<Link> = links
            .iter()
            .map(|&(from, to)| Link {
                from,
                to,
                feedback: false,
                label: None,
            })
            .collect();
        let sizes = vec![
            Size {
                width: 10.0,
                height: 10.0
            };
            count
        ];
        let downward = direct::downward(count, &links);
        let ranks = rank::ranks(count, &links, &downward);
        Grid::new(&sizes, &links, &downward, &ranks)
    }

    fn count(grid: &Grid) -> usize {
        let mut positions = vec![0.0; grid.cells.len()];
        grid.layers
            .iter()
            .for_each(|layer| number(layer, &mut positions));
        crossings(grid, &positions)
    }

    #[test]
    fn two_crossing_links_are_uncrossed() {
        let mut grid = grid(4, &[(0, 2), (1, 3)]);
        grid.layers[1] = vec![3, 2];
        assert_eq!(count(&grid), 1);
        reduce_crossings(&mut grid);
        assert_eq!(count(&grid), 0);
    }

    #[test]
    fn downstreams_keep_their_order_of_attachment() {
        let mut grid = grid(4, &[(0, 3), (0, 1), (0, 2)]);
        reduce_crossings(&mut grid);
        assert_eq!(grid.layers[1], [3, 1, 2]);
    }

    #[test]
    fn any_tree_is_drawn_without_crossings() {
        let links: Vec<_> = (1..60)
            .map(|node| ((node * node + 7) % node, node))
            .collect();
        let mut grid = grid(60, &links);
        reduce_crossings(&mut grid);
        assert_eq!(count(&grid), 0);
    }

    proptest! {
        #[test]
        fn the_crossing_count_matches_brute_force(ends in prop::collection::vec((0_usize..6, 6_usize..12), 0..30)) {
            let grid = grid(12, &ends);
            let place = |cell: usize| grid.layers.iter().find_map(|layer| layer.iter().position(|&other| other == cell));
            let crossed = |a: &(usize, usize), b: &(usize, usize)| place(a.0) < place(b.0) && place(a.1) > place(b.1);
            let pairs = ends.iter().flat_map(|a| ends.iter().map(move |b| (a, b)));
            prop_assert_eq!(count(&grid), pairs.filter(|(a, b)| crossed(a, b)).count());
        }

        #[test]
        fn sorting_never_adds_crossings(ends in prop::collection::vec((0_usize..20, 0_usize..20), 0..60)) {
            let ends: Vec<_> = ends.into_iter().filter(|(from, to)| from < to).collect();
            let mut grid = grid(20, &ends);
            let before = count(&grid);
            let mut cells_before = grid.layers.clone();
            reduce_crossings(&mut grid);
            prop_assert!(count(&grid) <= before);
            let mut cells_after = grid.layers.clone();
            cells_before.iter_mut().chain(&mut cells_after).for_each(|layer| layer.sort_unstable());
            prop_assert_eq!(cells_before, cells_after);
        }
    }
}
