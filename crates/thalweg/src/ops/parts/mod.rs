//! Parts shared by several operators.

mod arguments;
mod callee;
mod calls;
mod distinct;
mod group;
mod key_map;
mod outbox;
mod queue;
mod timer;
mod tumbling;
mod waiting;

pub(super) use arguments::{at_least_one, duration, label};
pub use callee::Step;
pub(super) use callee::{Borrows, Callee, Sure, Takes};
pub(super) use calls::{Begun, Calls, Came};
pub(super) use distinct::Distinct;
pub use distinct::Keep;
pub(super) use group::Group;
pub(super) use key_map::KeyMap;
pub(super) use outbox::Outbox;
pub(super) use queue::Queue;
pub(super) use timer::{Ticks, Timer};
pub(super) use tumbling::Tumbling;
pub(super) use waiting::Waiting;
