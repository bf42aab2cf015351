use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context as TaskContext, Poll, Waker};

use crate::failure::{BoxError, BuildError};
use crate::sync::lock;
use crate::{Context, Element, EmitResult, Lease, Never, Operator, Sink, Stream};

/// The end of a pipeline, to pull elements from: a `futures` stream, a blocking iterator, the receiving end of a
/// channel; see [`Stream::pull`].
pub struct Pull<T> {
    shared: Arc<Mutex<Shared<T>>>,
    sink: Sink,
}

struct Shared<T> {
    bound: usize,
    queue: VecDeque<(T, Lease)>,
    waker: Option<Waker>,
    ended: bool,
}

/// The node behind a [`Pull`].
struct PullSink<T>(Arc<Mutex<Shared<T>>>);

impl<T: Element> Operator for PullSink<T> {
    type In = T;
    type Out = Never;
    type Event = Infallible;
    const KIND: &'static str = "pull";
    const SUSPENDS: bool = true;
    const SINK: bool = true;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        // Locked by the thread that is pulling.
        if let Ok(shared) = self.0.try_lock() {
            shared.queue.iter().for_each(|(x, _)| visit(x));
        }
    }

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let mut shared = lock(&self.0);
        let lease = if shared.queue.len() < shared.bound {
            Lease::accepted(cx.acks())
        } else {
            cx.hold()
        };
        shared.queue.push_back((x, lease));
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), BoxError> {
        let mut shared = lock(&self.0);
        shared.ended = true;
        if let Some(waker) = shared.waker.take() {
            waker.wake();
        }
        Ok(())
    }

    fn withdraw(&mut self) {
        lock(&self.0).queue.retain(|(_, lease)| lease.stays());
    }

    fn in_flight(&self) -> usize {
        lock(&self.0).queue.len()
    }
}

impl<T: Element> Pull<T> {
    /// The next element, if one is available now.
    pub fn try_next(&mut self) -> Option<T> {
        let mut shared = lock(&self.shared);
        let (x, lease) = shared.queue.pop_front()?;
        let last_accepted = shared.bound - 1;
        let accepted = shared.queue.get_mut(last_accepted).map(|(_, lease)| {
            let acks = lease.acks().clone();
            std::mem::replace(lease, Lease::accepted(acks))
        });
        let emptied = shared.queue.is_empty();
        drop(shared);
        drop((lease, accepted));
        if emptied {
            self.sink.stream().graph().root().recheck_idle();
        }
        Some(x)
    }

    /// Blocks until there is an element; `None` once the pipeline has been drained.
    ///
    /// Do not call it on the thread of the pipeline's event loop.
    pub fn next_blocking(&mut self) -> Option<T> {
        crate::sync::block_on(std::future::poll_fn(|cx| self.poll(cx)))
    }

    /// An iterator that blocks until there is an element, and ends when the pipeline has been drained.
    pub fn blocking_iter(mut self) -> impl Iterator<Item = T> {
        std::iter::from_fn(move || self.next_blocking())
    }

    fn poll(&mut self, cx: &mut TaskContext<'_>) -> Poll<Option<T>> {
        if let Some(x) = self.try_next() {
            return Poll::Ready(Some(x));
        }
        let mut shared = lock(&self.shared);
        if !shared.queue.is_empty() {
            drop(shared);
            return Poll::Ready(self.try_next());
        }
        if shared.ended {
            return Poll::Ready(None);
        }
        shared.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<T: Element> futures_core::Stream for Pull<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Option<T>> {
        self.get_mut().poll(cx)
    }
}

impl<T> Drop for Pull<T> {
    /// Nobody will take the elements: the sink is removed, and emitters do not wait for it.
    fn drop(&mut self) {
        self.sink.destroy();
        let left = std::mem::take(&mut lock(&self.shared).queue);
        crate::ack::discarding(|| drop(left));
    }
}

impl<T> fmt::Debug for Pull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pull")
            .field("waiting", &lock(&self.shared).queue.len())
            .finish_non_exhaustive()
    }
}

impl<T: Element> Stream<T> {
    /// Makes the end of a pipeline something to pull elements from: a `futures` stream, a blocking iterator, the
    /// receiving end of a channel.
    ///
    /// `bound` elements may wait to be pulled; after that, emitters wait. An element counts as delivered, and is
    /// acknowledged, when it has been pulled. Iteration ends when the pipeline is drained, which waits until everything
    /// has been pulled. A bound of zero is a build error, see [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// use futures_util::StreamExt;
    ///
    /// let source = Stream::new();
    /// let squares = source.map(|x| x * x).pull(2);
    /// assert!(source.emit(1).is_ready() && source.emit(2).is_ready());
    /// let third = source.emit(3);
    /// assert!(!third.is_ready());
    ///
    /// let first: Vec<i32> = pollster::block_on(squares.take(2).collect());
    /// assert_eq!(first, [1, 4]);
    /// ```
    pub fn pull(&self, bound: usize) -> Pull<T> {
        if bound == 0 {
            self.build_error(BuildError::new(
                "pull",
                "at least one element has to be able to wait, not 0",
            ));
        }
        let shared = Arc::new(Mutex::new(Shared {
            bound: bound.max(1),
            queue: VecDeque::new(),
            waker: None,
            ended: false,
        }));
        let sink = Sink::new(self.apply(PullSink(shared.clone())));
        Pull { shared, sink }
    }
}
