//! A live dashboard for [thalweg] pipelines in the browser: flow, bottlenecks, failures and tasks; and the same figures
//! as metrics.
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
//! | `/tasks` | engines: queued and running tasks, and the last minute of each worker |
//! | `/failures` | the last failures, by node and error |
//! | `/metrics` | the counters in the OpenMetrics format |
//! | `/info`, `/health` | the status as JSON; a liveness probe |
//!
//! The dashboard runs on a separate thread. It takes a snapshot once a second while someone views it, and none
//! otherwise; for thousands of nodes less often, so that it takes half a percent of a core. It waits for no pipeline:
//! one that is busy in a function is shown as of the last snapshot. By default it listens on loopback only. It answers
//! only requests for its own host names, so that no foreign page can read it, and is read-only unless [control is
//! allowed](Builder::allow_control).

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
