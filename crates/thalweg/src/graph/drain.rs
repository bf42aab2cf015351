//! Ending a pipeline in good order.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::pass::{Lease, Pass};
use super::state::Phase;
use super::{AnyNode, Graph, NodeId, detour, late, thread_state};
use crate::debug::shows;
use crate::failure::{Error, Kind, Undelivered};
use crate::runtime::RuntimeHandle;

/// A [`drain`](crate::Stream::drain): await it, or block with [`wait`](Drain::wait).
///
/// Nothing happens before that. A drain that is dropped half-way leaves the pipeline closed to new elements; another
/// one continues where it stopped. A drain that starts while another is running waits for that, and one that comes
/// after it returns at once; both report undelivered elements, if there are any.
#[must_use = "a drain does nothing unless awaited"]
pub struct Drain {
    graph: Arc<Graph>,
    work: Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    /// For a thread that blocks, unless sources are to end first.
    limit: Option<Limit>,
}

shows!([] Drain {});

impl Drain {
    pub(crate) fn new(graph: &Arc<Graph>, limit: Duration, run_first: bool) -> Self {
        let graph = graph.root().clone();
        let limit = Limit::new(limit);
        let work = Box::pin(graph.clone().end(limit.clone(), run_first));
        let limit = (!run_first).then_some(limit);
        Self { graph, work, limit }
    }

    /// A drain that does nothing and returns an error.
    pub(crate) fn refused(graph: &Arc<Graph>, error: Error) -> Self {
        Self {
            graph: graph.clone(),
            work: Box::pin(std::future::ready(Err(error))),
            limit: None,
        }
    }

    /// Blocks the thread until the drain is done.
    ///
    /// # Errors
    /// As awaiting it; or waiting would block the event loop that has to do the work.
    pub fn wait(mut self) -> Result<(), Error> {
        if thread_state::is_inside() || self.graph.is_on_its_loop() {
            return Err(Error::new(Kind::WouldBlock));
        }
        match self.limit.take() {
            Some(limit) => limit.block_on(self.work, &self.graph),
            None => crate::sync::block_on(self),
        }
    }
}

impl Future for Drain {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.work.as_mut().poll(cx)
    }
}

/// Maximum number of flushes, since a function may emit into its own pipeline at each.
const ROUNDS: usize = 100;

impl Graph {
    async fn end(self: Arc<Self>, limit: Limit, run_first: bool) -> Result<(), Error> {
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
        limit.within(self.limit_clock(), all).await;
        self.finish_drain()
    }

    /// Whether a function has emitted into the pipeline since the last call: flushed nodes may keep something again.
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

    /// Accepts elements during a drain and later, from threads for which this returns true.
    pub(crate) fn take_late(self: &Arc<Self>, from: fn() -> bool) {
        let root = self.root();
        let _ = root.late_from.set(from);
        if root.late.load(Ordering::Relaxed) & late::IS_TAKEN == 0 {
            // Earlier elements do not matter.
            root.late.store(late::IS_TAKEN, Ordering::Relaxed);
        }
    }

    /// Has elements refused again.
    pub(crate) fn refuse_late(self: &Arc<Self>) {
        let late = &self.root().late;
        late.fetch_and(!late::IS_TAKEN, Ordering::Relaxed);
    }

    /// Whether a late element of this thread is accepted, or of a pipeline's function if it `is_inside`.
    pub(super) fn takes_late(&self, is_inside: bool) -> bool {
        self.late.load(Ordering::Relaxed) & late::IS_TAKEN != 0
            && (is_inside
                || self.runtime().is_some_and(|runtime| runtime.is_current())
                || self.late_from.get().is_some_and(|from| from()))
    }

    /// Whether late elements are accepted, and some have arrived since the last check by a drain.
    pub(crate) fn has_late(self: &Arc<Self>) -> bool {
        self.root().has_late_inside()
    }

    fn has_late_inside(&self) -> bool {
        let both = late::IS_TAKEN | late::HAS_COME;
        self.late.load(Ordering::Relaxed) & both == both
    }

    /// Refuses elements from now on, and cuts cycles: elements in one finish their round. Returns the reason if there
    /// is nothing to drain.
    fn begin_drain(self: &Arc<Self>) -> Option<Error> {
        let refused = self.query(|pass| pass.graph().refuse(pass));
        self.run_exclusive(Box::new(|pass| pass.graph().cut_cycles(pass)));
        refused.flatten()
    }

    /// Refuses elements from now on; returns the reason if there have never been any.
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

    /// Waits for the running drain, if there is one. `None` if there is nothing left to do, since one has finished.
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

    /// Nodes that may keep elements until others arrive, from the top down.
    fn nodes_to_flush(self: &Arc<Self>) -> Vec<NodeId> {
        let nodes = self.query(|pass| {
            let state = pass.graph().state.get(pass);
            state.in_order(&state.to_end, pass)
        });
        nodes.unwrap_or_default()
    }

    /// A clock for the deadline, if there is one: without a runtime, only other threads can be waited for, and timing
    /// them needs a loop's clock.
    pub(crate) fn limit_clock(self: &Arc<Self>) -> Option<RuntimeHandle> {
        self.root().runtime().cloned().or_else(RuntimeHandle::find)
    }

    /// Completes when nothing is in flight.
    pub(super) async fn quiet(self: &Arc<Self>) {
        poll_fn(|cx| {
            let quiet = self.query(|pass| {
                let graph = pass.graph();
                // Registered first, so that a release outside after this check sees it.
                graph.attention.store(true, Ordering::Relaxed);
                let mut state = graph.state.get(pass);
                if !state.has_in_flight(pass) && !graph.has_deferred() {
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

    /// Closes the sinks and reports the rest.
    fn finish_drain(self: &Arc<Self>) -> Result<(), Error> {
        let left = self.query(|pass| {
            let graph = pass.graph();
            let mut state = graph.state.get(pass);
            if graph.has_late_inside() {
                // The rest is left to the next drain.
                let others = std::mem::take(&mut state.drain_wakers);
                let failures = std::mem::take(&mut state.unhandled);
                drop(state);
                others.into_iter().for_each(Waker::wake);
                return (Vec::new(), failures);
            }
            let was_closed = matches!(state.phase, Phase::Closed);
            let running = state.running_sources();
            let active = state.active();
            // All others are known to hold nothing.
            let mut wanted = running.clone();
            wanted.extend(state.to_end.iter().chain(&state.active));
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
                let elements = match active.contains(&id) {
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

/// The right of the only active drain; others wait, and one of them takes over if it is dropped.
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

/// Runs `future` until it is done or the time is up; returns its output if it is done.
pub(crate) async fn within<R>(
    limit: Duration,
    clock: Option<RuntimeHandle>,
    future: impl Future<Output = R>,
) -> Option<R> {
    Limit::new(limit).within(clock, future).await
}

/// A time limit, by a pipeline's clock.
#[derive(Clone)]
pub(super) struct Limit {
    time: Duration,
    /// Whether the time is up by another clock.
    is_up: Arc<AtomicBool>,
}

/// Time by which a pipeline's clock may be late for a thread that blocks.
const LATENESS: Duration = Duration::from_millis(100);

impl Limit {
    pub(super) fn new(time: Duration) -> Self {
        let is_up = Arc::default();
        Self { time, is_up }
    }

    pub(super) async fn within<R>(
        &self,
        clock: Option<RuntimeHandle>,
        future: impl Future<Output = R>,
    ) -> Option<R> {
        let mut future = std::pin::pin!(future);
        let mut sleep = clock.map(|clock| clock.sleep(self.time));
        poll_fn(|cx| {
            if let Poll::Ready(result) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            match &mut sleep {
                _ if self.is_up.load(Ordering::Relaxed) => Poll::Ready(None),
                Some(sleep) => Pin::new(sleep).poll(cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await
    }

    /// Runs work with this limit on this thread, which blocks. It keeps the time, too: the pipeline's loop may be one
    /// that nobody runs.
    pub(super) fn block_on<R>(
        &self,
        mut work: Pin<Box<dyn Future<Output = R> + Send>>,
        graph: &Arc<Graph>,
    ) -> R {
        let runtime = graph.root().runtime();
        if runtime.is_some_and(|runtime| runtime.is_real_time()) {
            let time = self.time.saturating_add(LATENESS);
            if let Some(result) = crate::sync::block_on_for(work.as_mut(), time) {
                return result;
            }
            self.is_up.store(true, Ordering::Relaxed);
        }
        crate::sync::block_on(work)
    }
}
