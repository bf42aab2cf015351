//! A test kit for custom operators: the tests of thalweg's own.
//!
//! A [`Bench`] puts an operator on a [virtual clock](crate::VirtualClock), between a source and a sink that records
//! outputs and times. A [`Case`] checks the properties of every operator.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg::testing::{Bench, Case};
//!
//! fn pairs(source: &Stream<i32>) -> Stream<Vec<i32>> {
//!     source.sliding_window_full(2)
//! }
//!
//! let bench = Bench::new(pairs);
//! bench.emit(1).wait()?;
//! bench.emit(2).wait()?;
//! assert_eq!(bench.take(), [(0, vec![1, 2])]);
//! assert_eq!(bench.acked(), [1]);
//!
//! Case::new("pairs", |source, trial| trial.groups(pairs(source)))
//!     .keeps([10])
//!     .check();
//! # Ok::<(), thalweg::Error>(())
//! ```

mod bench;
mod case;
mod policies;
mod report;
mod trial;
mod trouble;

pub use bench::Bench;
pub use case::Case;
pub use report::Report;
pub use trial::{PAUSE, Trial, TrialSink, WORK};
pub use trouble::Trouble;

/// The elements of a trial.
const ELEMENTS: std::ops::RangeInclusive<i32> = 1..=10;
/// The element that functions fail on.
const TROUBLED: i32 = 3;
