//! Waking the event loop from threads that must not wait for the GIL.
//!
//! Channels wake their waiters under a lock, which the loop's thread may need while it has the GIL. So wakes by other
//! threads are made by a thread that holds no lock.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};

use crate::gil;
use crate::lock::lock;

/// A waker that takes the GIL on the thread it was created on, and on no other.
struct Detached {
    waker: Waker,
    thread: ThreadId,
}

impl Detached {
    /// Creates one for a future polled on this thread.
    fn waker(waker: &Waker) -> Waker {
        let detached = Self {
            waker: waker.clone(),
            thread: thread::current().id(),
        };
        Waker::from(Arc::new(detached))
    }
}

impl Wake for Detached {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if thread::current().id() == self.thread {
            self.waker.wake_by_ref();
        } else if let Some(wakers) = &*WAKERS {
            // The thread ends with the process.
            let _ = lock(wakers).send(self.waker.clone());
        }
    }
}

/// Polls a source's future without the GIL: it may read a file, or split lines, while other threads run Python.
pub(super) fn poll_without_gil<F: Future<Output: Send> + Send>(
    future: Pin<&mut F>,
    cx: &Context<'_>,
) -> Poll<F::Output> {
    let waker = Detached::waker(cx.waker());
    gil::attach(|py| gil::detach(py, || future.poll(&mut Context::from_waker(&waker))))
}

/// Yields to other tasks of the loop: until the next iteration if it `wakes` itself, else until something that has been
/// polled wakes it.
pub(super) async fn suspend(wakes: bool) {
    let mut has_suspended = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_suspended, true) {
            return Poll::Ready(());
        }
        if wakes {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await;
}

/// `None` if no thread can be started.
static WAKERS: LazyLock<Option<Mutex<Sender<Waker>>>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<Waker>();
    let thread = thread::Builder::new().name("thalweg-waker".to_owned());
    let started = thread.spawn(move || receiver.into_iter().for_each(Waker::wake));
    started.ok().map(|_| Mutex::new(sender))
});
