//! Elements of a stream on an engine, generic over their types and the engine.
//!
//! An element is a [`Part`]: a promise of a value. Launched parts wait in a [`Queue`], whose [`Runner`]s are threads of
//! an [`Engine`]; to the other processes of a [`BatchEngine`] they are sent in batches. States folded over elements in
//! order are [`Strand`]s. This module knows no pipelines.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use thalweg_tasks::parallel::{Engine, Outcome, Over, Part, Queue, Runner, Steps};
//!
//! /// A step adds a number.
//! enum Sums {}
//!
//! impl Steps for Sums {
//!     type Value = u32;
//!     type Step = u32;
//!     type Fold = u32;
//!     type Failure = &'static str;
//!
//!     fn run(adds: &u32, x: u32) -> Outcome<Self> {
//!         Outcome::Value(x + adds)
//!     }
//!
//!     fn pause(_: &u32, _: u32) -> Option<Duration> {
//!         None
//!     }
//!
//!     fn give_up(_: &u32, failure: &'static str) -> Outcome<Self> {
//!         Outcome::Failed(failure)
//!     }
//!
//!     fn timed_out(_: &u32, _: u32, _: Duration) -> &'static str {
//!         "it took too long"
//!     }
//!
//!     fn fold(sum: &mut u32, x: u32) -> Outcome<Self> {
//!         *sum += x;
//!         Outcome::Value(*sum)
//!     }
//!
//!     fn reset(sum: &mut u32) {
//!         *sum = 0;
//!     }
//! }
//!
//! /// Whoever launches an element does what is to be done.
//! struct AtOnce;
//!
//! impl Engine<Sums> for AtOnce {
//!     fn width(&self) -> usize {
//!         1
//!     }
//!
//!     fn start(&self, runner: Runner<Sums>, _: Option<(Duration, Over<Sums>)>) {
//!         runner.run(|| {});
//!     }
//!
//!     fn lost(&self) -> &'static str {
//!         "it is lost"
//!     }
//! }
//!
//! let queue = Queue::new(AtOnce);
//! let part = Part::first(&queue, 1, Arc::new(2)).then(Arc::new(3));
//! assert!(!part.is_settled());
//! part.launch();
//! assert!(matches!(part.outcome(), Some(Outcome::Value(6))));
//! ```

mod batch;
mod dispatch;
mod held;
#[cfg(all(test, thalweg_loom))]
mod loom_tests;
mod pace;
mod part;
mod pauses;
mod queue;
#[cfg(all(test, not(thalweg_loom)))]
mod remote_tests;
mod strand;
#[cfg(all(test, not(thalweg_loom)))]
mod tests;
mod trace;
mod turns;

pub use batch::{Batch, BatchEngine, Trip};
pub use held::{send_held, send_held_on_loop};
pub use part::{Outcome, Part, Steps, pause_aside, run_step};
pub use queue::{Engine, Over, Queue, Runner};
pub use strand::Strand;
pub use trace::StepTrace;
