use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Wake};
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::Instant;

use super::shared_task::SharedTask;
use super::{Alarm, Runtime, RuntimeHandle, Task};

/// A tokio event loop: the caller's, or one on a separate thread.
///
/// ```
/// use thalweg::{EventLoop, Stream};
///
/// // A thread of its own; `emit(…).wait()` blocks this one until the pipeline is ready.
/// let event_loop = EventLoop::thread();
/// let source = Stream::on(&event_loop);
/// let list = source.rate_limit("1ms").sink_to_list();
/// for x in 0..3 {
///     source.emit(x).wait()?;
/// }
/// assert_eq!(list.to_vec(), [0, 1, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone)]
pub struct EventLoop(Arc<Inner>);

struct Inner {
    handle: Handle,
    origin: Instant,
    /// Where futures run if a single thread runs them.
    shared_task: Option<SharedTask>,
    /// Ends the loop's thread when the loop is no longer used.
    _stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl EventLoop {
    /// The tokio runtime of the caller, if there is one.
    pub fn current() -> Option<Self> {
        Handle::try_current().ok().map(Self::from_handle)
    }

    /// A given tokio runtime.
    pub fn from_handle(handle: Handle) -> Self {
        Self::build(handle, None)
    }

    fn build(handle: Handle, stop: Option<tokio::sync::oneshot::Sender<()>>) -> Self {
        // One origin for all, so that two handles of one loop agree on the time.
        static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
        let origin = Instant::from_std(*ORIGIN.get_or_init(std::time::Instant::now));
        let is_single = handle.runtime_flavor() == RuntimeFlavor::CurrentThread;
        Self(Arc::new(Inner {
            shared_task: is_single.then(SharedTask::default),
            handle,
            origin,
            _stop: stop,
        }))
    }

    /// Starts a new loop on a separate thread, which ends with the last pipeline on it.
    ///
    /// # Panics
    /// The operating system cannot start a thread.
    pub fn thread() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the operating system starts an event loop");
        let handle = runtime.handle().clone();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("thalweg-loop".to_string())
            .spawn(move || {
                // An error means that the sender is gone, which is the signal to stop.
                let _ = runtime.block_on(stopped);
            })
            .expect("the operating system starts a thread");
        Self::build(handle, Some(stop))
    }

    /// The loop shared by all pipelines that need one and were built outside of any. Its thread runs as long as the
    /// process.
    ///
    /// # Panics
    /// The operating system cannot start a thread.
    pub fn shared() -> Self {
        static SHARED: OnceLock<EventLoop> = OnceLock::new();
        SHARED.get_or_init(Self::thread).clone()
    }

    /// Calls `f` on the loop, in its next iteration.
    pub fn call_soon(&self, f: impl FnOnce() + Send + 'static) {
        self.0.handle.spawn(async move { f() });
    }

    /// Calls `f` on the loop after `delay`.
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + Send + 'static) {
        self.0.handle.spawn(async move {
            tokio::time::sleep(delay).await;
            f();
        });
    }

    /// Runs a blocking function on a thread of the loop's executor, so that the loop continues; the result is awaited.
    ///
    /// # Errors
    /// The function panicked.
    pub fn run_blocking<R, F>(
        &self,
        f: F,
    ) -> impl Future<Output = Result<R, crate::failure::BoxError>> + Send + use<R, F>
    where
        R: Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let task = self.0.handle.spawn_blocking(f);
        async move { task.await.map_err(Into::into) }
    }

    /// Runs a future on the loop and blocks this thread until it is done.
    ///
    /// # Errors
    /// The future panicked.
    ///
    /// # Panics
    /// It is called from within an event loop, other than by a blocking function such as that of
    /// [`run_blocking`](Self::run_blocking).
    pub fn block_on<R: Send + 'static>(
        &self,
        future: impl Future<Output = R> + Send + 'static,
    ) -> Result<R, crate::failure::BoxError> {
        assert!(
            Handle::try_current().is_err() || runs_blocking_function(),
            "blocking here would stop an event loop; await the future instead"
        );
        pollster::block_on(self.0.handle.spawn(future)).map_err(Into::into)
    }
}

impl EventLoop {
    /// Converts a time of this clock to tokio's; a time too far in the future becomes one in some decades.
    fn instant(&self, at: Duration) -> Instant {
        const DECADES: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
        let origin = self.0.origin;
        origin.checked_add(at).unwrap_or(origin + DECADES)
    }
}

/// Whether this thread runs a function that may block, as by `spawn_blocking` or `block_in_place`, beside its loop.
///
/// tokio has no such question. But a task that yields is woken at once there, and otherwise after the loop's round.
fn runs_blocking_function() -> bool {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    if tokio::task::try_id().is_none() {
        return false;
    }
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = woken.clone().into();
    let yielding = pin!(tokio::task::yield_now());
    let is_pending = yielding.poll(&mut Context::from_waker(&waker)).is_pending();
    is_pending && woken.0.load(Ordering::Relaxed)
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventLoop")
            .field(&self.0.handle.id())
            .finish()
    }
}

impl Runtime for EventLoop {
    fn now(&self) -> Duration {
        let _context = self.0.handle.enter();
        Instant::now().saturating_duration_since(self.0.origin)
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        let alarm = LoopAlarm {
            at: self.instant(at),
            event_loop: Arc::downgrade(&self.0),
            alarm: Some(alarm),
        };
        self.0.handle.spawn(alarm.ring());
    }

    fn spawn(&self, task: Task) {
        match &self.0.shared_task {
            Some(shared_task) => {
                if let Some(shared) = shared_task.join(task) {
                    self.0.handle.spawn(shared);
                }
            }
            None => {
                self.0.handle.spawn(task);
            }
        }
    }

    fn enter(&self, f: &mut dyn FnMut()) {
        let _context = self.0.handle.enter();
        f();
    }

    fn is_current(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.0.handle.id())
            && !runs_blocking_function()
    }

    fn identity(&self) -> usize {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.0.handle.id().hash(&mut hasher);
        hasher.finish() as usize
    }
}

/// An alarm of a loop. If the loop ends before it, and a pipeline is still on the loop, the shared loop rings it:
/// otherwise emitters, and drains with a limit, would wait for ever.
struct LoopAlarm {
    at: Instant,
    event_loop: Weak<Inner>,
    alarm: Option<Alarm>,
}

impl LoopAlarm {
    async fn ring(mut self) {
        tokio::time::sleep_until(self.at).await;
        if let Some(alarm) = self.alarm.take() {
            alarm();
        }
    }
}

impl Drop for LoopAlarm {
    fn drop(&mut self) {
        let Some(alarm) = self.alarm.take() else {
            return;
        };
        if self.event_loop.strong_count() > 0 {
            let at = self.at;
            EventLoop::shared().0.handle.spawn(async move {
                tokio::time::sleep_until(at).await;
                alarm();
            });
        }
    }
}

impl From<EventLoop> for RuntimeHandle {
    fn from(event_loop: EventLoop) -> Self {
        Self::new(event_loop)
    }
}

impl From<&EventLoop> for RuntimeHandle {
    fn from(event_loop: &EventLoop) -> Self {
        event_loop.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_until_the_end_of_time_does_not_panic() {
        let event_loop = EventLoop::thread();
        event_loop.wake_at(Duration::MAX, Box::new(|| unreachable!("the end of time")));
        event_loop.call_later(Duration::MAX, || unreachable!("the end of time"));
        let answer = event_loop.block_on(async { 42 });
        assert_eq!(answer.expect("the loop goes on"), 42);
    }
}
