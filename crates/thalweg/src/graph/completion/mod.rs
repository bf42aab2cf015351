//! The completion of an `emit`: done when every node downstream has accepted the element.

mod emit;
mod ticket;

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

pub use self::emit::Emit;
pub(crate) use self::ticket::Ticket;
use super::Graph;
use super::call::Start;
use super::node::{AnyNode, NodeId};
use crate::failure::{Error, Failure, Kind};
use crate::sync::lock;

/// State that the holders of an element share with its emitter.
pub(crate) struct Completion {
    holders: AtomicUsize,
    /// Holders that have no room for another element yet.
    full: AtomicUsize,
    graph: Weak<Graph>,
    /// The node where the element was emitted, or 0.
    start: AtomicU64,
    /// Whether it has been checked that the element leads back to the awaiting function.
    is_asked: AtomicBool,
    /// Whether the emitter has given up waiting for room.
    is_withdrawn: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    finished: bool,
    /// Whether all holders of the element have room for another.
    admitted: bool,
    failures: Vec<Failure>,
    refusal: Option<Error>,
    /// The emitter's waker; without an emitter, failures go to the graph.
    waker: Option<Waker>,
    abandoned: bool,
    then: Vec<Then>,
    /// Elements that this one additionally waits for.
    waits_for: Vec<Weak<Completion>>,
}

/// Action once the element has been accepted.
enum Then {
    /// An element that waits for this one.
    Release(Ticket),
    /// A node that waits to deliver its next element.
    Tell(Weak<dyn AnyNode>),
}

impl Completion {
    pub(crate) fn ticket(graph: Weak<Graph>) -> Ticket {
        let done = Arc::new(Self {
            holders: AtomicUsize::new(1),
            full: AtomicUsize::new(1),
            graph,
            start: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
            is_withdrawn: AtomicBool::new(false),
            state: Mutex::default(),
        });
        Ticket::first(done)
    }

    /// Another holder has room: wakes those who wait for that if it was the last one.
    fn has_room(&self) {
        if self.full.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let mut state = lock(&self.state);
        state.admitted = true;
        let waker = state.waker.clone();
        let told: Vec<_> = state
            .then
            .extract_if(.., |then| matches!(then, Then::Tell(_)))
            .collect();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        for then in told {
            self.run(then);
        }
    }

    fn run(&self, then: Then) {
        match then {
            Then::Release(ticket) => drop(ticket),
            Then::Tell(node) => {
                if let (Some(graph), Some(node)) = (self.graph.upgrade(), node.upgrade()) {
                    graph.post(Box::new(move |pass| node.delivered(pass)));
                }
            }
        }
    }

    /// Records a failure for the emitter; returns it if there is no emitter.
    pub(crate) fn fail(&self, failure: Failure) -> Option<Failure> {
        let mut state = lock(&self.state);
        if state.abandoned {
            return Some(failure);
        }
        state.failures.push(failure);
        None
    }

    /// Whether a node is to be told when the element has been accepted.
    pub(crate) fn tells(&self, id: NodeId) -> bool {
        let is_told = |then: &Then| match then {
            Then::Tell(node) => node.upgrade().is_some_and(|node| node.core().id() == id),
            Then::Release(_) => false,
        };
        lock(&self.state).then.iter().any(is_told)
    }

    /// The nodes to tell when the element has been accepted, or an element that waits for it.
    pub(super) fn told(&self) -> Vec<Arc<dyn AnyNode>> {
        let (mut nodes, mut others) = (Vec::new(), Vec::new());
        for then in &lock(&self.state).then {
            match then {
                Then::Tell(node) => nodes.extend(node.upgrade()),
                Then::Release(ticket) => others.push(ticket.done().clone()),
            }
        }
        nodes.extend(others.iter().flat_map(|other| other.told()));
        nodes
    }

    /// Tells the emitter that the element was not accepted at all.
    pub(crate) fn refuse(&self, error: Error) {
        lock(&self.state).refusal = Some(error);
    }

    fn report(&self, failures: Vec<Failure>) {
        if let Some(graph) = self.graph.upgrade() {
            for failure in failures {
                graph.post_unhandled(failure);
            }
        }
    }

    fn finish(&self) {
        let mut state = lock(&self.state);
        state.finished = true;
        let waker = state.waker.take();
        let then = mem::take(&mut state.then);
        let waiting = then.iter().find_map(|then| match then {
            Then::Release(ticket) => Some(ticket.done().clone()),
            Then::Tell(_) => None,
        });
        let inherited = match waiting {
            Some(_) => mem::take(&mut state.failures),
            None => Vec::new(),
        };
        drop(state);
        for failure in inherited {
            if let Some(failure) = waiting.as_ref().and_then(|done| done.fail(failure)) {
                self.report(vec![failure]);
            }
        }
        if let Some(waker) = waker {
            waker.wake();
        }
        for then in then {
            self.run(then);
        }
    }

    /// Whether the emitter or other elements wait for this one.
    pub(super) fn is_awaited(&self) -> bool {
        let state = lock(&self.state);
        let is_release = |then: &Then| matches!(then, Then::Release(_));
        !state.abandoned || state.then.iter().any(is_release)
    }

    /// Those who wait for this element only: the element itself, or, once its emitter has deferred the wait, the
    /// elements it was deferred to. So a feedback loop of functions that emit and wait does not grow a chain.
    pub(crate) fn waiting(self: &Arc<Self>) -> Vec<Ticket> {
        let state = lock(&self.state);
        let put_off: Vec<_> = state
            .then
            .iter()
            .filter_map(|then| match then {
                Then::Release(ticket) => Some(ticket.clone()),
                Then::Tell(_) => None,
            })
            .collect();
        drop(state);
        if put_off.is_empty() {
            return vec![Ticket::share(self)];
        }
        put_off
    }

    /// Records where the element was emitted.
    pub(super) fn began_at(&self, node: NodeId) {
        self.start.store(node, Ordering::Relaxed);
    }

    /// Where the element was emitted, and the elements it waits for.
    pub(super) fn starts(self: &Arc<Self>) -> Vec<Start> {
        let (mut starts, mut seen, mut next) = (Vec::new(), Vec::new(), vec![self.clone()]);
        while let Some(done) = next.pop() {
            if seen.contains(&Arc::as_ptr(&done)) {
                continue;
            }
            seen.push(Arc::as_ptr(&done));
            starts.push((done.graph.clone(), done.start.load(Ordering::Relaxed)));
            next.extend(lock(&done.state).waits_for.iter().filter_map(Weak::upgrade));
        }
        starts
    }

    /// Records that this element waits for another: a function that awaits this one may wait for itself from now on.
    pub(super) fn waits_for(&self, other: &Arc<Completion>) {
        let mut state = lock(&self.state);
        if state.waits_for.len() == state.waits_for.capacity() {
            state.waits_for.retain(|other| other.strong_count() > 0);
        }
        state.waits_for.push(Arc::downgrade(other));
        let waker = state.waker.clone();
        drop(state);
        if self.is_asked.swap(false, Ordering::Relaxed)
            && let Some(waker) = waker
        {
            waker.wake();
        }
    }

    /// Keeps `ticket` until this element has been accepted, and passes failures on to its emitter.
    pub(crate) fn release_after(&self, ticket: Ticket) {
        let mut state = lock(&self.state);
        if state.finished {
            let failures = mem::take(&mut state.failures);
            drop(state);
            for failure in failures {
                if let Some(failure) = ticket.done().fail(failure) {
                    self.report(vec![failure]);
                }
            }
        } else {
            state.then.push(Then::Release(ticket));
        }
    }

    /// Waits until the holders of the element have room for another.
    fn poll_admitted(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<()> {
        let state = lock(&self.state);
        if state.admitted || state.finished {
            return Poll::Ready(());
        }
        self.wait_with(state, cx);
        Poll::Pending
    }

    fn wait_with(self: &Arc<Self>, mut state: MutexGuard<'_, State>, cx: &mut Context<'_>) {
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => {
                *none = Some(cx.waker().clone());
                drop(state);
                if let Some(graph) = self.graph.upgrade() {
                    graph.root().note_waiting(self);
                }
            }
        }
    }

    fn poll(self: &Arc<Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut state = lock(&self.state);
        if !state.finished {
            self.wait_with(state, cx);
            return Poll::Pending;
        }
        if let Some(error) = state.refusal.take() {
            return Poll::Ready(Err(error));
        }
        let failures = mem::take(&mut state.failures);
        Poll::Ready(if failures.is_empty() {
            Ok(())
        } else {
            Err(Error::new(Kind::Failed(failures)))
        })
    }

    pub(super) fn is_withdrawn(&self) -> bool {
        self.is_withdrawn.load(Ordering::Relaxed)
    }

    /// The emitter no longer waits. If it had begun to, the element is withdrawn wherever it still waits for room;
    /// where it has been accepted, it continues.
    fn give_up(&self) {
        let state = lock(&self.state);
        let has_waited = state.waker.is_some() && !state.finished;
        drop(state);
        self.abandon();
        if has_waited {
            self.is_withdrawn.store(true, Ordering::Relaxed);
            if let Some(graph) = self.graph.upgrade() {
                graph.post(Box::new(Graph::withdraw));
            }
        }
    }

    /// Tells the emitter that nobody will accept the element any more.
    pub(super) fn let_go(&self, error: Error) {
        let mut state = lock(&self.state);
        if state.finished {
            return;
        }
        state.finished = true;
        state.refusal = Some(error);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn abandon(&self) {
        let mut state = lock(&self.state);
        state.abandoned = true;
        state.waker = None;
        let failures = mem::take(&mut state.failures);
        drop(state);
        self.report(failures);
    }
}
