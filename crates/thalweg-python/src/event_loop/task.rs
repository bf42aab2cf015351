use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::prelude::*;
use thalweg::Task;

use super::EventLoop;
use crate::lock::lock;

/// A future of the engine running on a loop.
pub(super) struct Running {
    event_loop: EventLoop,
    /// `None` once it is done.
    future: Mutex<Option<Task>>,
    /// Whether it is in the loop's queue.
    queued: AtomicBool,
}

impl Running {
    pub(super) fn start(event_loop: &EventLoop, future: Task) {
        let running = Arc::new(Self {
            event_loop: event_loop.clone(),
            future: Mutex::new(Some(future)),
            queued: AtomicBool::new(false),
        });
        running.wake();
    }

    fn poll(self: &Arc<Self>, _: Python<'_>) -> PyResult<()> {
        self.queued.store(false, Ordering::Release);
        let waker = Waker::from(self.clone());
        let mut future = lock(&self.future);
        if let Some(task) = &mut *future {
            let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
            if poll == Poll::Ready(()) {
                let done = future.take();
                drop(future);
                drop(done);
            }
        }
        crate::interrupt::check()
    }
}

impl Wake for Running {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            let event_loop = self.event_loop.clone();
            event_loop.call(Box::new(move |py| self.poll(py)));
        }
    }
}
