//! Elements of a stream on an engine, whatever they and the engine are made of.
//!
//! An element is a [`Part`]: a promise of a value. What is launched waits in a [`Queue`], whose [`Runner`]s are threads of an
//! [`Engine`]. States that go through elements in order are [`Strand`]s. No pipeline is known here.

#[cfg(all(test, thalweg_loom))]
mod loom_tests;
mod part;
mod queue;
mod strand;
#[cfg(all(test, not(thalweg_loom)))]
mod tests;

pub use part::{Outcome, Part, Steps};
pub use queue::{Engine, Queue, Runner};
pub use strand::Strand;
