//! Tasks on threads and processes.
//!
//! A [`Client`] runs closures on its own threads, and returns [`Future`]s of their results. Futures can be passed to
//! other tasks, which start as soon as their inputs are available.
//!
//! ```
//! use thalweg_tasks::Client;
//!
//! let client = Client::threads(2)?;
//! let lengths = client.map(["one", "three"], |word| word.len());
//! let total = client.submit_with(&lengths, |lengths| lengths.into_iter().sum::<usize>());
//! assert_eq!(total.result()?, 8);
//! # Ok::<(), thalweg_tasks::Error>(())
//! ```
//!
#![cfg_attr(
    feature = "processes",
    doc = "[`Processes`] does the same with functions that [`remote!`] makes known, in worker processes, which can be killed."
)]
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `processes` | yes | worker processes; they need Linux |
//! | `streams` | yes | [`Scatter`](trait@crate::Scatter): streams of the crate `thalweg` on a client |

// The scheduler always supports worker processes.
#![cfg_attr(not(feature = "processes"), allow(dead_code))]

mod client;
mod engine;
mod error;
mod fork;
mod history;
mod panics;
pub mod parallel;
mod place;
#[cfg(feature = "processes")]
pub mod process;
#[cfg(feature = "processes")]
mod remote;
mod scheduler;
mod slot;
mod spin;
mod stack;
#[cfg(feature = "streams")]
mod stream;
mod sync;
mod task_types;
mod threads;

pub use client::{Client, Future, Inputs, Opens, Shared, TaskBuilder, block_in_place};
pub use engine::CannotStop;
pub use error::{Error, TaskError};
pub use history::{RunOutcome, TaskRun};
#[cfg(feature = "processes")]
pub use remote::{Argument, Arguments, Processes, ProcessesBuilder, Remote, Remotes, init_worker};
pub use slot::Status;
#[cfg(feature = "streams")]
pub use stream::{ParallelStream, Scatter};
pub use task_types::Failure;
pub use threads::{Token, token};

/// Support for [`remote!`].
#[cfg(feature = "processes")]
#[doc(hidden)]
pub mod remotes {
    pub use crate::remote::{Registered, inventory, run};
}

/// Building blocks of clients, for bindings of other languages and other kinds of tasks.
pub mod host {
    pub use crate::client::Closures;
    pub use crate::engine::{CannotStop, TaskEngine, spec};
    pub use crate::place::{
        Aside, MOMENT, aside, is_given, on_shortage, rejoin, runs_task, secede,
    };
    pub use crate::scheduler::{Assignment, Deferred, Dependencies, Options, Output, TaskSpec};
    pub use crate::slot::{Held, Interest, Latch, Slot, wait_all};
    pub use crate::spin::look;
    pub use crate::stack::set_stack_size;
    pub use crate::task_types::{Ending, TaskTypes};
    pub use crate::threads::{ThreadPool, Work, as_task};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/tutorial.md")]
mod tutorial {}
