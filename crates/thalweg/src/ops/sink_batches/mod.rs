//! Writing elements in batches: those that arrived during the previous write.

mod attempt;
mod batch;
mod queue;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

pub use self::batch::Batch;

use self::attempt::{Attempt, Unwritten};
use self::queue::Queue;
use super::parts::at_least_one;
use crate::debug::shows;
use crate::failure::{BoxError, BuildError, SharedError, panic_error};
use crate::graph::is_exempt;
use crate::operator::function_name;
use crate::sync::lock;
use crate::{Context, Delivery, Element, EmitResult, Lease, Never, Operator, Sink, Stream};

/// Default for the maximum number of elements per batch.
const MAX_LEN: usize = 4096;
/// Default for the maximum size of a batch, in bytes.
const MAX_BYTES: usize = 16 << 20;

/// Destination of batches: a database, or a service that accepts several elements at once.
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
/// use thalweg::ops::{Batch, BatchSink};
/// use thalweg::{Stream, VirtualClock};
///
/// struct Channel(Sender<Vec<u32>>);
///
/// impl BatchSink<u32> for Channel {
///     type Error = &'static str;
///
///     async fn write(&mut self, batch: Batch<u32>) -> Result<(), Self::Error> {
///         self.0.send(batch.to_vec()).map_err(|_| "nobody listens")
///     }
/// }
///
/// let (sender, written) = channel();
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// source.sink_to(Channel(sender));
/// source.emit_many([1, 2, 3]).wait()?;
/// clock.run_until_idle();
/// assert!(written.try_iter().flatten().eq([1, 2, 3]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `P` is what elements are prepared as before they are written, if anything: see [`SinkBatches::preparing`].
pub trait BatchSink<T, P = ()>: Send + 'static {
    /// Why a batch could not be written.
    type Error: Into<BoxError>;
    /// The user-visible name of this kind of sink.
    const KIND: &'static str = "sink_to";

    /// Writes a batch, which is never empty. It is not called again before the future is done.
    ///
    /// # Errors
    /// The batch could not be written. Either nothing of it has been written, or writing it again does no harm: its
    /// elements are retried in smaller batches.
    fn write(&mut self, batch: Batch<T, P>)
    -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Whether a single element may be the cause of an error, so that the others can be written without it. If not, for
    /// example because the server is down, the batch is not divided.
    fn blames_element(&self, error: &Self::Error) -> bool {
        let _ = error;
        true
    }

    /// Size of an element in bytes, for the size limit of batches.
    fn size_of(element: &T) -> usize {
        let _ = element;
        0
    }

    /// Whether futures of [`write`](Self::write) ever wait. If not, they run in the emitting thread, and the pipeline
    /// needs no runtime for them.
    fn waits(&self) -> bool {
        true
    }

    /// Label that distinguishes this sink from others of its kind, shown in its node's derived name.
    fn label(&self) -> Option<String> {
        None
    }

    /// Called once at the end of a drain, after the last batch.
    ///
    /// # Errors
    /// When something could not be finished; the drain reports it.
    fn close(&mut self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Writes elements in batches; see [`Stream::sink_to`].
pub struct SinkBatches<T, S, P = ()> {
    /// Taken out while it writes.
    sink: Arc<Mutex<Option<S>>>,
    prepare: Prepare<T, P>,
    queue: Queue<T, P>,
    /// Halves of a failed batch, the next one last.
    halves: Vec<Attempt<T, P>>,
    /// The batch being written, or waiting for its next attempt.
    writing: Option<Attempt<T, P>>,
    unwritten: VecDeque<(Unwritten<T>, BoxError)>,
    is_delivering: bool,
    is_scheduled: bool,
    waits: bool,
    label: Option<String>,
}

/// Prepares an element for writing.
type Prepare<T, P> = Box<dyn FnMut(&T) -> Result<P, BoxError> + Send>;

shows!([T, S, P] SinkBatches<T, S, P> { is_delivering, is_scheduled, waits, label });

/// Result of an attempt.
#[derive(Debug)]
pub enum Came {
    /// It has ended.
    Ended(Result<(), WriteError>),
    /// The next attempt is due.
    Again,
}

/// Why a batch was not written.
#[derive(Debug)]
pub struct WriteError {
    cause: BoxError,
    blames_element: bool,
}

impl<T: Element + Sync, S: BatchSink<T>> SinkBatches<T, S> {
    /// Creates a node that writes batches of at most 4096 elements, and 16 MiB, to `sink`.
    pub fn new(sink: S) -> Self {
        Self::preparing(sink, |_| Ok::<_, BoxError>(()))
    }
}

impl<T: Element + Sync, P: Element + Sync, S: BatchSink<T, P>> SinkBatches<T, S, P> {
    /// The same for a sink that writes what `prepare` returns for each element, such as a row or a document.
    ///
    /// It is called as soon as an element arrives, while the batch before may still be being written. If it fails, that
    /// is a failure of the node on this element, which reaches its emitter: the element does not become part of a batch.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock, ops::{Batch, SinkBatches, sink_batches_fn}};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let (sender, sums) = std::sync::mpsc::channel();
    /// let sink = sink_batches_fn(move |batch: Batch<&str, u32>| {
    ///     let sent = sender.send(batch.prepared().iter().sum::<u32>());
    ///     async move { sent }
    /// });
    /// source.apply(SinkBatches::preparing(sink, |text: &&str| text.parse::<u32>()));
    /// assert!(source.emit("many").wait().is_err());
    /// source.emit_many(["1", "2"]).wait()?;
    /// clock.run_until_idle();
    /// assert_eq!(sums.try_iter().sum::<u32>(), 3);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn preparing<E: Into<BoxError>>(
        sink: S,
        mut prepare: impl FnMut(&T) -> Result<P, E> + Send + 'static,
    ) -> Self {
        Self {
            prepare: Box::new(move |x| prepare(x).map_err(Into::into)),
            waits: sink.waits(),
            label: sink.label(),
            sink: Arc::new(Mutex::new(Some(sink))),
            queue: Queue::new(MAX_LEN, MAX_BYTES),
            halves: Vec::new(),
            writing: None,
            unwritten: VecDeque::new(),
            is_delivering: false,
            is_scheduled: false,
        }
    }

    /// Sets the maximum number of elements per batch; as many may wait for it.
    ///
    /// # Errors
    /// It is zero.
    ///
    /// ```
    /// # use thalweg::{Sink, Stream, VirtualClock, ops::{Batch, SinkBatches, sink_batches_fn}};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let (sender, lengths) = std::sync::mpsc::channel();
    /// let sink = sink_batches_fn(move |batch: Batch<u32>| {
    ///     let sent = sender.send(batch.len());
    ///     async move { sent }
    /// });
    /// let _sink = Sink::from(source.apply(SinkBatches::new(sink).max_len(2)?));
    /// clock.block_on(source.emit_many(0..5))?;
    /// clock.run_until_idle();
    /// assert!(lengths.try_iter().eq([1, 2, 2]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_len(mut self, elements: usize) -> Result<Self, BuildError> {
        let max = at_least_one(S::KIND, "the number of elements of a batch", elements)?;
        self.queue.set_max_len(max);
        Ok(self)
    }

    /// Sets the maximum size of a batch in bytes, by [`BatchSink::size_of`]; as many may wait for it. A single element
    /// may be larger.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.queue.set_max_bytes(bytes);
        self
    }

    /// Writes the waiting elements, and reports those that could not be written, until there is something to wait for.
    fn advance(&mut self, cx: &mut Context<'_, Self>) {
        while !self.is_delivering && self.writing.is_none() {
            if let Some((lost, cause)) = self.unwritten.pop_front() {
                let lease = Lease::accepted(lost.acks);
                let told = cx.deliver_failure(lease, Some(lost.element), lost.ordinal, cause);
                self.is_delivering = told == Delivery::Pending;
            } else if let Some(attempt) = self.halves.pop().or_else(|| self.queue.take()) {
                self.write(attempt, cx);
            } else {
                break;
            }
        }
    }

    fn write(&mut self, attempt: Attempt<T, P>, cx: &mut Context<'_, Self>) {
        let mut borrowed = Borrowed::new(&self.sink);
        let batch = attempt.batch.clone();
        self.writing = Some(attempt);
        let mut write = Box::pin(async move {
            let Some(sink) = &mut borrowed.sink else {
                return Ok(());
            };
            let written = sink.write(batch).await;
            written.map_err(|error| WriteError {
                blames_element: sink.blames_element(&error),
                cause: error.into(),
            })
        });
        if !self.waits {
            let cx_of_task = &mut std::task::Context::from_waker(Waker::noop());
            let poll = || cx.enter_runtime(|| write.as_mut().poll(cx_of_task));
            match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Ready(ended)) => return self.ended(ended, cx),
                Ok(Poll::Pending) => {}
                Err(payload) => return self.ended(Err(panic_error(&*payload).into()), cx),
            }
        }
        cx.spawn_map(0, write, Came::Ended);
    }

    fn ended(&mut self, ended: Result<(), WriteError>, cx: &mut Context<'_, Self>) {
        let Some(mut attempt) = self.writing.take() else {
            return;
        };
        match ended {
            Ok(()) => drop(attempt.batch.take_tokens()),
            Err(error) if is_exempt(&error.cause) => self.give_up(attempt, error.cause),
            Err(error) if error.blames_element && attempt.len() > 1 => {
                let [first, second] = attempt.split();
                self.halves.extend([second, first]);
            }
            Err(error) => {
                attempt.failed = attempt.failed.saturating_add(1);
                match cx.retry_after(attempt.failed, &error.cause) {
                    None => self.give_up(attempt, error.cause),
                    Some(pause) if pause.is_zero() => self.halves.push(attempt),
                    Some(pause) => {
                        self.writing = Some(attempt);
                        cx.spawn_after(pause, 0, std::future::ready(Came::Again));
                    }
                }
            }
        }
    }

    fn give_up(&mut self, attempt: Attempt<T, P>, cause: BoxError) {
        if attempt.len() == 1 {
            self.unwritten.extend(attempt.into_unwritten().zip([cause]));
            return;
        }
        let exempt = is_exempt(&cause);
        let (shared, mut first) = match exempt {
            true => (
                SharedError::new("its batch was interrupted".into()),
                Some(cause),
            ),
            false => (SharedError::new(cause), None),
        };
        let cause = || first.take().unwrap_or_else(|| Box::new(shared.clone()));
        let causes = std::iter::repeat_with(cause);
        self.unwritten.extend(attempt.into_unwritten().zip(causes));
    }

    /// All elements that wait, are being written, or could not be written.
    fn attempts(&self) -> impl Iterator<Item = &Attempt<T, P>> {
        self.writing.iter().chain(&self.halves)
    }
}

impl From<BoxError> for WriteError {
    fn from(cause: BoxError) -> Self {
        Self {
            cause,
            blames_element: true,
        }
    }
}

/// A sink that writes, and is then put back: also if the write panics, or ends with its event loop.
struct Borrowed<S> {
    sink: Option<S>,
    home: Arc<Mutex<Option<S>>>,
}

impl<S> Borrowed<S> {
    fn new(home: &Arc<Mutex<Option<S>>>) -> Self {
        let sink = lock(home).take();
        let home = home.clone();
        Self { sink, home }
    }
}

impl<S> Drop for Borrowed<S> {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take() {
            *lock(&self.home) = Some(sink);
        }
    }
}

impl<T: Element + Sync, P: Element + Sync, S: BatchSink<T, P>> Operator for SinkBatches<T, S, P> {
    type In = T;
    type Out = Never;
    type Event = Came;
    const KIND: &'static str = S::KIND;
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const SINK: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let prepared = match (self.prepare)(&x) {
            Ok(prepared) => prepared,
            Err(cause) => return cx.fail(x, cause),
        };
        let bytes = S::size_of(&x);
        self.queue.push(x, prepared, bytes, cx);
        if self.writing.is_none() && !self.is_scheduled {
            self.is_scheduled = true;
            cx.wake_soon();
        }
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.is_scheduled = false;
        self.advance(cx);
        Ok(())
    }

    fn event(
        &mut self,
        _: u64,
        came: Result<Came, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        match came {
            Ok(Came::Ended(ended)) => self.ended(ended, cx),
            Ok(Came::Again) => self.halves.extend(self.writing.take()),
            Err(panic) => self.ended(Err(panic.into()), cx),
        }
        self.advance(cx);
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.is_delivering = false;
        self.advance(cx);
        Ok(())
    }

    fn withdraw(&mut self) {
        self.queue.withdraw();
    }

    fn close(&mut self) -> Result<(), BoxError> {
        match &mut *lock(&self.sink) {
            Some(sink) => sink.close(),
            None => Ok(()),
        }
    }

    fn in_flight(&self) -> usize {
        let tried: usize = self.attempts().map(Attempt::len).sum();
        let reported = self.unwritten.len() + usize::from(self.is_delivering);
        self.queue.len() + tried + reported
    }

    fn suspends(&self) -> bool {
        false
    }

    fn needs_runtime(&self) -> bool {
        self.waits
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        let tried = self.attempts().flat_map(|attempt| attempt.batch.iter());
        let unwritten = self.unwritten.iter().map(|(lost, _)| &lost.element);
        let all = self.queue.iter().chain(tried).chain(unwritten);
        all.for_each(|x| visit(x));
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

/// An asynchronous function as a [`BatchSink`].
pub struct BatchFn<T, F, P = ()> {
    f: F,
    _batch: PhantomData<fn(T, P)>,
}

shows!([T, F, P] BatchFn<T, F, P> {});

/// Creates a sink that calls `f` with every batch; see [`Stream::sink_batches`].
pub fn sink_batches_fn<T, P, F, Fut>(f: F) -> BatchFn<T, F, P>
where
    F: FnMut(Batch<T, P>) -> Fut,
{
    BatchFn {
        f,
        _batch: PhantomData,
    }
}

impl<T, P, F, Fut, E> BatchSink<T, P> for BatchFn<T, F, P>
where
    T: 'static,
    P: 'static,
    F: FnMut(Batch<T, P>) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send,
    E: Into<BoxError>,
{
    type Error = E;
    const KIND: &'static str = "sink_batches";

    fn write(&mut self, batch: Batch<T, P>) -> impl Future<Output = Result<(), E>> + Send {
        (self.f)(batch)
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element + Sync> Stream<T> {
    /// Calls an asynchronous function with batches of elements: at once while no call is running, and otherwise with
    /// all elements that have arrived during the call, in order.
    ///
    /// Up to 4096 elements wait during a call; after that, emitters wait for room. [`SinkBatches`] sets another number.
    /// An element is acknowledged when its batch has been written. A failed batch is retried in halves, so that in the
    /// end only the elements fail that cannot be written; the node's [policy](Self::on_error) handles these, and
    /// without a waiting emitter they are [unhandled](Self::on_unhandled). A drain waits for the last batch.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock, ops::Batch};
    /// let clock = VirtualClock::new();
    /// let (sender, written) = std::sync::mpsc::channel();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// source.sink_batches(move |batch: Batch<u32>| {
    ///     let (sleep, sender) = (timer.sleep(Duration::from_secs(1)), sender.clone());
    ///     async move {
    ///         sleep.await;
    ///         sender.send(batch.into_vec())
    ///     }
    /// });
    /// clock.block_on(source.emit(1))?;
    /// clock.run_until_idle();
    /// // The first write is running.
    /// source.emit_many([2, 3, 4]).wait()?;
    /// clock.advance(Duration::from_secs(2));
    /// assert!(written.try_iter().eq([vec![1], vec![2, 3, 4]]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sink_batches<Fut, E>(&self, f: impl FnMut(Batch<T>) -> Fut + Send + 'static) -> Sink
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.sink_to(sink_batches_fn(f))
    }

    /// Writes elements to a [`BatchSink`], as [`sink_batches`](Self::sink_batches) does.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock, ops::{Batch, sink_batches_fn}};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.sink_to(sink_batches_fn(|_: Batch<i32>| async { Err("the disk is full") }));
    /// source.emit(1).wait()?;
    /// let error = clock.block_on(source.drain("1s")).unwrap_err();
    /// assert!(error.to_string().contains("the disk is full"), "{error}");
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sink_to(&self, sink: impl BatchSink<T>) -> Sink {
        Sink::new(self.apply(SinkBatches::new(sink)))
    }
}
