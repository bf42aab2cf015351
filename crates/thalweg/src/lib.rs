//! Pipelines over continuous streams of data: branching, joining, windows, time-based flow control, back pressure.
//!
//! ```
//! use thalweg::{OnError::Skip, Stream};
//!
//! let readings = Stream::new();
//! let numbers = readings.try_map(|text: &&str| text.parse::<f64>()).on_error(Skip);
//! let largest = numbers.scan(f64::MIN, |max, x| x.max(*max)).sink_to_list();
//! let pairs = numbers.partition(2).sink_to_list();
//!
//! for text in ["1.5", "?", "3", "2"] {
//!     readings.emit(text).wait()?;
//! }
//! readings.drain("5s").wait()?;
//! assert_eq!(largest.to_vec(), [1.5, 3.0, 3.0]);
//! assert_eq!(pairs.to_vec(), [vec![1.5, 3.0], vec![2.0]]);
//! # Ok::<(), thalweg::Error>(())
//! ```
//!
//! # What there is
//!
//! - A [`Stream`] is a node of a pipeline. Its methods attach [operators](ops); clones of it make
//!   branches; [`ops::zip`], [`ops::combine_latest`], [`ops::zip_latest`] and [`ops::union`] join. The inlets of
//!   an [`OpenJoin`] come and go.
//! - Elements enter by [`Stream::emit`], from any thread, or from a [`Source`] that runs by itself. They end in sinks,
//!   or are pulled from a [`Pull`](ops::Pull).
//! - [`Emit`], the result of `emit`, completes when every node downstream has accepted the element: awaiting it, or
//!   blocking on it, is back pressure.
//! - A function that fails or panics is handled by the policy of its node, [`OnError`].
//! - An [`Ack`] fires once everything derived from its element is done.
//! - [`Stream::drain`] ends a pipeline in good order, and reports what could not be delivered.
//! - [`Stream::graph_view`] shows a pipeline with the counters of its nodes, as DOT, Mermaid or SVG.
//!
//! # Three ways to run
//!
//! - **In an existing event loop.** Built inside tokio, a pipeline runs there: `source.emit(x).await`.
//! - **On a separate event loop.** `Stream::on(EventLoop::thread())`: futures and timers run on its thread, and
//!   `source.emit(x).wait()` blocks yours.
//! - **Without one**, if no node waits for time or a future. A pipeline outside of tokio that needs a loop gets one
//!   that all such pipelines share.
//!
//! For tests there is the [`VirtualClock`], on which an hour takes no time.
//!
//! # What it does not do
//!
//! A pipeline is one process: state is not stored on disk, and a pipeline is not distributed over machines. Positions
//! of sources can be stored with an [`Ack`]; exactly-once delivery is up to sinks. Elements are cloned where a stream
//! branches; put large ones into an [`Arc`](std::sync::Arc).
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `tokio` | yes | [`EventLoop`]: tokio's loops. Without it, pipelines run without a loop, on the virtual clock, or on your own [`Runtime`]. |
//! | `png` | no | `view::GraphView::to_png`: pictures of pipelines as PNG. |
//! | `testing` | no | `testing`: a test kit for operators of your own. |

mod ack;
pub mod callback;
mod debug;
mod failure;
mod graph;
pub mod interval;
mod operator;
pub mod ops;
mod runtime;
mod source;
mod stream;
mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod trace;

/// Whether a function of a pipeline is running on this thread, further up the stack: then nothing here may wait for a
/// pipeline.
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new();
/// source.sink(|_: i32| assert!(thalweg::is_inside_pipeline()));
/// source.emit(1).wait()?;
/// assert!(!thalweg::is_inside_pipeline());
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn is_inside_pipeline() -> bool {
    graph::thread_state::is_inside()
}

/// Records that this process has been forked from another, on the thread that goes on here: the functions further up
/// the stack, and their pipelines, go on in the parent, so that code here may wait for pipelines of its own. For hosts
/// whose functions may fork.
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new();
/// source.sink(|_: i32| {
///     // After a `fork`, in the child:
///     thalweg::note_fork();
///     assert!(!thalweg::is_inside_pipeline());
/// });
/// source.emit(1).wait()?;
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn note_fork() {
    graph::thread_state::forget();
    graph::forget_call();
}

pub use ack::{Ack, Acks, Outcome};
pub use failure::{
    BoxError, BuildError, Error, Failure, FailureWatcher, Undelivered, throw, watch_failures,
};
pub use graph::{
    AtWork, CurrentCall, Drain, Emit, Fused, FusedContext, FusedPart, Idle, Progress,
    exempt_from_policies,
};
pub use interval::IntoInterval;
pub use operator::{
    Context, Delivery, Element, EmitFailed, EmitResult, IntoOperator, Lease, Never, Operator,
    OperatorError, Reconfigure, Transform, UpdateMany,
};
#[cfg(feature = "tokio")]
pub use runtime::EventLoop;
pub use runtime::{Alarm, CallerContext, Runtime, RuntimeHandle, Sleep, Task, VirtualClock};
pub use source::{Begun, Emitter, Source, Stop};
pub use stream::{
    Arrival, EmitMany, HostBatches, InletKey, Join, OnError, OpenJoin, Retry, Sink, Stream,
    WeakStream,
};
pub use sync::{Blocking, Patience, ask_waiting, block_around, wait_aside};
pub use thalweg_view as view;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
