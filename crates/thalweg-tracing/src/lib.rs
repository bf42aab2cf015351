//! Traces of [thalweg] pipelines for the crate [`tracing`]: an element is a span, from where it is emitted until the
//! last sink is done with it, and each node that it comes to is a span in it.
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
//! What becomes of spans is up to the subscriber that the program has installed. While nobody traces a pipeline, it
//! costs nothing there.
//!
//! # OpenTelemetry
//!
//! With the feature `opentelemetry`, and with a layer of `tracing-opentelemetry` in the subscriber, elements go on with
//! the traces that they come with, such as that of an HTTP request, and [`thalweg::trace::current_context`] is what
//! others need to know who go on with theirs. A function in another process gets that as an argument, and begins with
//! `resume`.
//!
//! # Names
//!
//! | span | fields |
//! |---|---|
//! | `element` | `pipeline`, `node`, `node_id`, `kind` of where it was emitted |
//! | `node` | `node`, `node_id`, `kind` |
//! | `run` | `node`: a function of it is called on an engine |
//!
//! All are of the level `INFO` and the target `thalweg`. A function that fails is an event of the level `ERROR` in the
//! span of its node, with the field `error`. [`log_failures`] has such events for elements that are not traced, too.

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
