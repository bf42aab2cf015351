//! The result of a job done by another thread.

use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Future of the result; `None` if the job was dropped. The waker is called outside of any lock: it may wait for a lock
/// whose holder waits for this result.
pub(crate) struct Reply<R>(Arc<Shared<R>>);

/// The sending half.
pub(crate) struct Replier<R>(Arc<Shared<R>>);

struct Shared<R> {
    state: Mutex<State<R>>,
    ended: Condvar,
}

struct State<R> {
    result: Option<R>,
    has_ended: bool,
    waiting: Option<Waker>,
}

pub(crate) fn reply<R>() -> (Replier<R>, Reply<R>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            result: None,
            has_ended: false,
            waiting: None,
        }),
        ended: Condvar::new(),
    });
    (Replier(shared.clone()), Reply(shared))
}

impl<R> Replier<R> {
    pub(crate) fn put(self, result: R) {
        self.0.lock().result = Some(result);
    }
}

impl<R> Drop for Replier<R> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        let waiting = state.waiting.take();
        drop(state);
        self.0.ended.notify_all();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

impl<R> Reply<R> {
    /// Future of the end of the job, which leaves the result to [`poll_result`](Self::poll_result).
    #[cfg(feature = "files")]
    pub(crate) fn ended(&self) -> impl Future<Output = ()> + use<R> {
        let shared = self.0.clone();
        std::future::poll_fn(move |cx| shared.poll_ended(cx.waker()))
    }

    /// The result, if the job has ended; `None` in it if it was dropped. Otherwise a waker is woken then, in place of
    /// any other.
    #[cfg(feature = "files")]
    pub(crate) fn poll_result(&self, waker: Option<&Waker>) -> Poll<Option<R>> {
        let polled = match waker {
            Some(waker) => self.0.poll_ended(waker),
            None if self.0.lock().has_ended => Poll::Ready(()),
            None => Poll::Pending,
        };
        polled.map(|()| self.0.lock().result.take())
    }

    /// Blocks until the job has ended.
    #[cfg(feature = "sql")]
    pub(crate) fn wait(self) -> Option<R> {
        let mut state = self.0.lock();
        while !state.has_ended {
            let woken = self.0.ended.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
        state.result.take()
    }
}

impl<R> Future for Reply<R> {
    type Output = Option<R>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<R>> {
        let ended = self.0.poll_ended(cx.waker());
        ended.map(|()| self.0.lock().result.take())
    }
}

impl<R> Shared<R> {
    fn poll_ended(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.lock();
        if state.has_ended {
            return Poll::Ready(());
        }
        let before = state.waiting.replace(waker.clone());
        drop(state);
        drop(before);
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
