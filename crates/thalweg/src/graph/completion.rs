//! The completion of an `emit`: done when every node downstream has taken the element.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker};

use super::call::{CurrentCall, Start};
use super::node::{AnyNode, NodeId};
use super::{Delivery, Graph};
use crate::failure::{BuildError, Error, Failure, Kind};
use crate::interval::IntoInterval;
use crate::sync::lock;

/// What the holders of an element and its emitter share.
pub(crate) struct Done {
    holders: AtomicUsize,
    /// Those of them that have no room for another element yet.
    full: AtomicUsize,
    graph: Weak<Graph>,
    /// The node where the element was emitted, or 0.
    start: AtomicU64,
    /// Whether it has been asked whether the element leads back to the function that awaits it.
    is_asked: AtomicBool,
    /// Whether the emitter has given up waiting for room.
    is_withdrawn: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    finished: bool,
    /// Whether all who hold the element have room for another.
    admitted: bool,
    failures: Vec<Failure>,
    refusal: Option<Error>,
    /// The emitter's waker; without an emitter, failures go to the graph.
    waker: Option<Waker>,
    abandoned: bool,
    then: Vec<Then>,
    /// Elements that this one waits for besides.
    waits_for: Vec<Weak<Done>>,
}

/// What happens once the element is taken.
enum Then {
    /// An element that waits for this one.
    Release(Ticket),
    /// A node that waits to deliver its next.
    Tell(Weak<dyn AnyNode>),
}

/// A share in holding an element; the last one dropped completes its emission.
pub(crate) struct Ticket {
    done: Arc<Done>,
    /// Whether its holder has room for another element.
    admitted: bool,
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self::share(&self.done)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.done.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.finish();
        } else if !self.admitted {
            self.done.has_room();
        }
    }
}

impl Ticket {
    fn share(done: &Arc<Done>) -> Self {
        done.holders.fetch_add(1, Ordering::Relaxed);
        done.full.fetch_add(1, Ordering::Relaxed);
        Self {
            done: done.clone(),
            admitted: false,
        }
    }

    pub(crate) fn done(&self) -> &Arc<Done> {
        &self.done
    }

    /// Says that the holder has room for another element.
    pub(crate) fn admit(&mut self) {
        if !mem::replace(&mut self.admitted, true) {
            self.done.has_room();
        }
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Gives up this share. If others still hold the element and have no room for another, `node` is told when they
    /// do. Nobody waits for the element: failures go to the graph.
    pub(crate) fn tell(self, node: Weak<dyn AnyNode>) -> Delivery {
        let mut state = lock(&self.done.state);
        state.abandoned = true;
        // Nobody else can take a share now: shares are taken inside the monitor, where we are.
        let pending = self.done.full.load(Ordering::Acquire) > 1;
        if pending {
            state.then.push(Then::Tell(node));
        }
        let failures = mem::take(&mut state.failures);
        drop(state);
        self.done.report(failures);
        if pending {
            Delivery::Pending
        } else {
            Delivery::Taken
        }
    }

    /// Gives up this share, of an element that was made of another, for which `emitter` waits: that one is told of
    /// failures, and waits for this one. If others still hold the element, `node` is told when they no longer do.
    pub(crate) fn hand_over(self, emitter: Ticket, node: Weak<dyn AnyNode>) -> Delivery {
        if self.done.holders.load(Ordering::Acquire) == 1 {
            self.done.release_after(emitter);
            return Delivery::Taken;
        }
        let mut state = lock(&self.done.state);
        state.then.push(Then::Tell(node));
        state.then.push(Then::Release(emitter));
        Delivery::Pending
    }
}

impl Done {
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
        Ticket {
            done,
            admitted: false,
        }
    }

    /// One holder more has room for another element: tells those who wait for that if it was the last.
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
            self.carry_out(then);
        }
    }

    fn carry_out(&self, then: Then) {
        match then {
            Then::Release(ticket) => drop(ticket),
            Then::Tell(node) => {
                if let (Some(graph), Some(node)) = (self.graph.upgrade(), node.upgrade()) {
                    graph.post(Box::new(move |pass| node.delivered(pass)));
                }
            }
        }
    }

    /// Records a failure for the emitter; gives it back if there is none.
    pub(crate) fn fail(&self, failure: Failure) -> Option<Failure> {
        let mut state = lock(&self.state);
        if state.abandoned {
            return Some(failure);
        }
        state.failures.push(failure);
        None
    }

    /// Whether a node is to be told when the element is taken.
    pub(crate) fn tells(&self, id: NodeId) -> bool {
        let is_told = |then: &Then| match then {
            Then::Tell(node) => node.upgrade().is_some_and(|node| node.core().id() == id),
            Then::Release(_) => false,
        };
        lock(&self.state).then.iter().any(is_told)
    }

    /// The nodes that are told when the element has been taken, or one that waits for it.
    pub(super) fn told(&self) -> Vec<Arc<dyn AnyNode>> {
        let (mut nodes, mut others) = (Vec::new(), Vec::new());
        for then in &lock(&self.state).then {
            match then {
                Then::Tell(node) => nodes.extend(node.upgrade()),
                Then::Release(ticket) => others.push(ticket.done.clone()),
            }
        }
        nodes.extend(others.iter().flat_map(|other| other.told()));
        nodes
    }

    /// Tells the emitter that the element was not taken at all.
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
            Then::Release(ticket) => Some(ticket.done.clone()),
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
            self.carry_out(then);
        }
    }

    /// Whether somebody waits for this element: its emitter, or other elements.
    pub(super) fn is_awaited(&self) -> bool {
        let state = lock(&self.state);
        let is_release = |then: &Then| matches!(then, Then::Release(_));
        !state.abandoned || state.then.iter().any(is_release)
    }

    /// Those who wait for this element and for nothing else: the element itself, or, once its
    /// emitter has put the waiting off, the elements it was put off to. So a feedback loop of
    /// functions that emit and wait does not grow a chain.
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

    /// Takes note of where the element was emitted.
    pub(super) fn began_at(&self, node: NodeId) {
        self.start.store(node, Ordering::Relaxed);
    }

    /// Where the element was emitted, and those that it waits for.
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

    /// Takes note that this element waits for another: a function that awaits this one may wait for itself
    /// from now on.
    pub(super) fn waits_for(&self, other: &Arc<Done>) {
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

    /// Keeps `ticket` until this element is taken, and passes failures on to its emitter.
    pub(crate) fn release_after(&self, ticket: Ticket) {
        let mut state = lock(&self.state);
        if state.finished {
            let failures = mem::take(&mut state.failures);
            drop(state);
            for failure in failures {
                if let Some(failure) = ticket.done.fail(failure) {
                    self.report(vec![failure]);
                }
            }
        } else {
            state.then.push(Then::Release(ticket));
        }
    }

    /// Waits until those who hold the element have room for another.
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

    /// The emitter no longer waits. If it has begun to, the element is let go of wherever it still waits for
    /// room; where it has been taken, it goes on.
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

    /// Tells the emitter that nobody will take the element any more.
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

/// The completion of an [`emit`](crate::Stream::emit).
///
/// The element is on its way already; awaiting, or blocking with [`wait`](Emit::wait), waits until
/// every node downstream has taken it, and says what failed. If nothing downstream had to wait, the
/// completion is done from the start and cost no allocation.
///
/// Dropped before anybody has waited, it lets the element go on; what fails then counts as unhandled
/// (see [`Stream::on_unhandled`](crate::Stream::on_unhandled)). Dropped while it is being awaited, by a time
/// limit say, it withdraws the element wherever that still waits for room; where it has been taken, into a
/// buffer or by a function, it goes on:
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let list = source.rate_limit("1s").sink_to_list();
/// clock.block_on(source.emit(1))?;
/// assert!(source.emit(2).wait_timeout("1ms").is_err_and(|error| error.is_timed_out()));
/// clock.advance(Duration::from_secs(10));
/// assert_eq!(list.to_vec(), [1]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// Awaited by an asynchronous function of a pipeline, one whose element leads back to that function is
/// done as soon as it is queued; see [`CurrentCall`](crate::CurrentCall).
#[must_use = "await it, or call `.wait()`: it applies back pressure and reports failures"]
pub struct Emit(Inner);

enum Inner {
    Ready,
    Failed(Box<(Error, Weak<Graph>)>),
    Pending(Arc<Done>),
    Taken,
}

impl Emit {
    #[inline(always)]
    pub(crate) const fn ready() -> Self {
        Self(Inner::Ready)
    }

    #[cold]
    pub(crate) fn failed(error: Error, graph: Weak<Graph>) -> Self {
        Self(Inner::Failed(Box::new((error, graph))))
    }

    /// The completion that `done` stands for.
    pub(crate) fn pending(done: Arc<Done>) -> Self {
        let state = lock(&done.state);
        if state.finished && state.failures.is_empty() && state.refusal.is_none() {
            return Self::ready();
        }
        drop(state);
        Self(Inner::Pending(done))
    }

    /// Whether the element has been taken everywhere, or has failed: waiting would return at once.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Inner::Pending(done) => lock(&done.state).finished,
            _ => true,
        }
    }

    /// Whether the element is on its way, and those who hold it have room for another: who sends many sends the next.
    pub(crate) fn is_admitted(&self) -> bool {
        match &self.0 {
            Inner::Pending(done) => {
                let state = lock(&done.state);
                state.admitted || state.finished
            }
            _ => true,
        }
    }

    /// Waits until the next element can be sent; this one may still be on its way then.
    pub(crate) fn poll_admitted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Inner::Pending(done) = &self.0
            && done.poll_admitted(cx).is_pending()
        {
            if !is_taken_over(done) {
                return Poll::Pending;
            }
            self.0 = Inner::Taken;
        }
        Poll::Ready(())
    }

    /// Lets the element go on without anybody waiting for it: what fails is unhandled.
    pub(crate) fn detach(mut self) {
        match mem::replace(&mut self.0, Inner::Taken) {
            Inner::Pending(done) => done.abandon(),
            other => drop(Self(other)),
        }
    }

    /// Blocks the thread until every node downstream has taken the element.
    ///
    /// Called by a function inside a pipeline, where nothing may block, it does not wait: the
    /// element that the function is working on counts as taken only when this one is too, and what
    /// fails is reported to the emitter of that element.
    ///
    /// # Errors
    /// What failed, with the node and the element; that the pipeline is closed or was built with a
    /// mistake; or, on the thread of the very event loop that has to do the work, that waiting would
    /// block it ([`Error::is_would_block`]).
    #[inline]
    pub fn wait(self) -> Result<(), Error> {
        if matches!(self.0, Inner::Ready) {
            return Ok(());
        }
        self.wait_unready()
    }

    /// The same for no longer than `limit`, a duration, a number of seconds, or a text such as `"500ms"`;
    /// zero is no time at all. Then the element is withdrawn wherever it still waits for room.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); that `limit` is no length of time; or that it has passed
    /// ([`Error::is_timed_out`]).
    pub fn wait_timeout(mut self, limit: impl IntoInterval) -> Result<(), Error> {
        let limit = crate::interval::wait(limit)
            .map_err(|error| Error::from(BuildError::new("emit", error)))?;
        match &self.0 {
            Inner::Pending(done) if !self.is_ready() && !super::thread_state::is_inside() => {
                let graph = done.graph.upgrade();
                if graph.is_some_and(|graph| graph.is_on_its_loop()) {
                    return Err(Error::new(Kind::WouldBlock));
                }
                crate::sync::block_on_for(Pin::new(&mut self), limit)
                    .unwrap_or_else(|| Err(Error::new(Kind::TimedOut(limit))))
            }
            _ => self.wait(),
        }
    }

    #[cold]
    fn wait_unready(mut self) -> Result<(), Error> {
        match mem::replace(&mut self.0, Inner::Taken) {
            Inner::Ready | Inner::Taken => Ok(()),
            Inner::Failed(failed) => Err(failed.0),
            Inner::Pending(done) => {
                self.0 = Inner::Pending(done.clone());
                self.wait_pending(&done)
            }
        }
    }

    /// Called by a function inside a pipeline, makes the element that the function is working on wait
    /// for this one, as [`wait`](Self::wait) does there.
    ///
    /// ```
    /// use thalweg::Stream;
    ///
    /// let (outer, inner) = (Stream::new(), Stream::new());
    /// // Two at a time: the third of one side waits for the other.
    /// let pairs = thalweg::ops::zip_bounded(1, (&inner, &Stream::<i32>::new()));
    /// pairs.sink(drop);
    /// let target = inner.clone();
    /// outer.sink(move |x: i32| assert!(target.emit(x).wait_within().is_ok()));
    /// assert!(outer.emit(1).is_ready());
    /// assert!(!outer.emit(2).is_ready());
    /// assert!(inner.emit(3).wait_within().is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// Gives the completion back if no function is running on this thread, and nothing can wait in
    /// its place; or if it has failed already.
    pub fn wait_within(mut self) -> Result<(), Self> {
        match &self.0 {
            Inner::Ready | Inner::Taken => Ok(()),
            Inner::Pending(done) if super::thread_state::is_inside() => {
                super::thread_state::wait_for(done.clone());
                self.0 = Inner::Taken;
                Ok(())
            }
            Inner::Pending(_) | Inner::Failed(_) => Err(self),
        }
    }

    fn wait_pending(mut self, done: &Arc<Done>) -> Result<(), Error> {
        if !self.is_ready() {
            if super::thread_state::is_inside() {
                self.0 = Inner::Taken;
                super::thread_state::wait_for(done.clone());
                return Ok(());
            }
            let graph = done.graph.upgrade();
            if graph.is_some_and(|graph| graph.is_on_its_loop()) {
                return Err(Error::new(Kind::WouldBlock));
            }
        }
        crate::sync::block_on(self)
    }
}

/// Whether the function that awaits it would wait for itself, and no longer does.
fn is_taken_over(done: &Arc<Done>) -> bool {
    CurrentCall::get()
        .is_some_and(|call| !done.is_asked.swap(true, Ordering::Relaxed) && call.takes_over(done))
}

impl Future for Emit {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Inner::Ready | Inner::Taken => Poll::Ready(Ok(())),
            Inner::Pending(done) => {
                let result = match done.poll(cx) {
                    Poll::Ready(result) => result,
                    Poll::Pending if is_taken_over(done) => Ok(()),
                    Poll::Pending => return Poll::Pending,
                };
                self.0 = Inner::Taken;
                Poll::Ready(result)
            }
            Inner::Failed(_) => match mem::replace(&mut self.0, Inner::Taken) {
                Inner::Failed(failed) => Poll::Ready(Err(failed.0)),
                _ => Poll::Ready(Ok(())),
            },
        }
    }
}

impl Drop for Emit {
    #[inline(always)]
    fn drop(&mut self) {
        if !matches!(self.0, Inner::Ready | Inner::Taken) {
            self.drop_unread();
        }
    }
}

impl Emit {
    #[cold]
    fn drop_unread(&mut self) {
        match mem::replace(&mut self.0, Inner::Taken) {
            Inner::Pending(done) => done.give_up(),
            Inner::Failed(failed) => {
                let (error, graph) = *failed;
                if let Some(graph) = graph.upgrade() {
                    for failure in error.failures() {
                        graph.post_unhandled(failure.clone());
                    }
                }
            }
            Inner::Ready | Inner::Taken => {}
        }
    }
}
