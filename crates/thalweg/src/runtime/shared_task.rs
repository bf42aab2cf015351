use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream as _};

use super::Task;
use crate::sync::lock;

/// Maximum futures per task: few enough to be polled in one turn of tokio, which yields after 128 operations.
const PER_TASK: usize = 64;

/// Futures on a single-threaded loop: many share a task of the loop, which takes half the memory of a task each.
#[derive(Default)]
pub(super) struct SharedTask {
    /// The current batch, and the number of futures in it.
    batch: Mutex<(Arc<Batch>, usize)>,
}

impl SharedTask {
    /// Adds a future; returns the shared task if one has to be started.
    pub(super) fn join(&self, task: Task) -> Option<impl Future<Output = ()> + Send + use<>> {
        let mut filling = lock(&self.batch);
        if filling.1 == PER_TASK {
            *filling = (Arc::default(), 0);
        }
        filling.1 += 1;
        let batch = filling.0.clone();
        drop(filling);
        batch.join(task)
    }
}

/// The futures of one shared task.
#[derive(Default)]
struct Batch {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    joining: Vec<Task>,
    /// Whether the shared task runs; it ends when no futures are left.
    running: bool,
    waker: Option<Waker>,
}

impl Batch {
    fn join(self: Arc<Self>, task: Task) -> Option<impl Future<Output = ()> + Send + use<>> {
        let mut state = lock(&self.state);
        state.joining.push(task);
        let waker = state.waker.take();
        let starts = !mem::replace(&mut state.running, true);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        starts.then(|| Running(Some(self)).run())
    }
}

/// The run of a batch. If it is dropped, since the loop has ended, so are the futures that wait for it.
struct Running(Option<Arc<Batch>>);

impl Drop for Running {
    fn drop(&mut self) {
        let Some(batch) = &self.0 else {
            return;
        };
        let mut state = lock(&batch.state);
        let ended = mem::take(&mut *state);
        drop(state);
        drop(ended);
    }
}

impl Running {
    async fn run(mut self) {
        let Some(batch) = self.0.clone() else {
            return;
        };
        let mut aboard = pin!(FuturesUnordered::new());
        poll_fn(|cx| {
            loop {
                let joining = mem::take(&mut lock(&batch.state).joining);
                for task in joining {
                    aboard.push(task);
                }
                match poll_next(aboard.as_mut(), cx) {
                    Poll::Ready(Some(())) => {}
                    Poll::Pending => {
                        let mut state = lock(&batch.state);
                        if state.joining.is_empty() {
                            state.waker = Some(cx.waker().clone());
                            return Poll::Pending;
                        }
                    }
                    Poll::Ready(None) => {
                        let mut state = lock(&batch.state);
                        if state.joining.is_empty() {
                            state.running = false;
                            return Poll::Ready(());
                        }
                    }
                }
            }
        })
        .await;
        self.0 = None;
    }
}

/// Polls the woken futures. One that panics is dropped, and the others continue.
fn poll_next(
    mut aboard: Pin<&mut FuturesUnordered<Task>>,
    cx: &mut Context<'_>,
) -> Poll<Option<()>> {
    catch_unwind(AssertUnwindSafe(|| aboard.as_mut().poll_next(cx)))
        .unwrap_or(Poll::Ready(Some(())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_panicking_future_affects_no_other_and_the_task_restarts() {
        let shared_task = SharedTask::default();
        for _ in 0..2 {
            let done = Arc::new(AtomicUsize::new(0));
            let mut shared = None;
            for x in 0..10 {
                let done = done.clone();
                let started = shared_task.join(Box::pin(async move {
                    assert_ne!(x, 3, "on purpose");
                    done.fetch_add(1, Ordering::Relaxed);
                }));
                assert_eq!(started.is_some(), x == 0);
                shared = shared.or(started);
            }
            pollster::block_on(shared.expect("the first to join starts it"));
            assert_eq!(done.load(Ordering::Relaxed), 9);
        }
    }
}
