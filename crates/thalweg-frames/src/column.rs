//! States of a column, one for each group, which can be updated and merged.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, UInt32Array, UInt64Array};
use arrow_row::{OwnedRow, RowConverter};
use arrow_select::take::take;

use crate::aggregation::Function;
use crate::error::FrameError;
use crate::numbers::{self, Kind};
use crate::plan::Computed;

/// State of an aggregation, by group.
#[derive(Clone, Debug)]
pub(crate) enum Column {
    Counts(Vec<i64>),
    /// Sums of integers. The number of addends is limited by memory, so that these do not overflow.
    Integers(Vec<Option<i128>>),
    Floats(Vec<Option<f64>>),
    Moments(Vec<Moments>),
    /// The first, last or extreme value, as a comparable row.
    Chosen(Vec<Option<OwnedRow>>),
}

/// The number of values, their mean, and the sum of squared deviations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no memory holds as many values as would matter"
)]
impl Moments {
    fn add(&mut self, x: f64) {
        self.count += 1;
        let distance = x - self.mean;
        self.mean += distance / self.count as f64;
        self.squares += distance * (x - self.mean);
    }

    fn merge(&mut self, other: Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other;
            return;
        }
        let (mine, theirs) = (self.count as f64, other.count as f64);
        let distance = other.mean - self.mean;
        self.count += other.count;
        self.mean += distance * theirs / (mine + theirs);
        self.squares += other.squares + distance * distance * mine * theirs / (mine + theirs);
    }

    fn mean(self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    fn variance(self, ddof: u32) -> Option<f64> {
        let ddof = u64::from(ddof);
        (self.count > ddof).then(|| self.squares / (self.count - ddof) as f64)
    }
}

impl Column {
    /// Creates the state of a function for a kind of numbers.
    pub(crate) fn new(function: Function, kind: Option<Kind>) -> Self {
        match (function, kind) {
            (Function::Count, _) => Self::Counts(Vec::new()),
            (Function::Sum, Some(Kind::Signed | Kind::Unsigned)) => Self::Integers(Vec::new()),
            (Function::Sum, _) => Self::Floats(Vec::new()),
            (Function::Mean | Function::Variance(_) | Function::Deviation(_), _) => {
                Self::Moments(Vec::new())
            }
            (Function::Min | Function::Max | Function::First | Function::Last, _) => {
                Self::Chosen(Vec::new())
            }
        }
    }

    /// Adds states up to this number of groups.
    pub(crate) fn grow(&mut self, groups: usize) {
        match self {
            Self::Counts(all) => all.resize(groups, 0),
            Self::Integers(all) => all.resize(groups, None),
            Self::Floats(all) => all.resize(groups, None),
            Self::Moments(all) => all.resize(groups, Moments::default()),
            Self::Chosen(all) => all.resize(groups, None),
        }
    }

    /// Adds the values of a batch; each row belongs to the group at its index.
    pub(crate) fn add(
        &mut self,
        array: &ArrayRef,
        groups: &[u32],
        function: Function,
        rows: Option<&RowConverter>,
    ) -> Result<(), FrameError> {
        let group = |place: usize| groups[place] as usize;
        match self {
            Self::Counts(all) => {
                for place in (0..array.len()).filter(|&place| array.is_valid(place)) {
                    all[group(place)] += 1;
                }
            }
            Self::Integers(all) => numbers::each_integer(array, |place, x| {
                let sum = &mut all[group(place)];
                *sum = Some(sum.unwrap_or(0) + x);
            }),
            Self::Floats(all) => numbers::each_float(array, |place, x| {
                let sum = &mut all[group(place)];
                *sum = Some(sum.unwrap_or(0.0) + x);
            }),
            Self::Moments(all) => {
                numbers::each_float(array, |place, x| all[group(place)].add(x));
            }
            Self::Chosen(all) => {
                let Some(converter) = rows else { return Ok(()) };
                let converted = converter.convert_columns(std::slice::from_ref(array))?;
                for place in (0..array.len()).filter(|&place| array.is_valid(place)) {
                    let (row, kept) = (converted.row(place), &mut all[group(place)]);
                    let order = kept.as_ref().map(|kept| row.cmp(&kept.row()));
                    if is_better(function, order) {
                        *kept = Some(row.owned());
                    }
                }
            }
        }
        Ok(())
    }

    /// Merges another state of later rows, whose groups have these indices here.
    pub(crate) fn merge(&mut self, other: &Self, numbers: &[u32], function: Function) {
        let pairs = |count: usize| (0..count).map(|theirs| (numbers[theirs] as usize, theirs));
        match (self, other) {
            (Self::Counts(mine), Self::Counts(theirs)) => {
                pairs(theirs.len()).for_each(|(to, from)| mine[to] += theirs[from]);
            }
            (Self::Integers(mine), Self::Integers(theirs)) => {
                for (to, from) in pairs(theirs.len()) {
                    if let Some(x) = theirs[from] {
                        mine[to] = Some(mine[to].unwrap_or(0) + x);
                    }
                }
            }
            (Self::Floats(mine), Self::Floats(theirs)) => {
                for (to, from) in pairs(theirs.len()) {
                    if let Some(x) = theirs[from] {
                        mine[to] = Some(mine[to].unwrap_or(0.0) + x);
                    }
                }
            }
            (Self::Moments(mine), Self::Moments(theirs)) => {
                pairs(theirs.len()).for_each(|(to, from)| mine[to].merge(theirs[from]));
            }
            (Self::Chosen(mine), Self::Chosen(theirs)) => {
                for (to, from) in pairs(theirs.len()) {
                    let Some(row) = &theirs[from] else { continue };
                    let order = mine[to].as_ref().map(|kept| row.cmp(kept));
                    if is_better(function, order) {
                        mine[to] = Some(row.clone());
                    }
                }
            }
            _ => unreachable!("the states of one aggregation are of one kind"),
        }
    }

    /// Whether a sum of integers would overflow if another state were merged.
    pub(crate) fn would_overflow(&self, other: &Self, numbers: &[Option<u32>], kind: Kind) -> bool {
        let (Self::Integers(mine), Self::Integers(theirs)) = (self, other) else {
            return false;
        };
        theirs.iter().zip(numbers).any(|(theirs, number)| {
            let before = number.and_then(|number| mine[number as usize]).unwrap_or(0);
            let sum = before + theirs.unwrap_or(0);
            match kind {
                Kind::Unsigned => u64::try_from(sum).is_err(),
                Kind::Signed | Kind::Float => i64::try_from(sum).is_err(),
            }
        })
    }

    /// The results, in this order of groups.
    ///
    /// # Errors
    /// A sum overflows.
    pub(crate) fn finish(
        &self,
        computed: &Computed,
        order: &[u32],
    ) -> Result<ArrayRef, FrameError> {
        let in_order = || order.iter().map(|&group| group as usize);
        Ok(match self {
            Self::Counts(all) => Arc::new(Int64Array::from_iter_values(
                in_order().map(|group| all[group]),
            )),
            Self::Integers(all) => {
                let sums = in_order().map(|group| all[group]);
                match computed.kind {
                    Some(Kind::Unsigned) => Arc::new(UInt64Array::from(fitting(sums, computed)?)),
                    _ => Arc::new(Int64Array::from(fitting(sums, computed)?)),
                }
            }
            Self::Floats(all) => {
                Arc::new(in_order().map(|group| all[group]).collect::<Float64Array>())
            }
            Self::Moments(all) => {
                let result = |moments: Moments| match computed.function {
                    Function::Variance(ddof) => moments.variance(ddof),
                    Function::Deviation(ddof) => moments.variance(ddof).map(f64::sqrt),
                    _ => moments.mean(),
                };
                Arc::new(
                    in_order()
                        .map(|group| result(all[group]))
                        .collect::<Float64Array>(),
                )
            }
            Self::Chosen(all) => {
                let Some(converter) = &computed.rows else {
                    unreachable!("what is chosen has been converted to rows")
                };
                let mut places = Vec::with_capacity(order.len());
                let mut chosen = Vec::new();
                for row in in_order().map(|group| &all[group]) {
                    places.push(row.as_ref().and_then(|_| u32::try_from(chosen.len()).ok()));
                    chosen.extend(row.as_ref().map(OwnedRow::row));
                }
                let values = converter.convert_rows(chosen)?.remove(0);
                take(&values, &UInt32Array::from(places), None)?
            }
        })
    }
}

fn fitting<N: TryFrom<i128>>(
    sums: impl Iterator<Item = Option<i128>>,
    computed: &Computed,
) -> Result<Vec<Option<N>>, FrameError> {
    let fit = |sum: i128| N::try_from(sum).map_err(|_| computed.overflow());
    sums.map(|sum| sum.map(fit).transpose()).collect()
}

/// Whether a value that compares so replaces another.
fn is_better(function: Function, order: Option<Ordering>) -> bool {
    match (function, order) {
        (_, None) | (Function::Last, _) => true,
        (Function::Min, Some(order)) => order == Ordering::Less,
        (Function::Max, Some(order)) => order == Ordering::Greater,
        _ => false,
    }
}
