//! Windows: the last rows of a stream of batches, and their states.

use std::time::Duration;

use arrow_array::{Array, BooleanArray, RecordBatch};
use arrow_schema::DataType;
use arrow_select::filter::filter_record_batch;

use crate::error::FrameError;
use crate::numbers;
use crate::plan::{Plan, column};
use crate::state::State;

/// Which rows are in the window.
///
/// ```
/// use std::time::Duration;
/// use thalweg_frames::Window;
///
/// let latest = Window::rows(1000);
/// let minute = Window::span("time", Duration::from_secs(60));
/// assert_ne!(latest, minute);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Window(pub(crate) Bound);

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Bound {
    Everything,
    Rows(usize),
    Span(String, Span),
}

/// Maximum distance of a column's values from the maximum: a number, or for times a [`Duration`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Span {
    /// For a column of numbers.
    Number(f64),
    /// For a column of dates or timestamps.
    Time(Duration),
}

impl From<f64> for Span {
    fn from(span: f64) -> Self {
        Self::Number(span)
    }
}

impl From<i32> for Span {
    fn from(span: i32) -> Self {
        Self::Number(span.into())
    }
}

impl From<Duration> for Span {
    fn from(span: Duration) -> Self {
        Self::Time(span)
    }
}

impl Window {
    /// The last `n` rows, at least one: 0 counts as 1.
    #[must_use]
    pub fn rows(n: usize) -> Self {
        Self(Bound::Rows(n.max(1)))
    }

    /// The rows whose value in a column is greater than the maximum so far minus `span`. They may arrive in any order;
    /// in ascending order it is cheaper.
    pub fn span(column: impl Into<String>, span: impl Into<Span>) -> Self {
        Self(Bound::Span(column.into(), span.into()))
    }
}

/// The rows in a window and their state: a queue in two parts. Each batch of the front has the merged state of itself
/// and its successors in that part, so an update costs two merges, whatever the length of the window. Nothing is
/// subtracted from a state, so rounding errors do not accumulate, and minima and maxima leave like any other value.
pub(crate) struct Rows {
    /// The older batches, the oldest one last.
    front: Vec<(RecordBatch, State)>,
    back: Vec<RecordBatch>,
    /// The merged state of the back.
    back_state: Option<State>,
    count: usize,
    /// The maximum of the window's column, and whether all values so far were in ascending order.
    latest: Option<Point>,
    is_in_order: bool,
}

impl Rows {
    pub(crate) fn new() -> Self {
        Self {
            front: Vec::new(),
            back: Vec::new(),
            back_state: None,
            count: 0,
            latest: None,
            is_in_order: true,
        }
    }

    /// Adds a batch, and returns the state of the rows then in the window.
    ///
    /// # Errors
    /// The batch is invalid; then the window is unchanged.
    pub(crate) fn push(
        &mut self,
        plan: &Plan,
        bound: &Bound,
        batch: &RecordBatch,
    ) -> Result<State, FrameError> {
        match bound {
            Bound::Rows(n) => {
                // No more rows than the window's size.
                let rows = batch.num_rows();
                let batch = batch.slice(rows.saturating_sub(*n), rows.min(*n));
                self.push_back(plan, batch)?;
                while self.count > *n {
                    self.leave(plan, self.count - n)?;
                }
            }
            Bound::Span(name, span) => self.push_by(plan, name, *span, batch)?,
            Bound::Everything => self.push_back(plan, batch.clone())?,
        }
        Ok(self.state(plan))
    }

    fn push_back(&mut self, plan: &Plan, batch: RecordBatch) -> Result<(), FrameError> {
        let state = State::of(plan, &batch)?;
        match &mut self.back_state {
            Some(merged) => merged.merge(plan, &state),
            None => self.back_state = Some(state),
        }
        self.count += batch.num_rows();
        self.back.push(batch);
        Ok(())
    }

    /// Drops rows of the oldest batch: this many, or all of them.
    fn leave(&mut self, plan: &Plan, rows: usize) -> Result<(), FrameError> {
        self.refill_front(plan)?;
        let Some((oldest, _)) = self.front.pop() else {
            return Ok(());
        };
        let leaving = oldest.num_rows().min(rows);
        self.count -= leaving;
        if leaving < oldest.num_rows() {
            let rest = oldest.slice(leaving, oldest.num_rows() - leaving);
            self.push_front(plan, rest)?;
        }
        Ok(())
    }

    /// Moves the back to the front once that is empty.
    fn refill_front(&mut self, plan: &Plan) -> Result<(), FrameError> {
        if self.front.is_empty() {
            self.back_state = None;
            for batch in std::mem::take(&mut self.back).into_iter().rev() {
                self.push_front(plan, batch)?;
            }
        }
        Ok(())
    }

    fn push_front(&mut self, plan: &Plan, batch: RecordBatch) -> Result<(), FrameError> {
        let mut state = State::of(plan, &batch)?;
        if let Some((_, next)) = self.front.last() {
            state.merge(plan, next);
        }
        self.front.push((batch, state));
        Ok(())
    }

    fn state(&self, plan: &Plan) -> State {
        let mut state = match self.front.last() {
            Some((_, front)) => front.clone(),
            None => State::empty(plan),
        };
        if let Some(back) = &self.back_state {
            state.merge(plan, back);
        }
        state
    }

    fn push_by(
        &mut self,
        plan: &Plan,
        name: &str,
        span: Span,
        batch: &RecordBatch,
    ) -> Result<(), FrameError> {
        let values = values(batch, name, span)?;
        let greatest = values
            .iter()
            .copied()
            .chain(self.latest)
            .reduce(|a, b| if b > a { b } else { a });
        let Some(greatest) = greatest else {
            return Ok(());
        };
        let limit = greatest.before(span, column(batch, name)?.data_type());
        let is_sorted = self
            .latest
            .into_iter()
            .chain(values.iter().copied())
            .is_sorted();
        // Rows that are already too old are not added.
        let batch = match is_sorted {
            true => {
                let gone = values.partition_point(|&x| x <= limit);
                batch.slice(gone, values.len() - gone)
            }
            false => kept(batch, &values, limit)?,
        };
        if batch.num_rows() > 0 {
            self.push_back(plan, batch)?;
        }
        self.latest = Some(greatest);
        self.is_in_order &= is_sorted;
        if self.is_in_order {
            self.drop_front(plan, name, span, limit)
        } else {
            self.drop_old(plan, name, span, limit)
        }
    }

    /// Drops rows that are too old, if all are in ascending order.
    fn drop_front(
        &mut self,
        plan: &Plan,
        name: &str,
        span: Span,
        limit: Point,
    ) -> Result<(), FrameError> {
        loop {
            self.refill_front(plan)?;
            let Some((oldest, _)) = self.front.last() else {
                return Ok(());
            };
            let gone = values(oldest, name, span)?.partition_point(|&x| x <= limit);
            if gone == 0 {
                return Ok(());
            }
            self.leave(plan, gone)?;
        }
    }

    /// Drops rows that are too old at any position, and recomputes the states if there were any.
    fn drop_old(
        &mut self,
        plan: &Plan,
        name: &str,
        span: Span,
        limit: Point,
    ) -> Result<(), FrameError> {
        let all = self
            .front
            .iter()
            .rev()
            .map(|(batch, _)| batch)
            .chain(&self.back);
        let mut rest = Vec::new();
        let mut previous = None;
        let (mut is_in_order, mut is_same) = (true, true);
        for batch in all {
            let values = values(batch, name, span)?;
            let batch = match values.iter().all(|&x| x > limit) {
                true => batch.clone(),
                false => {
                    is_same = false;
                    kept(batch, &values, limit)?
                }
            };
            for x in values.into_iter().filter(|&x| x > limit) {
                is_in_order &= previous.is_none_or(|previous| x >= previous);
                previous = Some(x);
            }
            if batch.num_rows() > 0 {
                rest.push(batch);
            }
        }
        self.is_in_order = is_in_order;
        if is_same {
            return Ok(());
        }
        self.front.clear();
        self.back_state = None;
        self.count = rest.iter().map(RecordBatch::num_rows).sum();
        self.back = rest;
        self.refill_front(plan)
    }
}

fn kept(batch: &RecordBatch, values: &[Point], limit: Point) -> Result<RecordBatch, FrameError> {
    let kept: BooleanArray = values.iter().map(|&x| Some(x > limit)).collect();
    Ok(filter_record_batch(batch, &kept)?)
}

/// A value of a window's column: a number, or a time in the column's own unit. All values of a column have one kind.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Point {
    Number(f64),
    Time(i128),
}

impl Point {
    /// The point one span earlier.
    fn before(self, span: Span, holds: &DataType) -> Self {
        match (self, span) {
            (Self::Number(x), Span::Number(width)) => Self::Number(x - width),
            (Self::Time(x), Span::Time(width)) => {
                let unit = numbers::unit(holds).unwrap_or(1);
                let width = width.as_nanos().div_ceil(unit);
                Self::Time(x - i128::try_from(width).unwrap_or(i128::MAX >> 1))
            }
            _ => unreachable!("the values have been checked against the span"),
        }
    }
}

/// The values of the window's column.
fn values(batch: &RecordBatch, name: &str, span: Span) -> Result<Vec<Point>, FrameError> {
    let array = column(batch, name)?;
    fits(array.data_type(), name, span)?;
    let mut found = Vec::with_capacity(array.len());
    match span {
        Span::Number(_) => numbers::each_float(array, |_, x| {
            if !x.is_nan() {
                found.push(Point::Number(x));
            }
        }),
        Span::Time(_) => numbers::each_time(array, |_, x| found.push(Point::Time(x))),
    }
    match array.len() - found.len() {
        0 => Ok(found),
        count => Err(FrameError::NullSpan {
            column: name.to_owned(),
            count,
        }),
    }
}

fn fits(holds: &DataType, name: &str, span: Span) -> Result<(), FrameError> {
    let wanted = match span {
        Span::Number(_) if numbers::kind(holds).is_none() => "a column of numbers",
        Span::Time(_) if numbers::unit(holds).is_none() => "a column of dates or timestamps",
        _ => return Ok(()),
    };
    Err(FrameError::NoSpan {
        column: name.to_owned(),
        wanted,
        found: holds.clone(),
    })
}
