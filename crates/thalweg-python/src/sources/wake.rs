//! Waking the event loop from threads that must not wait for the GIL.
//!
//! Channels wake their waiters under a lock, which the loop's thread may need while it has the GIL. So wakes by other
//! threads are made by a thread that holds no lock.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Wake, Waker};
use std::thread::{self, ThreadId};

use crate::lock::lock;

/// A waker that takes the GIL on the thread it was created on, and on no other.
pub(super) struct Detached {
    waker: Waker,
    thread: ThreadId,
}

impl Detached {
    /// Creates one for a future polled on this thread.
    pub(super) fn waker(waker: &Waker) -> Waker {
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

/// `None` if no thread can be started.
static WAKERS: LazyLock<Option<Mutex<Sender<Waker>>>> = LazyLock::new(|| {
    let (sender, receiver) = channel::<Waker>();
    let thread = thread::Builder::new().name("thalweg-waker".to_owned());
    let started = thread.spawn(move || receiver.into_iter().for_each(Waker::wake));
    started.ok().map(|_| Mutex::new(sender))
});
