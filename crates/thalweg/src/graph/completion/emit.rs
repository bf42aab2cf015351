//! The completion of an `emit`, as its emitter sees it.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::super::call::CurrentCall;
use super::super::{Graph, thread_state};
use super::Completion;
use crate::debug::shows;
use crate::failure::{BuildError, Error, Kind};
use crate::interval::IntoInterval;
use crate::sync::lock;

/// The completion of an [`emit`](crate::Stream::emit).
///
/// The element is in flight already; awaiting, or blocking with [`wait`](Emit::wait), waits until every node downstream
/// has accepted it, and returns failures. If nothing downstream had to wait, the completion is done from the start,
/// without an allocation.
///
/// Dropped before anybody has waited, it lets the element continue; later failures count as unhandled (see
/// [`Stream::on_unhandled`](crate::Stream::on_unhandled)). Dropped while it is being awaited, for example by a time
/// limit, it withdraws the element wherever that still waits for room; where it has been accepted, by a buffer or a
/// function, it continues:
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
/// Awaited by an asynchronous function of a pipeline, a completion whose element leads back to that function is done as
/// soon as the element is queued; see [`CurrentCall`](crate::CurrentCall).
#[must_use = "await it, or call `.wait()`: it applies back pressure and reports failures"]
pub struct Emit(Inner);

shows!([] Emit {});

enum Inner {
    Ready,
    Failed(Box<(Error, Weak<Graph>)>),
    Pending(Arc<Completion>),
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

    /// Creates the completion from its shared state.
    pub(crate) fn pending(done: Arc<Completion>) -> Self {
        let state = lock(&done.state);
        if state.finished && state.failures.is_empty() && state.refusal.is_none() {
            return Self::ready();
        }
        drop(state);
        Self(Inner::Pending(done))
    }

    /// Whether the element has been accepted everywhere, or has failed: waiting would return at once.
    pub fn is_ready(&self) -> bool {
        match &self.0 {
            Inner::Pending(done) => lock(&done.state).finished,
            _ => true,
        }
    }

    /// Whether the element is in flight, and its holders have room for another: emitters of many elements emit the
    /// next.
    pub(crate) fn is_admitted(&self) -> bool {
        match &self.0 {
            Inner::Pending(done) => {
                let state = lock(&done.state);
                state.admitted || state.finished
            }
            _ => true,
        }
    }

    /// Waits until the next element can be emitted; this one may still be in flight then.
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

    /// Lets the element continue without a waiting emitter: failures are unhandled.
    pub(crate) fn detach(mut self) {
        match mem::replace(&mut self.0, Inner::Taken) {
            Inner::Pending(done) => done.abandon(),
            other => drop(Self(other)),
        }
    }

    /// Blocks the thread until every node downstream has accepted the element.
    ///
    /// Called by a function inside a pipeline, where nothing may block, it does not wait: the element that the function
    /// is working on counts as accepted only when this one is too, and failures are reported to the emitter of that
    /// element.
    ///
    /// # Errors
    /// A failure, with node and element; a closed pipeline or an invalid argument; or, on the thread of the event loop
    /// that has to do the work, that waiting would block it ([`Error::is_would_block`]).
    #[inline]
    pub fn wait(self) -> Result<(), Error> {
        if matches!(self.0, Inner::Ready) {
            return Ok(());
        }
        self.wait_unready()
    }

    /// The same for at most `limit`, a duration, a number of seconds, or a text such as `"500ms"`; zero does not wait.
    /// After that the element is withdrawn wherever it still waits for room.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); or `limit` is invalid; or it has passed ([`Error::is_timed_out`]).
    pub fn wait_timeout(mut self, limit: impl IntoInterval) -> Result<(), Error> {
        let limit = crate::interval::wait(limit)
            .map_err(|error| Error::from(BuildError::new("emit", error)))?;
        match &self.0 {
            Inner::Pending(done) if !self.is_ready() && !thread_state::is_inside() => {
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

    /// Called by a function inside a pipeline, makes the function's element wait for this one, as [`wait`](Self::wait)
    /// does there.
    ///
    /// ```
    /// use thalweg::Stream;
    ///
    /// let (outer, inner) = (Stream::new(), Stream::new());
    /// // A bounded join: further elements of one side wait for the other.
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
    /// Returns the completion if no function is running on this thread, and nothing can wait in its place; or if it has
    /// failed already.
    pub fn wait_within(mut self) -> Result<(), Self> {
        match &self.0 {
            Inner::Ready | Inner::Taken => Ok(()),
            Inner::Pending(done) if thread_state::is_inside() => {
                thread_state::wait_for(done.clone());
                self.0 = Inner::Taken;
                Ok(())
            }
            Inner::Pending(_) | Inner::Failed(_) => Err(self),
        }
    }

    fn wait_pending(mut self, done: &Arc<Completion>) -> Result<(), Error> {
        if !self.is_ready() {
            if thread_state::is_inside() {
                self.0 = Inner::Taken;
                thread_state::wait_for(done.clone());
                return Ok(());
            }
            if is_taken_over(done) {
                self.0 = Inner::Taken;
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

/// Whether the awaiting function would wait for itself, and no longer does.
fn is_taken_over(done: &Arc<Completion>) -> bool {
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
