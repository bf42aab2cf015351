use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::HostBatches;
use super::Stream;
use crate::ack::{Ack, Acks};
use crate::debug::shows;
use crate::failure::{Error, Kind};
use crate::graph::{CurrentCall, Emit, Lease, Origin};
use crate::operator::Element;

/// Maximum number of elements of an `emit_many` that go from node to node at a time.
const BATCH: usize = 256;

/// Maximum time of an `emit_many` without a pause where one thread does everything: other emitters and pipelines wait
/// for it.
const TURN: Duration = Duration::from_millis(10);

/// Maximum time in which a batch of an `emit_many` is taken from an iterator that takes as long as before.
const HELD_BACK: Duration = Duration::from_millis(1);

type Panic = Mutex<Box<dyn Any + Send>>;

impl<T: Element> Stream<T> {
    /// Emits an element to all nodes downstream of this one.
    ///
    /// The element is in flight when this returns. The result waits, awaited or blocking, until every node downstream
    /// has accepted it, which bounds memory behind a slow sink:
    ///
    /// ```
    /// # use thalweg::Stream;
    /// # let source = Stream::new();
    /// # source.sink(|_: i32| ());
    /// source.emit(1).wait()?;
    /// # pollster::block_on(async {
    /// source.emit(2).await?;
    /// # Ok::<(), thalweg::Error>(()) })?;
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// If nothing downstream has to wait, everything is done when this returns, without an allocation. It may be called
    /// from several threads, and by functions inside pipelines.
    #[inline]
    pub fn emit(&self, x: T) -> Emit {
        self.graph()
            .emit(self.outlet(), x, Lease::default(), Origin::Outside)
    }

    /// The same with an acknowledgement token, which fires when everything derived from the element is done.
    pub fn emit_with(&self, x: T, ack: Ack) -> Emit {
        self.emit_with_acks(x, ack.into())
    }

    /// The same with any number of tokens.
    pub fn emit_with_acks(&self, x: T, acks: Acks) -> Emit {
        self.graph()
            .emit(self.outlet(), x, Lease::accepted(acks), Origin::Outside)
    }

    /// Emits an element on behalf of this node, for code that does a node's work outside of it. It is accepted while
    /// the pipeline [drains](Self::drain), which waits for such work only if the node says that it is [in
    /// flight](crate::Operator::in_flight); earlier failures elsewhere are not reported to it.
    ///
    /// ```
    /// use thalweg::{Acks, Stream};
    ///
    /// let source = Stream::new();
    /// let list = source.sink_to_list();
    /// source.emit_internal(1, Acks::none()).wait()?;
    /// assert_eq!(list.to_vec(), [1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn emit_internal(&self, x: T, acks: Acks) -> Emit {
        self.graph()
            .emit(self.outlet(), x, Lease::accepted(acks), Origin::Source)
    }

    /// Emits many elements: the same as [`emit`](Self::emit) for each in turn, waiting in between wherever something
    /// downstream has to wait, but cheaper where nothing has to.
    ///
    /// Every element is emitted, whatever happens to those before it; the failures are reported together at the end.
    /// Where nothing downstream can suspend or lead back, elements pass from node to node in batches: every node gets
    /// the same elements in the same order, but functions of *different* nodes are not called in turn, element by
    /// element, and edges that a function changes are changed after the current batch.
    ///
    /// An iterator is asked for several elements at a time only if it knows how many it has
    /// ([`size_hint`](Iterator::size_hint)): the elements of a channel, for example, are emitted as they come.
    ///
    /// Dropping the result before it is done drops the remaining elements.
    pub fn emit_many<I>(&self, elements: I) -> EmitMany<T, I::IntoIter>
    where
        I: IntoIterator<Item = T>,
    {
        EmitMany::start(self.clone(), elements.into_iter(), Origin::Outside)
    }

    /// Waits for an emission of this pipeline for at most `limit`, by the pipeline's clock. After that, elements that
    /// still wait for room are withdrawn.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.rate_limit("1h").sink_to_list();
    /// let limit = Duration::from_secs(1);
    /// clock.block_on(source.within(limit, source.emit(1)))?;
    /// let error = clock.block_on(source.within(limit, source.emit_many([2, 3]))).unwrap_err();
    /// assert!(error.is_timed_out());
    /// clock.advance(Duration::from_secs(9000));
    /// assert_eq!(list.to_vec(), [1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn within<F>(
        &self,
        limit: Duration,
        emission: F,
    ) -> impl Future<Output = Result<(), Error>> + use<T, F>
    where
        F: Future<Output = Result<(), Error>>,
    {
        let clock = self.graph().limit_clock();
        async move {
            crate::graph::within(limit, clock, emission)
                .await
                .unwrap_or_else(|| Err(Error::new(Kind::TimedOut(limit))))
        }
    }

    /// The same as [`emit_with_acks`](Self::emit_with_acks), by a guest thread: it processes the element as far as
    /// possible without waiting, and does nothing else in the pipeline. Mail, and events from outside, are left to the
    /// runtime, if there is one.
    ///
    /// For hosts that promise to call functions on one thread, and know that there are none on the element's way.
    ///
    /// ```
    /// use thalweg::{Acks, Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.rate_limit("1s").sink_to_list();
    /// source.emit(1).wait()?;
    /// assert!(!source.emit_as_guest(2, Acks::none()).is_ready());
    /// clock.advance(std::time::Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn emit_as_guest(&self, x: T, acks: Acks) -> Emit {
        self.graph()
            .emit_as_guest(self.outlet(), x, Lease::accepted(acks))
    }

    /// Notes that a function outside of the pipeline belongs to this node: on an engine, for example, while the node
    /// has already emitted a promise of the result.
    ///
    /// Elements that such a function emits arrive after the promise itself. So, in [`enter`](CurrentCall::enter), an
    /// element that leads to the node, or starts downstream of it, counts as accepted as soon as it is queued, and
    /// nobody waits for it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let node = source.map(|x: u32| x);
    /// let list = node.rate_limit("1s").sink_to_list();
    /// drop(source.emit(1));
    /// // Elsewhere this `wait` would never return: the clock stands still.
    /// node.outside_call().enter(|| source.emit(2).wait())?;
    /// assert_eq!(list.to_vec(), [1]);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn outside_call(&self) -> CurrentCall {
        CurrentCall::outside(self.node().core())
    }

    pub(crate) fn emit_from_source(&self, x: T, ack: Option<Ack>) -> Emit {
        let lease = Lease::accepted(ack.map_or_else(Acks::none, Acks::from));
        self.graph().emit(self.outlet(), x, lease, Origin::Source)
    }

    pub(crate) fn emit_many_from_source<I>(&self, elements: I) -> EmitMany<T, I::IntoIter>
    where
        I: IntoIterator<Item = T>,
    {
        EmitMany::start(self.clone(), elements.into_iter(), Origin::Source)
    }

    /// The same with elements that are there: the iterator never waits, also if it does not know their number.
    pub(crate) fn emit_buffered_from_source<I>(&self, elements: I) -> EmitMany<T, I>
    where
        I: Iterator<Item = T>,
    {
        let mut this = EmitMany::new(self.clone(), elements, Origin::Source, None);
        this.never_waits = true;
        this.advance();
        this
    }
}

/// Number of elements that fit into `limit` if `size` of them took this long.
fn fit(size: usize, took: Duration, limit: Duration) -> usize {
    let fit = (size as u128).saturating_mul(limit.as_nanos()) / took.as_nanos().max(1);
    usize::try_from(fit).unwrap_or(BATCH).clamp(1, BATCH)
}

/// The completion of an [`emit_many`](Stream::emit_many): await it, or block with [`wait`](Self::wait).
#[must_use = "await it, or call `.wait()`: elements behind one that has to wait are sent only then"]
pub struct EmitMany<T: Element, I: Iterator<Item = T>> {
    stream: Stream<T>,
    elements: I,
    origin: Origin,
    /// Whether the iterator has all its elements, and may be asked for several whether or not it knows their number.
    never_waits: bool,
    /// Number of elements to take at a time: none are taken from the iterator before it is known that they get through.
    size: usize,
    /// Number of elements that the iterator gives without a long wait.
    limit: usize,
    /// Number of elements to emit one by one before the next batch is tried.
    singly: usize,
    /// The same after a batch that could not be emitted as one: more with each, since a pipeline that takes no batches
    /// seldom begins to take some, and a batch of one costs more than an element.
    singly_next: usize,
    current: Option<Emit>,
    /// Whether there are more elements, and other tasks of the event loop get a turn first.
    is_paused: bool,
    /// Elements in flight, which did not keep later ones from being emitted.
    ahead: VecDeque<Emit>,
    batch: Vec<T>,
    /// Emits a batch of the host, if elements arrive in such; see [`HostBatches`].
    send_host_batch: Option<fn(&mut Self) -> Option<Emit>>,
    errors: Vec<Error>,
    /// The iterator's panic, which continues once the elements before it have been emitted.
    panic: Option<Panic>,
}

shows!([T: Element, I: Iterator<Item = T>] EmitMany<T, I> { size });

// Nothing in it is pinned: `elements` is only used by `&mut`.
impl<T: Element, I: Iterator<Item = T>> Unpin for EmitMany<T, I> {}

impl<T: Element, I: Iterator<Item = T>> EmitMany<T, I> {
    fn start(stream: Stream<T>, elements: I, origin: Origin) -> Self {
        let mut this = Self::new(stream, elements, origin, None);
        this.advance();
        this
    }

    fn new(
        stream: Stream<T>,
        elements: I,
        origin: Origin,
        send_host_batch: Option<fn(&mut Self) -> Option<Emit>>,
    ) -> Self {
        Self {
            stream,
            elements,
            origin,
            never_waits: false,
            size: 1,
            limit: BATCH,
            singly: 0,
            singly_next: 1,
            current: None,
            is_paused: false,
            ahead: VecDeque::new(),
            batch: Vec::new(),
            send_host_batch,
            errors: Vec::new(),
            panic: None,
        }
    }

    /// Emits until something has to be waited for, or other tasks get a turn.
    fn advance(&mut self) {
        let begin = self.stream.graph().turn();
        let mut now = begin;
        loop {
            if let (Some(begin), Some(now)) = (begin, now)
                && now.saturating_sub(begin) >= TURN
            {
                self.is_paused = true;
                return;
            }
            if self.batch.is_empty() && (self.singly > 0 || !self.has_several()) {
                self.singly = self.singly.saturating_sub(1);
                if !self.send_next() {
                    return;
                }
                now = now.and_then(|_| self.stream.graph().turn());
                continue;
            }
            let sent = match self.send_host_batch {
                Some(send) if self.batch.is_empty() => send(self),
                _ => None,
            };
            let emit = sent.or_else(|| self.send_batch());
            match emit {
                Some(emit) if emit.is_ready() => {
                    self.singly_next = 1;
                    let before = now;
                    now = now.and_then(|_| self.stream.graph().turn());
                    self.size = match before.zip(now) {
                        Some((before, now)) => fit(self.size, now.saturating_sub(before), TURN),
                        None => BATCH,
                    };
                    self.note(emit);
                }
                Some(emit) => {
                    self.current = Some(emit);
                    return;
                }
                None if self.batch.is_empty() => return,
                None => {
                    self.singly = self.singly_next;
                    self.singly_next = (2 * self.singly_next).min(BATCH);
                    if self.send_each() {
                        return;
                    }
                    now = now.and_then(|_| self.stream.graph().turn());
                }
            }
        }
    }

    /// Whether the iterator knows of several more elements, so that it need not wait for them. An element of any other
    /// is emitted before the next is requested, for which a channel or a generator may wait for ever.
    fn has_several(&self) -> bool {
        self.never_waits || self.elements.size_hint().0 > 1
    }

    /// Emits the next element; returns whether another can be emitted.
    fn send_next(&mut self) -> bool {
        self.continue_panic();
        let Some(x) = self.elements.next() else {
            return false;
        };
        self.send(x)
    }

    /// Number of elements to take at a time.
    fn batch_size(&self) -> usize {
        let known = match self.never_waits {
            true => BATCH,
            false => self.elements.size_hint().0,
        };
        self.size.min(self.limit).min(known).max(1)
    }

    /// Takes a batch from the iterator.
    fn take_batch(&mut self) {
        self.continue_panic();
        let (size, begin) = (self.batch_size(), Instant::now());
        let (elements, batch) = (&mut self.elements, &mut self.batch);
        batch.reserve(size);
        let taken = catch_unwind(AssertUnwindSafe(|| {
            batch.extend(elements.by_ref().take(size));
        }));
        self.panic = taken.err().map(Mutex::new);
        self.limit = fit(size, begin.elapsed(), HELD_BACK);
    }

    fn continue_panic(&mut self) {
        if let Some(panic) = self.panic.take() {
            resume_unwind(panic.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Emits a batch as a whole, if there are more elements and that is possible.
    fn send_batch(&mut self) -> Option<Emit> {
        if self.batch.is_empty() {
            self.take_batch();
            if self.batch.is_empty() {
                self.continue_panic();
                return None;
            }
        }
        let stream = &self.stream;
        stream
            .graph()
            .emit_batch(stream.outlet(), &mut self.batch, self.origin)
    }

    /// Emits the batch one by one; returns whether an element has to be waited for.
    fn send_each(&mut self) -> bool {
        let mut rest = std::mem::take(&mut self.batch).into_iter();
        while let Some(x) = rest.next() {
            if !self.send(x) {
                self.batch = rest.collect();
                return true;
            }
        }
        false
    }

    /// Emits an element; returns whether another can be emitted.
    fn send(&mut self, x: T) -> bool {
        let (graph, outlet) = (self.stream.graph(), self.stream.outlet());
        let emit = graph.emit(outlet, x, Lease::default(), self.origin);
        if !emit.is_admitted() {
            self.current = Some(emit);
            return false;
        }
        self.pass_by(emit);
        true
    }

    /// Handles an element after which the next can be emitted.
    fn pass_by(&mut self, emit: Emit) {
        if emit.is_ready() {
            return self.note(emit);
        }
        self.ahead.push_back(emit);
        while self.ahead.front().is_some_and(Emit::is_ready)
            && let Some(emit) = self.ahead.pop_front()
        {
            self.note(emit);
        }
    }

    /// Records the result of a completed emission.
    fn note(&mut self, mut emit: Emit) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(Err(error)) = Pin::new(&mut emit).poll(&mut cx) {
            self.errors.push(error);
        }
    }

    fn result(&mut self) -> Result<(), Error> {
        let mut errors = std::mem::take(&mut self.errors);
        if errors.len() < 2 {
            return errors.pop().map_or(Ok(()), Err);
        }
        // An error that is not about elements ends everything, and is the result.
        if let Some(at) = errors.iter().position(|error| error.failures().is_empty()) {
            return Err(errors.swap_remove(at));
        }
        let behind = errors.iter().all(Error::is_behind);
        let failures = errors.iter().flat_map(Error::failures).cloned().collect();
        Err(Error::new(if behind {
            Kind::Behind(failures)
        } else {
            Kind::Failed(failures)
        }))
    }

    /// Blocks the thread until every element has been accepted everywhere.
    ///
    /// # Errors
    /// The failures of all elements together; otherwise as [`Emit::wait`].
    pub fn wait(mut self) -> Result<(), Error> {
        if self.current.is_none() && self.ahead.is_empty() && !self.is_paused {
            return self.result();
        }
        if crate::graph::thread_state::is_inside() || self.stream.graph().is_on_its_loop() {
            return self.wait_with(Emit::wait);
        }
        crate::sync::block_on(self)
    }

    /// The same with another way to wait: `wait` is called with every element that has to be waited for, and the next
    /// is emitted when it returns.
    ///
    /// # Errors
    /// The failures of all elements together; or the error of `wait` if it would have blocked.
    pub fn wait_with(
        mut self,
        mut wait: impl FnMut(Emit) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            match self.current.take().map(&mut wait) {
                None if !std::mem::take(&mut self.is_paused) => break,
                Some(Err(error)) if error.is_would_block() => return Err(error),
                Some(Err(error)) => self.errors.push(error),
                _ => {}
            }
            self.advance();
        }
        while let Some(emit) = self.ahead.pop_front() {
            match wait(emit) {
                Err(error) if error.is_would_block() => return Err(error),
                Err(error) => self.errors.push(error),
                Ok(()) => {}
            }
        }
        self.result()
    }
}

impl<T: Element, I: HostBatches<Item = T>> EmitMany<T, I> {
    pub(super) fn start_with_host_batches(stream: Stream<T>, elements: I) -> Self {
        let send = Some(Self::send_host_batch as fn(&mut Self) -> Option<Emit>);
        let mut this = Self::new(stream, elements, Origin::Outside, send);
        this.advance();
        this
    }

    /// Emits a batch of the host; elements that cannot be emitted as a batch are left in `batch`.
    fn send_host_batch(&mut self) -> Option<Emit> {
        let (mut batch, len) = self.elements.next_batch(self.batch_size())?;
        let stream = &self.stream;
        let sent = stream
            .graph()
            .emit_host_batch(stream.outlet(), &mut batch, len, self.origin);
        let left = sent.as_ref().map_or(len, |(_, left)| *left);
        if left > 0 {
            self.batch.extend(batch.into_iter().skip(len - left));
        }
        sent.map(|(emit, _)| emit)
    }
}

impl<T: Element, I: Iterator<Item = T>> Drop for EmitMany<T, I> {
    /// Without a recipient, the failures so far are unhandled.
    fn drop(&mut self) {
        for error in std::mem::take(&mut self.errors) {
            self.stream.report_unhandled(&error);
        }
    }
}

impl<T: Element, I: Iterator<Item = T>> Future for EmitMany<T, I> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::take(&mut self.is_paused) {
            self.advance();
        }
        while let Some(mut current) = self.current.take() {
            if current.poll_admitted(cx).is_pending() {
                self.current = Some(current);
                return Poll::Pending;
            }
            self.pass_by(current);
            self.advance();
        }
        if self.is_paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while let Some(emit) = self.ahead.front_mut() {
            if let Err(error) = ready!(Pin::new(emit).poll(cx)) {
                self.errors.push(error);
            }
            self.ahead.pop_front();
        }
        Poll::Ready(self.result())
    }
}
