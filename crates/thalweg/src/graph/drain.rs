//! The orderly end of a pipeline.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::pass::{Lease, Pass};
use super::state::Phase;
use super::{AnyNode, Graph, NodeId, detour, late, thread_state};
use crate::debug::shows;
use crate::failure::{Error, Kind, Undelivered};
use crate::runtime::RuntimeHandle;

/// A [`drain`](crate::Stream::drain) under way: await it, or block with [`wait`](Drain::wait).
///
/// Nothing happens before that. A drain that is dropped half-way leaves the pipeline closed to new
/// elements; draining again goes on where it stopped. One that begins while another is under way waits
/// for that, and one that comes after it returns at once; both say what was not delivered, if anything.
#[must_use = "a drain does nothing unless awaited"]
pub struct Drain {
    graph: Arc<Graph>,
    work: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
}

shows!([] Drain {});

impl Drain {
    pub(crate) fn new(graph: &Arc<Graph>, limit: Duration, run_first: bool) -> Self {
        let graph = graph.root().clone();
        let work = Box::pin(graph.clone().end(limit, run_first));
        Self { graph, work }
    }

    /// A drain that does nothing, and says why.
    pub(crate) fn refused(graph: &Arc<Graph>, error: Error) -> Self {
        Self {
            graph: graph.clone(),
            work: Box::pin(std::future::ready(Err(error))),
        }
    }

    /// Blocks the thread until the drain is done.
    ///
    /// # Errors
    /// As awaiting it; and where waiting would block the event loop that has to do the work.
    pub fn wait(self) -> Result<(), Error> {
        if thread_state::is_inside() || self.graph.is_on_its_loop() {
            return Err(Error::new(Kind::WouldBlock));
        }
        crate::sync::block_on(self)
    }
}

impl Future for Drain {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(cx)
    }
}

/// How often nodes are flushed because functions emit into their own pipeline: one may do so every time.
const ROUNDS: usize = 100;

impl Graph {
    async fn end(self: Arc<Self>, limit: Duration, run_first: bool) -> Result<(), Error> {
        if run_first {
            self.start_sources()?;
            self.sources_ended().await;
        }
        if let Some(error) = self.begin_drain() {
            return Err(error);
        }
        let all = async {
            let Some(_turn) = self.drain_turn().await else {
                return;
            };
            self.stop_sources();
            self.sources_ended().await;
            self.quiet().await;
            for _ in 0..ROUNDS {
                self.has_come_back();
                for id in self.nodes_to_flush() {
                    self.query(|pass| {
                        if let Some(node) = pass.graph().node(id, pass) {
                            pass.begin();
                            node.flush(pass);
                        }
                    });
                    self.quiet().await;
                }
                if !self.has_come_back() {
                    break;
                }
            }
            self.close_sources().await;
        };
        within(limit, self.limit_clock(), all).await;
        self.finish_drain()
    }

    /// Whether a function has emitted into the pipeline since this was last asked: nodes that were flushed before may
    /// keep something again.
    fn has_come_back(self: &Arc<Self>) -> bool {
        let came_back = self.query(|pass| {
            let before = pass
                .graph()
                .late
                .fetch_and(!late::HAS_COME, Ordering::Relaxed);
            before & late::HAS_COME != 0
        });
        came_back.unwrap_or_default()
    }

    /// Has elements taken while it is being drained, and later, from threads on which this says so.
    pub(crate) fn take_late(self: &Arc<Self>, from: fn() -> bool) {
        let root = self.root();
        let _ = root.late_from.set(from);
        if root.late.load(Ordering::Relaxed) & late::IS_TAKEN == 0 {
            // Nobody asks for what came before.
            root.late.store(late::IS_TAKEN, Ordering::Relaxed);
        }
    }

    /// Has elements refused again.
    pub(crate) fn refuse_late(self: &Arc<Self>) {
        let late = &self.root().late;
        late.fetch_and(!late::IS_TAKEN, Ordering::Relaxed);
    }

    /// Whether an element is taken late from this thread, or from a pipeline's function if it `is_inside`.
    pub(super) fn takes_late(&self, is_inside: bool) -> bool {
        self.late.load(Ordering::Relaxed) & late::IS_TAKEN != 0
            && (is_inside
                || self.runtime().is_some_and(|runtime| runtime.is_current())
                || self.late_from.get().is_some_and(|from| from()))
    }

    /// Whether elements are taken late, and some have come since a drain has last looked.
    pub(crate) fn has_late(self: &Arc<Self>) -> bool {
        self.root().has_late_inside()
    }

    fn has_late_inside(&self) -> bool {
        let both = late::IS_TAKEN | late::HAS_COME;
        self.late.load(Ordering::Relaxed) & both == both
    }

    /// Refuses elements from now on, and cuts cycles: what is on its way in one finishes its round.
    /// Returns why there is nothing to drain.
    fn begin_drain(self: &Arc<Self>) -> Option<Error> {
        let refused = self.query(|pass| pass.graph().refuse(pass));
        self.run_exclusive(Box::new(|pass| pass.graph().cut_cycles(pass)));
        refused.flatten()
    }

    /// Refuses elements from now on; returns why there have never been any.
    pub(crate) fn refuse(&self, pass: &Pass) -> Option<Error> {
        let mut state = self.state.get(pass);
        match &state.phase {
            Phase::Invalid(error) => return Some(Error::new(Kind::Invalid(error.clone()))),
            Phase::Open => state.phase = Phase::Draining,
            Phase::Draining | Phase::Closed => {}
        }
        self.detours.fetch_or(detour::REFUSES, Ordering::Relaxed);
        None
    }

    /// Waits for the drain under way, if there is one. `None` if there is nothing left to do, since one
    /// has come to its end.
    async fn drain_turn(self: &Arc<Self>) -> Option<DrainTurn> {
        poll_fn(|cx| {
            let turn = self.query(|pass| {
                let mut state = pass.graph().state.get(pass);
                if let Phase::Closed = state.phase {
                    return Some(false);
                }
                if state.is_being_drained {
                    state.drain_wakers.push(cx.waker().clone());
                    return None;
                }
                state.is_being_drained = true;
                Some(true)
            });
            match turn.flatten() {
                None if turn.is_some() => Poll::Pending,
                Some(true) => Poll::Ready(Some(DrainTurn(self.clone()))),
                _ => Poll::Ready(None),
            }
        })
        .await
    }

    /// Nodes that may keep something until more comes, from the top down.
    fn nodes_to_flush(self: &Arc<Self>) -> Vec<NodeId> {
        let nodes = self.query(|pass| {
            let state = pass.graph().state.get(pass);
            state.in_order(&state.to_end, pass)
        });
        nodes.unwrap_or_default()
    }

    /// A clock for the deadline, if there is one: without, nothing in the graph can be waiting for
    /// anything but other threads, which get a loop's clock to be timed by.
    pub(crate) fn limit_clock(self: &Arc<Self>) -> Option<RuntimeHandle> {
        self.root().runtime().cloned().or_else(RuntimeHandle::find)
    }

    /// Ends when nothing is in flight any more.
    pub(super) async fn quiet(self: &Arc<Self>) {
        poll_fn(|cx| {
            let quiet = self.query(|pass| {
                let graph = pass.graph();
                // First, so that whoever lets go of an element outside after this look sees it.
                graph.attention.store(true, Ordering::Relaxed);
                let mut state = graph.state.get(pass);
                if !state.is_moving(pass) && !graph.has_deferred() {
                    return true;
                }
                state.quiet_wakers.push(cx.waker().clone());
                false
            });
            match quiet {
                Some(false) => Poll::Pending,
                _ => Poll::Ready(()),
            }
        })
        .await;
    }

    /// Closes the sinks and says what was left.
    fn finish_drain(self: &Arc<Self>) -> Result<(), Error> {
        let left = self.query(|pass| {
            let graph = pass.graph();
            let mut state = graph.state.get(pass);
            if graph.has_late_inside() {
                // What is left is for the next drain.
                let others = std::mem::take(&mut state.drain_wakers);
                let failures = std::mem::take(&mut state.unhandled);
                drop(state);
                others.into_iter().for_each(Waker::wake);
                return (Vec::new(), failures);
            }
            let was_closed = matches!(state.phase, Phase::Closed);
            let running = state.running_sources();
            let restless = state.restless();
            // All others are known to hold nothing.
            let mut wanted = running.clone();
            wanted.extend(state.to_end.iter().chain(&state.restless));
            let nodes = state.in_order(&wanted, pass);
            drop(state);
            let mut held = Vec::new();
            let mut note = |node: &dyn AnyNode, elements| {
                let node = node.core().name();
                held.push(Undelivered { node, elements });
            };
            for id in nodes {
                let Some(node) = graph.node(id, pass) else {
                    continue;
                };
                if running.contains(&id) {
                    note(&*node, 0);
                }
                let buffered = node.buffered(pass);
                let elements = match restless.contains(&id) {
                    true => node.in_flight(pass) + buffered,
                    false => buffered,
                };
                if elements > 0 {
                    note(&*node, elements);
                }
                if !was_closed && node.closes() {
                    let mut closing = Pass::new(graph, Lease::default(), false);
                    node.close(&mut closing);
                }
            }
            let mut state = graph.state.get(pass);
            state.phase = Phase::Closed;
            let others = std::mem::take(&mut state.drain_wakers);
            let failures = std::mem::take(&mut state.unhandled);
            drop(state);
            others.into_iter().for_each(Waker::wake);
            (held, failures)
        });
        if left.as_ref().is_some_and(|(held, _)| !held.is_empty()) {
            self.root().let_go();
        }
        match left {
            Some((held, failures)) if held.is_empty() && failures.is_empty() => Ok(()),
            Some((held, failures)) => Err(Error::new(Kind::Undelivered(held, failures))),
            None => Ok(()),
        }
    }
}

/// Being the one drain that does the work; others wait for it, and one of them goes on if it is dropped.
struct DrainTurn(Arc<Graph>);

impl Drop for DrainTurn {
    fn drop(&mut self) {
        self.0.post(Box::new(|pass| {
            let mut state = pass.graph().state.get(pass);
            state.is_being_drained = false;
            let others = std::mem::take(&mut state.drain_wakers);
            drop(state);
            others.into_iter().for_each(Waker::wake);
        }));
    }
}

/// Runs `future` until it is done or the time is up; returns what it came to, if it did.
pub(crate) async fn within<R>(
    limit: Duration,
    clock: Option<RuntimeHandle>,
    future: impl Future<Output = R>,
) -> Option<R> {
    let mut future = std::pin::pin!(future);
    let mut sleep = clock.map(|clock| clock.sleep(limit));
    poll_fn(|cx| {
        if let Poll::Ready(result) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        match &mut sleep {
            Some(sleep) => Pin::new(sleep).poll(cx).map(|()| None),
            None => Poll::Pending,
        }
    })
    .await
}
