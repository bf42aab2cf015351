//! Traces of [thalweg] pipelines for the crate [`tracing`]: an element is a span, from `emit` until the last sink has
//! handled it, and each of its nodes is a span inside.
//!
//! ```
//! use thalweg::Stream;
//! use thalweg_tracing::Spans;
//!
//! let source = Stream::new();
//! source.map(|x: i32| x + 1).sink(drop);
//! source.trace(Spans::of("numbers"), 100);      // one element in a hundred
//! source.emit(1).wait()?;
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! The program's subscriber decides what happens with the spans. A pipeline that is not traced has no cost.
//!
//! # OpenTelemetry
//!
//! With the feature `opentelemetry`, and with a layer of `tracing-opentelemetry` in the subscriber, elements continue
//! the traces of their origin, such as an HTTP request, and [`thalweg::trace::current_context`] is the context that
//! others need to continue theirs. Pass it to a function in another process, which begins with `resume`.
//!
//! # Names
//!
//! | span | fields |
//! |---|---|
//! | `element` | `pipeline`, `node`, `node_id`, `kind` of where it was emitted |
//! | `node` | `node`, `node_id`, `kind` |
//! | `run` | `node` whose function runs on an engine |
//!
//! All have the level `INFO` and the target `thalweg`. A failure of a function is an event with the level `ERROR` in the
//! span of its node, with the field `error`. [`log_failures`] adds such events for elements that are not traced.

mod failures;
#[cfg(feature = "opentelemetry")]
mod remote;
mod spans;

pub use failures::log_failures;
#[cfg(feature = "opentelemetry")]
pub use remote::resume;
pub use spans::Spans;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
