//! A live dashboard for [thalweg] pipelines, in the browser: where elements flow and where they wait, what
//! failed, what runs; and the same numbers as metrics.
//!
//! ```
//! use thalweg::Stream;
//!
//! let source = Stream::new();
//! source.map(|x: i32| x + 1).sink(drop);
//!
//! let dashboard = thalweg_dashboard::serve("127.0.0.1:0")?;
//! dashboard.watch("numbers", &source);
//! println!("see {}", dashboard.link());
//! # assert!(dashboard.link().starts_with("http://127.0.0.1:"));
//! # Ok::<(), thalweg_dashboard::ServeError>(())
//! ```
//!
//! | page | what it shows |
//! |---|---|
//! | `/status` | every pipeline as a drawing, with rates at its edges, and a table of its nodes |
//! | `/node/PIPELINE/NODE` | one node: its counters, the last ten minutes, its last failures |
//! | `/tasks` | engines: what waits, what runs and for how long |
//! | `/failures` | the last failures, by node and error |
//! | `/metrics` | the counters in the OpenMetrics format |
//! | `/info`, `/health` | the same as JSON; whether it answers |
//!
//! It runs on a thread of its own. It looks at pipelines once a second while somebody looks at it, and not at all
//! otherwise, and it waits for none: a pipeline whose thread is inside a function is shown as it was. It serves this
//! machine alone unless it is told another address, answers to its own names alone, so that no page from elsewhere can
//! read it, and changes nothing unless it is [allowed to](Builder::allow_control).

mod clock;
mod control;
mod elements;
#[cfg(feature = "metrics")]
mod facade;
mod failures;
mod families;
mod guard;
mod history;
mod listener;
mod live;
mod metrics;
mod observe;
mod pages;
mod routes;
mod server;

pub use control::Action;
pub use failures::{Cause, FailureRecord};
pub use metrics::Metrics;
pub use observe::{Engine, LATENCY_FOR, Observe, Outcome, Pipeline, Run, Task, Worker};
pub use server::{Builder, Dashboard, ServeError, serve};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg(doctest)]
#[doc = include_str!("../../../docs/DASHBOARD.md")]
mod guide {}
