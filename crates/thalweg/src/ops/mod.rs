//! The operators, one file each: `map` is in `map.rs`, `map_async` in the folder `map_async`.
//!
//! | what for | operators |
//! |---|---|
//! | one element at a time | [`map`](crate::Stream::map), [`try_map`](crate::Stream::try_map), [`filter_map`](crate::Stream::filter_map), [`inspect`](crate::Stream::inspect) |
//! | calls that wait | [`then`](crate::Stream::then), [`map_async`](crate::Stream::map_async), [`map_async_unordered`](crate::Stream::map_async_unordered) |
//! | dropping elements | [`filter`](crate::Stream::filter), [`remove`](crate::Stream::remove), [`slice`](crate::Stream::slice), [`take`](crate::Stream::take), [`skip`](crate::Stream::skip), [`unique`](crate::Stream::unique) |
//! | a state | [`accumulate`](crate::Stream::accumulate), [`scan`](crate::Stream::scan), [`stateful_map`](crate::Stream::stateful_map), [`frequencies`](crate::Stream::frequencies) |
//! | groups by number | [`partition`](crate::Stream::partition), [`partition_unique`](crate::Stream::partition_unique), [`sliding_window`](crate::Stream::sliding_window), [`sliding_window_full`](crate::Stream::sliding_window_full) |
//! | groups by time | [`timed_window`](crate::Stream::timed_window), [`timed_window_unique`](crate::Stream::timed_window_unique) |
//! | groups on demand, and undone | [`collect`](crate::Stream::collect), [`flatten`](crate::Stream::flatten) |
//! | distance in time, nothing lost | [`rate_limit`](crate::Stream::rate_limit), [`delay`](crate::Stream::delay), [`shift`](crate::Stream::shift) |
//! | distance in time, the rest dropped | [`throttle`](crate::Stream::throttle), [`debounce`](crate::Stream::debounce), [`sample`](crate::Stream::sample) |
//! | room for a slow downstream | [`buffer`](crate::Stream::buffer), [`latest`](crate::Stream::latest) |
//! | several upstreams | [`union`], [`zip()`], [`combine_latest`], [`zip_latest`] |
//! | ends | [`sink`](crate::Stream::sink), [`sink_async`](crate::Stream::sink_async), [`sink_batches`](crate::Stream::sink_batches), [`sink_to`](crate::Stream::sink_to), [`sink_to_list`](crate::Stream::sink_to_list), [`pull`](crate::Stream::pull) |
//!
//! # Functions that fail
//!
//! Where an operator takes a function, the form with `try_` takes one that returns a `Result`; an error or a panic is
//! handled by the node's policy, see [`on_error`](crate::Stream::on_error). A failed function leaves the operator's
//! state unchanged: windows, groups and sums continue as if the element had never arrived.
//!
//! # Options
//!
//! A method takes the arguments that are always needed. An operator with more settings has options: a value with the
//! operator's name, whose constructor takes what is always needed, with methods for the rest; pass it to
//! [`Stream::apply`](crate::Stream::apply).
//!
//! ```
//! # use thalweg::{Stream, ops::{Keep, PartitionOptions, TimedWindowUniqueOptions, UniqueOptions}};
//! #[derive(Clone)]
//! struct Reading { sensor: u32, value: f64 }
//!
//! let readings = Stream::new();
//! // Every hundred of a sensor's readings, or what there is of them after a second.
//! readings.apply(PartitionOptions::of(100).timeout("1s").key(|r: &Reading| r.sensor));
//! // The last reading of each sensor, every minute in which there was one.
//! let last = TimedWindowUniqueOptions::every("1min").key(|r: &Reading| r.sensor).keep(Keep::Last);
//! readings.apply(last.skip_empty());
//! // The first reading of each sensor, as long as there are no more than a thousand of them.
//! readings.apply(UniqueOptions::new().key(|r: &Reading| r.sensor).history(1000));
//! assert!(readings.check().is_ok());
//! ```
//!
//! An invalid argument, such as a partition of 0, is recorded when the operator is applied, and reported by the first
//! `emit`, `start` or `drain`, or at once by [`Stream::check`](crate::Stream::check).
//!
//! # The operators' own types
//!
//! The types behind the methods are public, for programs that assemble pipelines: a [`Transform`](crate::Transform)
//! such as [`Map`], for [`Stream::transform`](crate::Stream::transform), or an [`Operator`](crate::Operator) such as
//! [`Buffer`], for `apply`.

mod accumulate;
mod buffer;
mod chain;
mod collect;
mod debounce;
mod delay;
mod filter;
mod filter_map;
mod flatten;
mod frequencies;
mod inspect;
mod join;
mod latest;
mod map;
mod map_async;
mod partition;
mod partition_unique;
mod parts;
mod pull;
mod rate_limit;
mod sample;
mod settle;
mod shift;
mod sink;
mod sink_async;
mod sink_batches;
mod sink_to_list;
mod slice;
mod sliding_window;
#[cfg(test)]
mod test_inputs;
mod then;
mod throttle;
mod timed_window;
mod timed_window_unique;
mod unique;

pub use accumulate::Accumulate;
pub use buffer::Buffer;
pub use chain::{
    Accumulated, Begin, Chain, ChainStep, Chained, FilterMapped, Filtered, Inspected, Mapped,
    PartStopped, Scanned, StatefulMapped, TryMapped,
};
pub use collect::Collector;
pub use debounce::Debounce;
pub use delay::{Delay, DelayOptions};
pub use filter::Filter;
pub use filter_map::{FilterMap, TryFilterMap};
pub use flatten::Flatten;
pub use frequencies::Frequencies;
pub use inspect::Inspect;
pub use join::*;
pub use latest::Latest;
pub use map::{Map, TryMap};
pub use map_async::MapAsync;
pub use partition::{Partition, PartitionOptions};
pub use partition_unique::{PartitionUnique, PartitionUniqueOptions};
pub use parts::{Keep, Step};
pub use pull::Pull;
pub use rate_limit::RateLimit;
pub use sample::Sample;
pub use settle::{Promise, Settle};
pub use shift::{Shift, ShiftOptions};
pub use sink::{FnSink, TryFnSink};
pub use sink_async::SinkAsync;
pub use sink_batches::{Batch, BatchFn, BatchSink, SinkBatches, sink_batches_fn};
pub use sink_to_list::List;
pub use slice::Slice;
pub use sliding_window::SlidingWindow;
pub use then::Then;
pub use throttle::Throttle;
pub use timed_window::{TimedWindow, TimedWindowOptions};
pub use timed_window_unique::{TimedWindowUnique, TimedWindowUniqueOptions};
pub use unique::{Unique, UniqueOptions};
