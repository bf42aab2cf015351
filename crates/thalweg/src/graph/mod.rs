//! The engine: graphs of nodes, each behind one monitor.
//!
//! It knows no operator, and of runtimes only the trait.

mod access;
mod call;
mod cell;
mod completion;
mod control;
mod counter;
mod drain;
mod emit;
mod fusion;
mod idle;
mod latency;
mod monitor;
mod neighbours;
mod node;
mod output;
mod pass;
mod policy;
mod round;
mod state;
pub(crate) mod thread_state;
mod topology;
mod tracing;
mod unfed;
mod wiring;

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use self::access::{Access, Inside, detour, late};
pub use self::call::CurrentCall;
pub(crate) use self::call::forget as forget_call;
pub(crate) use self::cell::{Entrance, Link, Outlet, Receive, Slot};
use self::completion::Completion;
pub use self::completion::Emit;
pub(crate) use self::control::{Control, Parked};
pub use self::drain::Drain;
pub(crate) use self::drain::within;
pub(crate) use self::emit::Origin;
pub use self::fusion::{AtWork, Fused, FusedContext, FusedPart, Progress};
pub use self::idle::Idle;
use self::latency::Timing;
use self::monitor::{Entry, Monitor};
pub(crate) use self::node::{
    AnyNode, Core, Inlet, Node, NodeId, NodeKind, OperatorNode, Produce, TransformNode, caught,
};
pub(crate) use self::output::receive_each;
pub(crate) use self::pass::Pass;
pub use self::pass::{Delivery, Lease};
pub use self::policy::exempt_from_policies;
pub(crate) use self::policy::{Attempts, Policy, is_exempt};
use self::state::{Handler, Phase, State};
use self::tracing::Tracing;
pub(crate) use self::wiring::Handle;
use crate::failure::{BuildError, Error, Failure, Kind};
use crate::runtime::{RuntimeHandle, Task, entered};
use crate::sync::lock;

/// Work to do inside the monitor, between passes.
pub(crate) type Mail = Box<dyn FnOnce(&mut Pass) + Send>;

/// A connected set of nodes with one monitor, one clock and one lifetime.
///
/// Graphs that get connected become one; the merged one then points to the other.
pub(crate) struct Graph {
    monitor: Monitor<Mail>,
    merged: OnceLock<Arc<Graph>>,
    /// Reasons why elements from outside cannot enter directly: see [`detour`].
    detours: AtomicU8,
    /// Elements that arrive during a drain and later: see [`late`].
    late: AtomicU8,
    /// Whether they are accepted from the calling thread.
    late_from: OnceLock<fn() -> bool>,
    /// Whether there is work to do when an element has arrived everywhere.
    attention: AtomicBool,
    /// Whether the thread inside is a guest.
    guest: AtomicBool,
    /// Whether mail has ever been deferred, or might have been.
    defers: AtomicBool,
    /// Mail for the runtime's thread.
    deferred: Mutex<VecDeque<Mail>>,
    runtime: OnceLock<RuntimeHandle>,
    me: Weak<Graph>,
    /// The nodes that a panic passed through, innermost first.
    unwound: Mutex<Vec<NodeId>>,
    /// Elements with waiting emitters.
    waiting: Mutex<Vec<Weak<Completion>>>,
    /// Whether a drain has given up on them.
    has_given_up: AtomicBool,
    timing: Timing,
    tracing: Tracing,
    state: Slot<State>,
}

impl Graph {
    pub(crate) fn new(runtime: Option<RuntimeHandle>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            monitor: Monitor::new(),
            merged: OnceLock::new(),
            detours: AtomicU8::new(0),
            late: AtomicU8::new(0),
            late_from: OnceLock::new(),
            attention: AtomicBool::new(false),
            guest: AtomicBool::new(false),
            defers: AtomicBool::new(false),
            deferred: Mutex::default(),
            runtime: runtime.map_or_else(OnceLock::new, OnceLock::from),
            me: me.clone(),
            unwound: Mutex::new(Vec::new()),
            waiting: Mutex::default(),
            has_given_up: AtomicBool::new(false),
            timing: Timing::default(),
            tracing: Tracing::default(),
            state: Slot::new(State::default()),
        })
    }

    pub(crate) fn weak(&self) -> Weak<Self> {
        self.me.clone()
    }

    /// The graph this one has been merged into, or itself.
    #[inline]
    pub(crate) fn root(self: &Arc<Self>) -> &Arc<Self> {
        let mut root = self;
        while let Some(into) = root.merged.get() {
            root = into;
        }
        root
    }

    /// Does all work that was deferred until an element had arrived everywhere.
    fn run_agenda(&self) {
        while self.attention.load(Ordering::Relaxed) {
            let mut pass = Pass::new(self, Lease::default(), false);
            let next = self.state.get(&pass).agenda.pop_front();
            if let Some(node) = next {
                node.core().unscheduled();
                node.wake(&mut pass);
                continue;
            }
            self.on_idle();
            break;
        }
    }

    /// Does the work for when nothing is in flight any more.
    fn on_idle(&self) {
        let pass = Pass::new(self, Lease::default(), true);
        let mut state = self.state.get(&pass);
        let watched = state.is_abandoned() || !state.quiet_wakers.is_empty();
        self.attention
            .store(watched || !state.unhandled.is_empty(), Ordering::Relaxed);
        if watched && !state.has_in_flight(&pass) {
            let wakers = std::mem::take(&mut state.quiet_wakers);
            let abandoned = state.is_abandoned();
            drop(state);
            wakers.into_iter().for_each(std::task::Waker::wake);
            if abandoned {
                self.tear_down(&pass);
            }
        }
    }

    /// Records that somebody waits for an element.
    fn note_waiting(&self, done: &Arc<Completion>) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() == waiting.capacity() {
            waiting.retain(|done| done.strong_count() > 0);
        }
        waiting.push(Arc::downgrade(done));
        drop(waiting);
        if self.has_given_up.load(Ordering::SeqCst) {
            self.let_go();
        }
    }

    /// Releases everybody who waits for an element to be accepted: it will not be.
    fn let_go(&self) {
        self.has_given_up.store(true, Ordering::SeqCst);
        let waiting = std::mem::take(&mut *lock(&self.waiting));
        for done in waiting.iter().filter_map(Weak::upgrade) {
            done.let_go(Error::closed());
        }
    }

    /// Makes nodes drop elements that wait for room and whose emitters have given up.
    fn withdraw(pass: &mut Pass) {
        let nodes = pass.graph().state.get(pass).active.clone();
        for node in nodes {
            if let Some(node) = pass.graph().node(node, pass) {
                node.withdraw(pass);
            }
        }
    }

    /// Checks whether the graph has become idle, after a change outside.
    pub(crate) fn recheck_idle(self: &Arc<Self>) {
        if self.attention.load(Ordering::Relaxed) {
            self.post(Box::new(|_| {}));
        }
    }

    /// Requests a node's `wake` when the current element has arrived everywhere: once for each request, in order.
    pub(crate) fn schedule(&self, node: Arc<dyn AnyNode>, pass: &Pass) {
        node.core().scheduled();
        self.state.get(pass).agenda.push_back(node);
        self.attention.store(true, Ordering::Relaxed);
    }

    /// Records that an element may be in flight in a node.
    pub(crate) fn note_in_flight(&self, node: &Core, pass: &Pass) {
        if node.mark_active() {
            self.state.get(pass).active.push(node.id());
        }
    }

    pub(crate) fn node(&self, id: NodeId, pass: &Pass) -> Option<Arc<dyn AnyNode>> {
        self.state.get(pass).nodes.get(&id).cloned()
    }

    /// All nodes, oldest first.
    pub(crate) fn nodes(&self, pass: &Pass) -> Vec<Arc<dyn AnyNode>> {
        self.state.get(pass).nodes.values().cloned().collect()
    }

    pub(crate) fn add_source(&self, id: NodeId, control: Arc<Control>, pass: &Pass) {
        self.state.get(pass).sources.insert(id, control);
    }

    pub(crate) fn sources(&self, pass: &Pass) -> Vec<Arc<Control>> {
        self.state.get(pass).sources.values().cloned().collect()
    }

    pub(crate) fn set_handler(&self, handler: Handler, pass: &Pass) {
        let earlier = self.state.get(pass).handler.replace(handler);
        // Dropping its contents may run anything.
        drop(earlier);
        let kept = std::mem::take(&mut self.state.get(pass).unhandled);
        for failure in kept {
            self.unhandled(failure, pass);
        }
    }

    pub(crate) fn note_unwound(&self, id: NodeId) {
        lock(&self.unwound).push(id);
    }

    fn take_unwound(&self) -> Vec<NodeId> {
        std::mem::take(&mut *lock(&self.unwound))
    }

    // Time and futures.

    /// Finds a runtime for a graph that needs one.
    pub(crate) fn need_runtime(&self, pass: &Pass) {
        if self.runtime.get().is_none() {
            match RuntimeHandle::find() {
                Some(runtime) => {
                    let _ = self.runtime.set(runtime);
                }
                None => self.build_error(
                    BuildError::new(
                        "runtime",
                        "this needs a clock: build the stream with `Stream::on(runtime)`, or enable the feature `tokio`",
                    )
                    .into(),
                    pass,
                ),
            }
        }
    }

    /// Gives the graph a runtime, unless it has one.
    pub(crate) fn run_on(self: &Arc<Self>, runtime: RuntimeHandle) -> Result<(), Error> {
        if self.root().runtime.get_or_init(|| runtime.clone()) == &runtime {
            return Ok(());
        }
        Err(Error::new(Kind::DifferentRuntimes))
    }

    pub(crate) fn runtime(&self) -> Option<&RuntimeHandle> {
        self.runtime.get()
    }

    pub(crate) fn now(&self) -> Duration {
        self.runtime()
            .map_or(Duration::ZERO, |runtime| runtime.now())
    }

    /// The time, if the current thread is to let others have a turn: it is the only one that functions are called on.
    /// Inside a function no other has a turn.
    pub(crate) fn turn(self: &Arc<Self>) -> Option<Duration> {
        let runtime = self.root().runtime();
        let runtime = runtime.filter(|runtime| runtime.is_exclusive())?;
        (!thread_state::is_inside()).then(|| runtime.now())
    }

    pub(crate) fn spawn(&self, task: Task) {
        if let Some(runtime) = self.runtime() {
            runtime.spawn(task);
        }
    }

    pub(crate) fn enter_runtime<R>(&self, f: impl FnOnce() -> R) -> R {
        match self.runtime() {
            None => f(),
            Some(runtime) => entered(f, |f| runtime.enter(f)),
        }
    }

    pub(crate) fn is_on_its_loop(self: &Arc<Self>) -> bool {
        self.root()
            .runtime()
            .is_some_and(|runtime| runtime.is_current())
    }

    /// Requests a node's `wake` at a time.
    pub(crate) fn wake_at(&self, at: Duration, id: NodeId, pass: &Pass) {
        self.state.get(pass).timers.push(at, id);
        self.arm(pass);
    }

    /// Makes the runtime call when the first timer is due. A runtime that finds its event loop closed asks the pipeline
    /// what is in flight: nothing is borrowed meanwhile.
    fn arm(&self, pass: &Pass) {
        let Some(runtime) = self.runtime() else {
            return;
        };
        let at = self.state.get(pass).timers.next_to_arm();
        let Some(at) = at else { return };
        let alarm = Alarm {
            graph: Some(self.weak()),
            at,
        };
        runtime.wake_at(at, Box::new(move || alarm.ring()));
    }

    /// Records that the runtime is gone: elements in flight in a graph without handles never arrive.
    fn runtime_ended(&self, pass: &Pass) {
        if self.state.get(pass).is_abandoned() {
            self.tear_down(pass);
        }
    }

    /// Wakes nodes whose time has come. `at`: the time for which the runtime was asked to call.
    fn run_timers(&self, at: Duration, pass: &Pass) {
        let now = pass.now();
        self.state.get(pass).timers.disarm(at);
        loop {
            let due = self.state.get(pass).timers.pop_due(now);
            let Some(id) = due else { break };
            if let Some(node) = self.node(id, pass) {
                self.schedule(node, pass);
            }
        }
        self.arm(pass);
    }

    // Failures and the end.

    /// Takes a failure that no emitter waits for.
    pub(crate) fn unhandled(&self, failure: Failure, pass: &Pass) {
        let handler = self.state.get(pass).handler.clone();
        match handler {
            Some(handler) => match handler.try_lock() {
                // It is running, further up the stack.
                Err(std::sync::TryLockError::WouldBlock) => {
                    if let Some(graph) = self.me.upgrade() {
                        graph.post_unhandled(failure);
                    }
                }
                locked => {
                    let mut handler = locked.unwrap_or_else(|error| match error {
                        std::sync::TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
                        std::sync::TryLockError::WouldBlock => unreachable!("see above"),
                    });
                    // A panic of a handler has been printed; nothing else happens.
                    let call = AssertUnwindSafe(|| handler(failure));
                    let _ = std::panic::catch_unwind(call);
                }
            },
            None => {
                self.state.get(pass).keep_unhandled(failure);
                self.attention.store(true, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn post_unhandled(self: &Arc<Self>, failure: Failure) {
        self.post(Box::new(move |pass| pass.graph().unhandled(failure, pass)));
    }

    /// Records an invalid argument: no elements are accepted any more.
    pub(crate) fn build_error(&self, error: Error, pass: &Pass) {
        let mut state = self.state.get(pass);
        if !matches!(state.phase, Phase::Invalid(_)) {
            state.phase = Phase::Invalid(Arc::new(error));
        }
        self.detours.fetch_or(detour::REFUSES, Ordering::Relaxed);
    }

    /// The reason to refuse elements. Elements that a source has begun to emit are accepted while it is being stopped.
    fn refusal(&self, origin: Origin, pass: &Pass) -> Option<Error> {
        match &self.state.get(pass).phase {
            Phase::Open => None,
            Phase::Draining if origin == Origin::Source => None,
            Phase::Draining | Phase::Closed => Some(Error::closed()),
            Phase::Invalid(error) => Some(Error::new(Kind::Invalid(error.clone()))),
        }
    }

    /// The invalid argument, if there is one.
    pub(crate) fn check(self: &Arc<Self>) -> Result<(), Error> {
        match self.check_open() {
            Err(error) if error.is_build() || error.is_different_runtimes() => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether elements are accepted: no argument is invalid, and the graph has not been drained.
    pub(crate) fn check_open(self: &Arc<Self>) -> Result<(), Error> {
        if self.root().detours.load(Ordering::Relaxed) & detour::REFUSES == 0 {
            return Ok(());
        }
        match self.query(|pass| pass.graph().refusal(Origin::Outside, pass)) {
            Some(Some(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Accepts elements again after a drain.
    pub(crate) fn reopen(&self, pass: &Pass) {
        let mut state = self.state.get(pass);
        if matches!(state.phase, Phase::Draining | Phase::Closed) {
            state.phase = Phase::Open;
            self.detours.fetch_and(!detour::REFUSES, Ordering::Relaxed);
            self.has_given_up.store(false, Ordering::SeqCst);
        }
    }

    pub(crate) fn is_draining(&self, pass: &Pass) -> bool {
        matches!(self.state.get(pass).phase, Phase::Draining)
    }
}

impl Graph {
    /// Reads something inside, if that is possible at once and without further work: no thread is inside, including
    /// this one, and no mail can arrive meanwhile. `f` must not touch any pipeline.
    pub(crate) fn try_inspect<R>(self: &Arc<Self>, f: impl FnOnce(&Pass) -> R) -> Option<R> {
        let root = self.root();
        let _inspection = root.monitor.try_inspect(thread_state::thread_id())?;
        Some(f(&Pass::new(root, Lease::default(), false)))
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_pipeline_idle(&self, pass: &Pass) -> bool {
        !self.state.get(pass).has_in_flight(pass)
    }

    /// Whether a drain has ended.
    pub(crate) fn is_closed(&self, pass: &Pass) -> bool {
        matches!(self.state.get(pass).phase, Phase::Closed)
    }

    /// Whether nodes are still to be called.
    pub(crate) fn has_agenda(&self, pass: &Pass) -> bool {
        !self.state.get(pass).agenda.is_empty()
    }
}

/// Wakes a graph when its first timer is due. An alarm that is dropped earlier means that its runtime has ended.
struct Alarm {
    graph: Option<Weak<Graph>>,
    at: Duration,
}

impl Alarm {
    fn ring(mut self) {
        let at = self.at;
        self.post(move |pass| pass.graph().run_timers(at, pass));
    }

    fn post(&mut self, mail: impl FnOnce(&mut Pass) + Send + 'static) {
        if let Some(graph) = self.graph.take().and_then(|graph| graph.upgrade()) {
            graph.post(Box::new(mail));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let at = self.at;
        self.post(move |pass| {
            let graph = pass.graph();
            graph.state.get(pass).timers.disarm(at);
            graph.runtime_ended(pass);
        });
    }
}
