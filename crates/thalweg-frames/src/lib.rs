//! Aggregations over streams of Arrow record batches: running, by group, and over windows.
//!
//! A [`Stream`] of [`RecordBatch`]es is a table whose rows arrive in batches. Results are emitted anew for every batch,
//! as a batch with one row, or with one for each group.
//!
//! ```
//! use std::sync::Arc;
//! use arrow_array::{Float64Array, RecordBatch, StringArray, record_batch};
//! use thalweg::Stream;
//! use thalweg_frames::{Frames, Window, count, mean};
//!
//! let readings = Stream::new();
//! let by_sensor = readings.group_by(["sensor"]).aggregate([mean("value"), count("value")]).sink_to_list();
//! let latest = readings.window(Window::rows(2)).aggregate([mean("value").named("latest")]).sink_to_list();
//!
//! readings.emit(record_batch!(("sensor", Utf8, ["a", "b"]), ("value", Float64, [1.0, 10.0]))?).wait()?;
//! readings.emit(record_batch!(("sensor", Utf8, ["a"]), ("value", Float64, [3.0]))?).wait()?;
//!
//! assert_eq!(
//!     by_sensor.to_vec()[1],
//!     record_batch!(
//!         ("sensor", Utf8, [Some("a"), Some("b")]),
//!         ("value_mean", Float64, [Some(2.0), Some(10.0)]),
//!         ("value_count", Int64, [Some(2), Some(1)])
//!     )?
//! );
//! assert_eq!(latest.to_vec()[1], record_batch!(("latest", Float64, [Some(6.5)]))?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Each aggregation keeps a state of a few numbers per group, which a batch updates; a window additionally keeps its
//! rows, and costs two merges of states per batch, whatever its length. Your own functions, on Arrow's kernels, go into
//! [`filter_rows`](Frames::filter_rows) and [`Stream::try_map`].
//!
//! An invalid batch is a [`FrameError`], the failure of that element, handled by the node's policy.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/FRAMES.md")]
mod guide {}

mod aggregate;
mod aggregation;
mod column;
mod error;
mod numbers;
mod plan;
mod state;
#[cfg(test)]
mod tests;
mod window;

use arrow_array::{BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use thalweg::Stream;

pub use aggregation::{Aggregation, count, first, last, max, mean, min, std, sum, var};
pub use error::FrameError;
pub use window::{Span, Window};

use aggregate::Aggregate;
use window::Bound;

/// Methods of streams of record batches.
pub trait Frames {
    /// Selects these columns, in this order.
    ///
    /// ```
    /// use arrow_array::record_batch;
    /// use thalweg::Stream;
    /// use thalweg_frames::Frames;
    ///
    /// let table = Stream::new();
    /// let list = table.select(["y"]).sink_to_list();
    /// table.emit(record_batch!(("x", Int32, [1]), ("y", Int32, [2]))?).wait()?;
    /// assert_eq!(list.to_vec(), [record_batch!(("y", Int32, [2]))?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A batch without such a column fails with a [`FrameError::UnknownColumn`].
    fn select<S: Into<String>>(&self, columns: impl IntoIterator<Item = S>) -> Stream<RecordBatch>;

    /// Keeps the rows for which `predicate`, called with a batch, is true; not those for which it is null. A batch
    /// without remaining rows is dropped.
    ///
    /// ```
    /// use arrow_array::{Int32Array, record_batch};
    /// use arrow_ord::cmp::gt;
    /// use thalweg::Stream;
    /// use thalweg_frames::Frames;
    ///
    /// let table = Stream::new();
    /// let list = table.filter_rows(|batch| gt(&batch["x"], &Int32Array::new_scalar(1))).sink_to_list();
    /// table.emit(record_batch!(("x", Int32, [1, 2, 3]))?).wait()?;
    /// assert_eq!(list.to_vec(), [record_batch!(("x", Int32, [2, 3]))?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// An error returned by `predicate` is the failure of its element.
    fn filter_rows(
        &self,
        predicate: impl FnMut(&RecordBatch) -> Result<BooleanArray, ArrowError> + Send + 'static,
    ) -> Stream<RecordBatch>;

    /// Aggregates all rows so far: emits a batch of one row for each batch.
    ///
    /// ```
    /// use arrow_array::record_batch;
    /// use thalweg::Stream;
    /// use thalweg_frames::{Frames, sum};
    ///
    /// let table = Stream::new();
    /// let list = table.aggregate([sum("x")]).sink_to_list();
    /// table.emit(record_batch!(("x", Int32, [1, 2]))?).wait()?;
    /// table.emit(record_batch!(("x", Int32, [3]))?).wait()?;
    /// assert_eq!(list.to_vec()[1], record_batch!(("x_sum", Int64, [Some(6)]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A batch fails if such a column is missing, has another type than in the first batch, or if a sum overflows; the
    /// state is unchanged.
    fn aggregate(&self, aggregations: impl IntoIterator<Item = Aggregation>)
    -> Stream<RecordBatch>;

    /// Groups the following aggregations by the values of some columns.
    ///
    /// ```
    /// use arrow_array::record_batch;
    /// use thalweg::Stream;
    /// use thalweg_frames::{Frames, max};
    ///
    /// let table = Stream::new();
    /// let list = table.group_by(["key"]).aggregate([max("x")]).sink_to_list();
    /// table.emit(record_batch!(("key", Utf8, ["b", "a", "b"]), ("x", Int32, [1, 2, 3]))?).wait()?;
    /// let greatest = record_batch!(("key", Utf8, [Some("a"), Some("b")]), ("x_max", Int32, [Some(2), Some(3)]))?;
    /// assert_eq!(list.to_vec(), [greatest]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn group_by<S: Into<String>>(&self, columns: impl IntoIterator<Item = S>) -> GroupBy;

    /// Applies the following aggregations to the latest rows.
    ///
    /// ```
    /// use arrow_array::record_batch;
    /// use thalweg::Stream;
    /// use thalweg_frames::{Frames, Window, sum};
    ///
    /// let table = Stream::new();
    /// let list = table.window(Window::span("t", 10)).aggregate([sum("x")]).sink_to_list();
    /// table.emit(record_batch!(("t", Int64, [1, 2]), ("x", Int32, [1, 2]))?).wait()?;
    /// table.emit(record_batch!(("t", Int64, [11]), ("x", Int32, [4]))?).wait()?;
    /// assert_eq!(list.to_vec()[1], record_batch!(("x_sum", Int64, [Some(6)]))?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn window(&self, window: Window) -> Windowed;
}

impl Frames for Stream<RecordBatch> {
    fn select<S: Into<String>>(&self, columns: impl IntoIterator<Item = S>) -> Stream<RecordBatch> {
        let columns: Vec<String> = columns.into_iter().map(Into::into).collect();
        self.try_map(move |batch: &RecordBatch| {
            let schema = batch.schema();
            let places = columns.iter().map(|name| {
                plan::column(batch, name)?;
                Ok(schema.index_of(name)?)
            });
            let places = places.collect::<Result<Vec<_>, FrameError>>()?;
            Ok::<_, FrameError>(batch.project(&places)?)
        })
    }

    fn filter_rows(
        &self,
        mut predicate: impl FnMut(&RecordBatch) -> Result<BooleanArray, ArrowError> + Send + 'static,
    ) -> Stream<RecordBatch> {
        let kept =
            self.try_map(move |batch: &RecordBatch| filter_record_batch(batch, &predicate(batch)?));
        kept.filter(|batch: &RecordBatch| batch.num_rows() > 0)
    }

    fn aggregate(
        &self,
        aggregations: impl IntoIterator<Item = Aggregation>,
    ) -> Stream<RecordBatch> {
        let aggregations = aggregations.into_iter().collect();
        self.transform(Aggregate::new(Vec::new(), aggregations, Bound::Everything))
    }

    fn group_by<S: Into<String>>(&self, columns: impl IntoIterator<Item = S>) -> GroupBy {
        GroupBy::new(self, columns, Bound::Everything)
    }

    fn window(&self, window: Window) -> Windowed {
        Windowed {
            stream: self.clone(),
            bound: window.0,
        }
    }
}

/// A stream of batches with grouped rows; see [`Frames::group_by`].
#[derive(Clone, Debug)]
pub struct GroupBy {
    stream: Stream<RecordBatch>,
    keys: Vec<String>,
    bound: Bound,
}

impl GroupBy {
    fn new<S: Into<String>>(
        stream: &Stream<RecordBatch>,
        columns: impl IntoIterator<Item = S>,
        bound: Bound,
    ) -> Self {
        Self {
            stream: stream.clone(),
            keys: columns.into_iter().map(Into::into).collect(),
            bound,
        }
    }

    /// Aggregates each group: emits, for each batch, one with a row per group, sorted by key. A missing key (null) is a
    /// separate group, and the first.
    ///
    /// # Errors
    /// As for [`Frames::aggregate`].
    pub fn aggregate(
        &self,
        aggregations: impl IntoIterator<Item = Aggregation>,
    ) -> Stream<RecordBatch> {
        let aggregations = aggregations.into_iter().collect();
        self.stream.transform(Aggregate::new(
            self.keys.clone(),
            aggregations,
            self.bound.clone(),
        ))
    }
}

/// The latest rows of a stream of batches; see [`Frames::window`].
#[derive(Clone, Debug)]
pub struct Windowed {
    stream: Stream<RecordBatch>,
    bound: Bound,
}

impl Windowed {
    /// Aggregates the rows in the window: emits a batch of one row for each batch.
    ///
    /// # Errors
    /// As for [`Frames::aggregate`]; if a sum overflows, the rows are in the window nevertheless. The column of a
    /// window must have numbers or times, and no missing values.
    pub fn aggregate(
        &self,
        aggregations: impl IntoIterator<Item = Aggregation>,
    ) -> Stream<RecordBatch> {
        let aggregations = aggregations.into_iter().collect();
        self.stream
            .transform(Aggregate::new(Vec::new(), aggregations, self.bound.clone()))
    }

    /// Groups the rows in the window. Groups without rows in it are not in the result.
    ///
    /// ```
    /// use arrow_array::record_batch;
    /// use thalweg::Stream;
    /// use thalweg_frames::{Frames, Window, count};
    ///
    /// let table = Stream::new();
    /// let list = table.window(Window::rows(2)).group_by(["key"]).aggregate([count("key")]).sink_to_list();
    /// table.emit(record_batch!(("key", Utf8, ["a", "b", "b"]))?).wait()?;
    /// assert_eq!(list.to_vec(), [record_batch!(("key", Utf8, [Some("b")]), ("key_count", Int64, [Some(2)]))?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group_by<S: Into<String>>(&self, columns: impl IntoIterator<Item = S>) -> GroupBy {
        GroupBy::new(&self.stream, columns, self.bound.clone())
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
