//! Waiting until no element is in flight.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::drain::Limit;
use super::{Graph, thread_state};
use crate::debug::shows;
use crate::failure::{Error, Kind, Undelivered};

/// Result of [`until_idle`](crate::Stream::until_idle): await it, or block with [`wait`](Idle::wait).
///
/// It changes nothing in the pipeline, and may be dropped at any time.
#[must_use = "nothing is waited for unless it is awaited"]
pub struct Idle {
    graph: Arc<Graph>,
    work: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    limit: Limit,
}

shows!([] Idle {});

impl Idle {
    pub(crate) fn new(graph: &Arc<Graph>, limit: Duration) -> Self {
        let graph = graph.root().clone();
        let limit = Limit::new(limit);
        let work = Box::pin(graph.clone().until_idle(limit.clone()));
        Self { graph, work, limit }
    }

    /// One that does not wait, and returns an error.
    pub(crate) fn refused(graph: &Arc<Graph>, error: Error) -> Self {
        Self {
            graph: graph.clone(),
            work: Box::pin(std::future::ready(Err(error))),
            limit: Limit::new(Duration::ZERO),
        }
    }

    /// Blocks the thread until no element is in flight.
    ///
    /// # Errors
    /// As awaiting it; or waiting would block the event loop that has to do the work.
    pub fn wait(self) -> Result<(), Error> {
        if thread_state::is_inside() || self.graph.is_on_its_loop() {
            return Err(Error::new(Kind::WouldBlock));
        }
        self.limit.block_on(self.work, &self.graph)
    }
}

impl Future for Idle {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(cx)
    }
}

impl Graph {
    async fn until_idle(self: Arc<Self>, limit: Limit) -> Result<(), Error> {
        limit.within(self.limit_clock(), self.quiet()).await;
        let left = self.query(|pass| {
            let graph = pass.graph();
            let state = graph.state.get(pass);
            let active = state.active().into_iter().collect();
            let nodes = state.in_order(&active, pass);
            drop(state);
            let nodes = nodes.into_iter().filter_map(|id| graph.node(id, pass));
            let held = nodes.map(|node| Undelivered {
                node: node.core().name(),
                elements: node.in_flight(pass),
            });
            let held: Vec<_> = held.filter(|held| held.elements > 0).collect();
            let failures = std::mem::take(&mut graph.state.get(pass).unhandled);
            (held, failures)
        });
        match left {
            Some((held, failures)) if !(held.is_empty() && failures.is_empty()) => {
                Err(Error::new(Kind::Undelivered(held, failures)))
            }
            _ => Ok(()),
        }
    }
}
