//! A source's way into the pipeline.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use thalweg_view::PositionView;

use super::Stop;
use crate::ack::Ack;
use crate::debug::shows;
use crate::failure::{BoxError, Error};
use crate::graph::{Control, Emit};
use crate::operator::Element;
use crate::runtime::RuntimeHandle;
use crate::stream::Stream;

/// Number of emissions of a source before other tasks of its event loop get a turn.
const TURN: usize = 128;

/// A source's entry to the pipeline.
///
/// Emitting occasionally yields to other tasks of the event loop, even if nothing downstream ever waits: so an endless
/// source can be stopped.
pub struct Emitter<T> {
    stream: Stream<T>,
    control: Arc<Control>,
    runtime: RuntimeHandle,
    /// Elements emitted since the last yield.
    emitted: AtomicUsize,
}

shows!([T] Emitter<T> { emitted });

impl<T: Element> Emitter<T> {
    pub(super) fn new(stream: Stream<T>, control: Arc<Control>, runtime: RuntimeHandle) -> Self {
        Self {
            stream,
            control,
            runtime,
            emitted: AtomicUsize::new(0),
        }
    }

    pub(super) fn runtime(&self) -> &RuntimeHandle {
        &self.runtime
    }

    /// Reports the error that ended the source.
    pub(super) fn report_end(&self, cause: BoxError) {
        self.stream.report_source_failure(cause);
    }

    /// Emits an element and waits until every node downstream has accepted it, or is processing it and has room for
    /// another. Failures downstream are not returned: they are unhandled, and the source continues.
    ///
    /// # Errors
    /// [`Stop::Stopped`] if the source is to stop. The element has been accepted nevertheless.
    pub async fn emit(&self, x: T) -> Result<(), Stop> {
        self.settle(self.stream.emit_from_source(x, None)).await
    }

    /// The same with an acknowledgement token.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_with(&self, x: T, ack: Ack) -> Result<(), Stop> {
        self.settle(self.stream.emit_from_source(x, Some(ack)))
            .await
    }

    /// Emits an element without waiting: for sources that answer the element's sender. Failures downstream are
    /// unhandled, and are returned as well. Only the source limits the number of elements in flight.
    ///
    /// ```
    /// use thalweg::{Emitter, Source, Stop, Stream};
    ///
    /// struct Once(std::sync::mpsc::Sender<bool>);
    ///
    /// impl Source for Once {
    ///     type Item = u32;
    ///     const KIND: &'static str = "once";
    ///
    ///     async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
    ///         for x in [1, 0] {
    ///             let is_taken = out.begin(x, None).await.is_ok();
    ///             self.0.send(is_taken)?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let (sender, taken) = std::sync::mpsc::channel();
    /// let source = Stream::from_source(Once(sender));
    /// source.try_sink(|x| 1_u32.checked_div(*x).map(drop).ok_or("a division by zero"));
    /// source.on_unhandled(drop);
    /// let _ = source.run("10s").wait();
    /// assert!(taken.iter().take(2).eq([true, false]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn begin(&self, x: T, ack: Option<Ack>) -> Begun<T> {
        Begun {
            emit: Some(self.stream.emit_from_source(x, ack)),
            stream: self.stream.clone(),
        }
    }

    /// Emits all elements of a batch, in order. They are taken from it as they can be emitted: one by one where
    /// something downstream waits.
    ///
    /// # Errors
    /// As [`emit`](Self::emit), once the whole batch has been taken. For a batch that ends as soon as the source [is to
    /// stop](Self::is_stopped), that is soon.
    pub async fn emit_many(
        &self,
        batch: impl IntoIterator<Item = T, IntoIter: Send>,
    ) -> Result<(), Stop> {
        if let Err(error) = self.stream.emit_many_from_source(batch).await {
            self.stream.report_unhandled(&error);
        }
        self.go_on(TURN).await
    }

    /// Emits elements that the source has read ahead, in order, until it [is to stop](Self::is_stopped): the rest stays in
    /// the iterator. It must not wait for more, since several are taken at a time, however many it has.
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// use thalweg::{Emitter, Source, Stop, Stream};
    ///
    /// /// Words, a line of them at a time.
    /// struct Words(Vec<&'static str>, VecDeque<String>);
    ///
    /// impl Source for Words {
    ///     type Item = String;
    ///     const KIND: &'static str = "words";
    ///
    ///     async fn run(&mut self, out: &Emitter<String>) -> Result<(), Stop> {
    ///         loop {
    ///             let read_ahead = &mut self.1;
    ///             out.emit_buffered(std::iter::from_fn(|| read_ahead.pop_front())).await?;
    ///             let Some(line) = self.0.pop() else { return Ok(()) };
    ///             self.1.extend(line.split(' ').map(String::from));
    ///         }
    ///     }
    /// }
    ///
    /// let words = Stream::from_source(Words(vec!["the river's bed", "along"], VecDeque::new()));
    /// let list = words.sink_to_list();
    /// words.run("10s").wait()?;
    /// assert_eq!(list.to_vec(), ["along", "the", "river's", "bed"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`emit_many`](Self::emit_many).
    pub async fn emit_buffered(
        &self,
        read_ahead: impl IntoIterator<Item = T, IntoIter: Send>,
    ) -> Result<(), Stop> {
        let (mut read_ahead, mut was_stopped) = (read_ahead.into_iter(), false);
        let until_stop = std::iter::from_fn(|| {
            was_stopped = self.is_stopped();
            match was_stopped {
                true => None,
                false => read_ahead.next(),
            }
        });
        let emitting = self.stream.emit_buffered_from_source(until_stop.fuse());
        if let Err(error) = emitting.await {
            self.stream.report_unhandled(&error);
        }
        // Also if it has been started again since: otherwise the source would take this for the end of what it has.
        match was_stopped {
            true => Err(Stop::Stopped),
            false => self.go_on(TURN).await,
        }
    }

    /// Reports that an element could not be created, for example an invalid line. The source continues, and its node's
    /// policy applies: the failure goes to [`Stream::errors`], for example, or is unhandled.
    pub fn report(&self, cause: impl Into<BoxError>) {
        self.stream.report_unmade(cause.into());
    }

    /// Sets the function that returns the source's positions: how far its elements have been acknowledged. Views of the
    /// graph, dashboards and metrics show them. The function gets the time of the pipeline's clock. It is called on any
    /// thread, possibly inside the pipeline: it must neither block nor touch a pipeline.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use thalweg::view::PositionView;
    /// use thalweg::{Ack, Emitter, Source, Stop, Stream};
    ///
    /// /// A queue's messages, one at a time.
    /// struct Queue;
    ///
    /// impl Source for Queue {
    ///     type Item = u64;
    ///     const KIND: &'static str = "queue";
    ///
    ///     async fn run(&mut self, out: &Emitter<u64>) -> Result<(), Stop> {
    ///         let last = Arc::new(AtomicU64::new(0));
    ///         let shown = last.clone();
    ///         out.show_positions(move |_now| {
    ///             let mut position = PositionView::new("messages");
    ///             position.value = Some(shown.load(Ordering::Relaxed).to_string());
    ///             vec![position]
    ///         });
    ///         for message in 1..=3 {
    ///             let last = last.clone();
    ///             let done = Ack::new(move |_| last.store(message, Ordering::Relaxed));
    ///             out.emit_with(message, done).await?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let messages = Stream::from_source(Queue);
    /// messages.sink(drop);
    /// messages.run("10s").wait()?;
    /// let positions = &messages.graph_view().nodes[0].positions;
    /// assert_eq!(positions[0].offset(), Some(3));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn show_positions(
        &self,
        positions: impl Fn(Duration) -> Vec<PositionView> + Send + 'static,
    ) {
        self.stream.show_positions(positions);
    }

    async fn settle(&self, mut emit: Emit) -> Result<(), Stop> {
        poll_fn(|cx| emit.poll_admitted(cx)).await;
        if emit.is_ready() {
            if let Err(error) = emit.await {
                self.stream.report_unhandled(&error);
            }
        } else {
            emit.detach();
        }
        self.go_on(1).await
    }

    /// Waits on the pipeline's clock.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stop> {
        if duration.is_zero() {
            return self.yield_now().await;
        }
        self.or_stop(self.runtime.sleep(duration)).await
    }

    /// Waits until a time of the pipeline's clock.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn sleep_until(&self, at: Duration) -> Result<(), Stop> {
        self.or_stop(self.runtime.sleep_until(at)).await
    }

    /// Awaits a future, which is dropped if the source is to stop before it completes.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn or_stop<R>(&self, future: impl Future<Output = R>) -> Result<R, Stop> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.control.poll_stop(cx.waker()) {
                return Poll::Ready(Err(Stop::Stopped));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Yields to other tasks of the event loop. A source that works without ever waiting calls this now and then;
    /// emitting does.
    ///
    /// # Errors
    /// [`Stop::Stopped`] if the source is to stop.
    pub async fn yield_now(&self) -> Result<(), Stop> {
        self.emitted.store(0, Ordering::Relaxed);
        self.or_stop(yield_once()).await
    }

    /// Whether the source is to stop.
    pub fn is_stopped(&self) -> bool {
        self.control.is_stopped()
    }

    /// The time of the pipeline's clock.
    pub fn now(&self) -> Duration {
        self.runtime.now()
    }

    /// Whether the pipeline's clock advances by itself, unlike a [virtual one](crate::VirtualClock). If not, a source
    /// reacts to events outside of the program only after a sleep.
    pub fn is_real_time(&self) -> bool {
        self.runtime.is_real_time()
    }

    /// Ends an emission that counts as this many.
    async fn go_on(&self, emitted: usize) -> Result<(), Stop> {
        let emitted = emitted + self.emitted.load(Ordering::Relaxed);
        self.emitted.store(emitted, Ordering::Relaxed);
        if emitted >= TURN {
            return self.yield_now().await;
        }
        if self.is_stopped() {
            Err(Stop::Stopped)
        } else {
            Ok(())
        }
    }
}

/// An element that a source has [begun](Emitter::begin) to emit. If this is dropped, the element continues.
pub struct Begun<T: Element> {
    emit: Option<Emit>,
    stream: Stream<T>,
}

shows!([T: Element] Begun<T> {});

impl<T: Element> Begun<T> {
    /// Whether the pipeline has accepted the element, or failed on it.
    pub fn is_ready(&self) -> bool {
        self.emit.as_ref().is_none_or(Emit::is_ready)
    }
}

impl<T: Element> Future for Begun<T> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(emit) = &mut self.emit else {
            return Poll::Ready(Ok(()));
        };
        let Poll::Ready(result) = Pin::new(emit).poll(cx) else {
            return Poll::Pending;
        };
        self.emit = None;
        if let Err(error) = &result {
            self.stream.report_unhandled(error);
        }
        Poll::Ready(result)
    }
}

impl<T: Element> Drop for Begun<T> {
    fn drop(&mut self) {
        if let Some(emit) = self.emit.take() {
            emit.detach();
        }
    }
}

/// Yields to other tasks of the event loop.
pub(super) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
