//! Runtimes: clocks, timers and executors of futures.

mod caller_context;
#[cfg(feature = "tokio")]
mod event_loop;
#[cfg(feature = "tokio")]
mod shared_task;
mod sleep;
mod virtual_clock;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

pub use caller_context::CallerContext;
pub(crate) use caller_context::entered;
#[cfg(feature = "tokio")]
pub use event_loop::EventLoop;
pub use sleep::Sleep;
pub use virtual_clock::VirtualClock;

/// A future for a runtime to run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A callback for a runtime.
pub type Alarm = Box<dyn FnOnce() + Send>;

/// The interface of event loops: a clock, timers, and an executor of futures.
///
/// Implemented for tokio ([`EventLoop`]) and the [`VirtualClock`]; implement it to run pipelines on another loop.
pub trait Runtime: Send + Sync + 'static {
    /// The time since the runtime's start; never goes back.
    fn now(&self) -> Duration;

    /// Calls `alarm` at the given time or soon after, on any thread, but not during this call.
    fn wake_at(&self, at: Duration, alarm: Alarm);

    /// Runs a future to its end, on any thread, but not during this call.
    fn spawn(&self, task: Task);

    /// Calls `f` in the runtime's context, for functions that look for it.
    fn enter(&self, f: &mut dyn FnMut()) {
        f();
    }

    /// The context in which the calling code runs, if the host has such: variables that belong to a request, say.
    /// Functions called later on behalf of the caller run in it.
    fn caller_context(&self) -> CallerContext {
        CallerContext::default()
    }

    /// Whether the calling thread is the runtime's own, so that blocking it would stop the runtime.
    fn is_current(&self) -> bool {
        false
    }

    /// Whether functions of pipelines on this runtime must be called on its own thread. In that case, another thread
    /// that leaves a pipeline leaves pending work to the runtime.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Whether time advances by itself, as it does outside of the program. If not, sources check for changes outside of
    /// the program only at times of this clock.
    fn is_real_time(&self) -> bool {
        true
    }

    /// Identity of this runtime: equal for handles of the same loop.
    fn identity(&self) -> usize;

    /// Work on other threads begins that this runtime waits for, such as that of an engine. A clock whose time jumps to
    /// the next timer waits for it first. By default it does nothing.
    fn begin_outside_work(&self) {}

    /// Such work has ended.
    fn end_outside_work(&self) {}
}

/// Work on other threads, until it is dropped; see [`Runtime::begin_outside_work`].
pub(crate) struct OutsideWork(RuntimeHandle);

impl OutsideWork {
    pub(crate) fn new(runtime: RuntimeHandle) -> Self {
        runtime.begin_outside_work();
        Self(runtime)
    }
}

impl Drop for OutsideWork {
    fn drop(&mut self) {
        self.0.end_outside_work();
    }
}

/// The time since its first call, for measurements in pipelines without a runtime.
pub(crate) fn steady_time() -> Duration {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed()
}

/// A shared [`Runtime`].
#[derive(Clone)]
pub struct RuntimeHandle(Arc<dyn Runtime>);

impl RuntimeHandle {
    /// Creates a handle of `runtime`.
    pub fn new(runtime: impl Runtime) -> Self {
        Self(Arc::new(runtime))
    }

    /// The runtime of the caller, or else one shared by all such callers: an event loop on a separate thread. `None`
    /// without the feature `tokio`.
    pub(crate) fn find() -> Option<Self> {
        #[cfg(feature = "tokio")]
        {
            Some(
                EventLoop::current()
                    .unwrap_or_else(EventLoop::shared)
                    .into(),
            )
        }
        #[cfg(not(feature = "tokio"))]
        {
            None
        }
    }

    /// The runtime of the caller, if there is one.
    pub(crate) fn current() -> Option<Self> {
        #[cfg(feature = "tokio")]
        {
            EventLoop::current().map(Self::from)
        }
        #[cfg(not(feature = "tokio"))]
        {
            None
        }
    }

    /// Completes after `duration` on this runtime's clock.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(duration))
    }

    /// Completes at the given time on this runtime's clock.
    pub fn sleep_until(&self, at: Duration) -> Sleep {
        Sleep::new(self.clone(), at)
    }
}

impl std::ops::Deref for RuntimeHandle {
    type Target = dyn Runtime;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for RuntimeHandle {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for RuntimeHandle {}

impl fmt::Debug for RuntimeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RuntimeHandle")
            .field(&self.identity())
            .finish()
    }
}

impl From<&RuntimeHandle> for RuntimeHandle {
    fn from(handle: &RuntimeHandle) -> Self {
        handle.clone()
    }
}
