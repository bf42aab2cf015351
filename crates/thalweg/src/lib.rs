//! Pipelines over continuous streams of data.

mod ack;
pub mod callback;
mod failure;
mod graph;
pub mod interval;
mod operator;
pub mod ops;
mod policy;
mod runtime;
mod source;
mod stream;
mod sync;
pub mod view;

pub use ack::{Ack, Acks, Outcome};
pub use failure::{BoxError, BuildError, Error, Failure, Undelivered};
pub use graph::{Drain, Emit};
pub use interval::IntoInterval;
pub use operator::{
    Context, Delivery, Element, Fault, Flow, IntoOperator, Lease, Never, Operator, Raised,
    Transform,
};
pub use policy::{OnError, Retry};
#[cfg(feature = "tokio")]
pub use runtime::EventLoop;
pub use runtime::{Alarm, Runtime, RuntimeHandle, Sleep, Task, VirtualClock};
pub use source::{Emitter, Source, Stop};
pub use stream::{EmitMany, Join, Sink, Stream};
