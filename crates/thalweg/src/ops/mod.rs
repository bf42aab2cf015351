//! The operators, one file each: `map` is in `map.rs`.
//!
//! | what for | operators |
//! |---|---|
//! | one element at a time | [`map`](crate::Stream::map), [`filter`](crate::Stream::filter) |
//! | groups | [`partition`](crate::Stream::partition) |
//! | time and flow | [`buffer`](crate::Stream::buffer), [`rate_limit`](crate::Stream::rate_limit), [`delay`](crate::Stream::delay) |
//! | ends | [`sink`](crate::Stream::sink), [`sink_to_list`](crate::Stream::sink_to_list) |

mod accumulate;
mod buffer;
mod filter;
mod join;
mod map;
mod partition;
mod pull;
mod rate_limit;
mod sink;
mod sink_async;
mod sink_to_list;

pub use accumulate::Accumulate;
pub use buffer::Buffer;
pub use filter::Filter;
pub use join::*;
pub use map::{Map, TryMap};
pub use partition::Partition;
pub use pull::Pull;
pub use rate_limit::RateLimit;
pub use sink::{FnSink, TryFnSink};
pub use sink_async::SinkAsync;
pub use sink_to_list::List;
