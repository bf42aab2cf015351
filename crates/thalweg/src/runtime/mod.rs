//! Where time and futures come from.

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

#[cfg(feature = "tokio")]
pub use event_loop::EventLoop;
pub use sleep::Sleep;
pub use virtual_clock::VirtualClock;

/// A future for a runtime to run.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Something for a runtime to call, once.
pub type Alarm = Box<dyn FnOnce() + Send>;

/// An event loop as a pipeline sees it: a clock, timers, and a place for futures to run.
///
/// Implemented for tokio ([`EventLoop`]) and the [`VirtualClock`]; implement it to bind pipelines to
/// another loop.
pub trait Runtime: Send + Sync + 'static {
    /// The time since the runtime's own beginning; never goes back.
    fn now(&self) -> Duration;

    /// Calls `alarm` at the given time or soon after, on any thread, not from within this call.
    fn wake_at(&self, at: Duration, alarm: Alarm);

    /// Runs a future to its end, on any thread, not from within this call.
    fn spawn(&self, task: Task);

    /// Calls `f` where functions that look for the runtime around them find it.
    fn enter(&self, f: &mut dyn FnMut()) {
        f();
    }

    /// Whether the calling thread is the runtime's own, so that blocking it stops the runtime.
    fn is_current(&self) -> bool {
        false
    }

    /// Whether functions of pipelines on this runtime are called on its own thread only. Work that another thread
    /// finds when it leaves a pipeline waits for the runtime then.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Whether time goes on by itself here, as it does outside of the program. Where it does not, sources look at what
    /// others may change at times of this clock alone.
    fn is_real_time(&self) -> bool {
        true
    }

    /// Identity of this runtime: two values with the same identity are the same loop.
    fn identity(&self) -> usize;
}

/// The time since its first call, for what is measured in a pipeline that has no runtime.
pub(crate) fn steady_time() -> Duration {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed()
}

/// A shared [`Runtime`].
#[derive(Clone)]
pub struct RuntimeHandle(Arc<dyn Runtime>);

impl RuntimeHandle {
    /// A handle to `runtime`.
    pub fn new(runtime: impl Runtime) -> Self {
        Self(Arc::new(runtime))
    }

    /// The runtime this call is made in, or else one that all such callers share: an event loop on
    /// a thread of its own. `None` without the feature `tokio`.
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

    /// The runtime this call is made in, if any.
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

    /// Ends after `duration` on this runtime's clock.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().saturating_add(duration))
    }

    /// Ends at the given time on this runtime's clock.
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
