//! Locks, and synchronization primitives that loom can replace.

use std::pin::Pin;
use std::sync::atomic::{self, AtomicBool};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Locks even if a thread panicked while holding the lock: its data is never left half-changed, since no user code runs
/// under it.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The blocking call, made once.
pub type Blocking<'a> = &'a mut dyn FnMut();

static AROUND: OnceLock<fn(Blocking<'_>)> = OnceLock::new();

/// Sets a function for this whole process that is called wherever a thread is about to block until a pipeline is free
/// or an element has been accepted: it calls its argument, which blocks.
///
/// For a host with a global lock that every thread usually holds, such as an interpreter: a thread that blocked with it
/// would stop those it waits for. Only the first call has an effect; the result says whether it was this one.
///
/// ```
/// fn without_the_lock(block: thalweg::Blocking<'_>) {
///     // Here the host lets go of its lock.
///     block();
///     // And here it takes it again.
/// }
/// assert!(thalweg::block_around(without_the_lock));
/// assert!(!thalweg::block_around(without_the_lock));
/// ```
pub fn block_around(around: fn(Blocking<'_>)) -> bool {
    AROUND.set(around).is_ok()
}

static ASIDE: OnceLock<fn(Blocking<'_>)> = OnceLock::new();

/// Time after which a wait counts as long.
const MOMENT: Duration = Duration::from_millis(1);

/// Sets a function for this whole process that is called wherever a thread has waited for more than a millisecond until
/// a pipeline is free or an element has been accepted: it calls its argument, which continues to wait.
///
/// For engines whose threads run functions that may use pipelines: while one of them waits, another thread can do the
/// work that it may be waiting for. Only the first call has an effect; the result says whether it was this one.
///
/// ```
/// fn with_another_thread_at_work(wait: thalweg::Blocking<'_>) {
///     // Here the engine has another thread work.
///     wait();
///     // And here it has one less.
/// }
/// assert!(thalweg::wait_aside(with_another_thread_at_work));
/// assert!(!thalweg::wait_aside(with_another_thread_at_work));
/// ```
pub fn wait_aside(aside: fn(Blocking<'_>)) -> bool {
    ASIDE.set(aside).is_ok()
}

/// Waits by `wait`, which takes a time limit or none, and returns whether the wait is over.
pub(crate) fn waiting(mut wait: impl FnMut(Option<Duration>) -> bool) {
    let Some(aside) = ASIDE.get() else {
        wait(None);
        return;
    };
    if !wait(Some(MOMENT)) {
        aside(&mut || {
            wait(None);
        });
    }
}

/// Called about a wait for the thread inside a pipeline, with its duration so far; returns whether to continue.
pub type Patience = fn(Duration) -> bool;

static PATIENCE: OnceLock<Patience> = OnceLock::new();

/// Interval of the calls.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// Sets a function for this whole process that is called every 50 ms while a thread waits for another one inside a
/// pipeline. It may tell the user about the wait. If it returns false, the wait ends: the element is not accepted, and
/// its [`Emit`](crate::Emit) fails with an error for which [`is_interrupted`](crate::Error::is_interrupted) is true.
///
/// For hosts with signals of their own, such as Ctrl-C; it is called with the lock held that [`block_around`] is about.
/// Only the first call has an effect; the result says whether it was this one.
///
/// ```
/// use std::sync::mpsc;
/// use thalweg::Stream;
///
/// assert!(thalweg::ask_waiting(|waited| waited.as_millis() < 100));
///
/// let source = Stream::new();
/// let (tells, told) = mpsc::channel();
/// let inner = source.clone();
/// source.sink(move |x: i32| {
///     // Waits for a thread that waits for this function.
///     let inner = inner.clone();
///     let thread = std::thread::spawn(move || inner.emit(x + 1).wait());
///     tells.send(thread.join().expect("no panic")).expect("the test listens");
/// });
/// source.emit(1).wait()?;
/// assert!(told.recv().expect("told").unwrap_err().is_interrupted());
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn ask_waiting(patience: Patience) -> bool {
    PATIENCE.set(patience).is_ok()
}

/// The function to call while a thread waits.
pub(crate) fn patience() -> Option<Patience> {
    PATIENCE.get().copied()
}

/// Runs `f`, which may block.
#[cold]
pub(crate) fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let Some(around) = AROUND.get() else {
        return f();
    };
    let (mut f, mut result) = (Some(f), None);
    around(&mut || result = f.take().map(|f| f()));
    match (result, f) {
        (Some(result), _) => result,
        // The host has not called it.
        (None, Some(f)) => f(),
        (None, None) => unreachable!("a function that was taken has been called"),
    }
}

/// Runs a future on this thread, which blocks while the future is pending; the future is polled outside of the host's
/// blocking scope.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let parker = Arc::new(Parker {
        thread: std::thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(parker.clone());
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        blocking(|| waiting(|limit| parker.wait(limit)));
    }
}

/// The same for at most `limit`.
pub(crate) fn block_on_for<F: Future + Unpin>(mut future: F, limit: Duration) -> Option<F::Output> {
    let begin = Instant::now();
    let parker = Arc::new(Parker {
        thread: std::thread::current(),
        woken: AtomicBool::new(false),
    });
    let waker = Waker::from(parker.clone());
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = Pin::new(&mut future).poll(&mut cx) {
            return Some(output);
        }
        let left = limit.saturating_sub(begin.elapsed());
        let mut is_over = left.is_zero();
        blocking(|| {
            waiting(|moment| {
                let left = limit.saturating_sub(begin.elapsed());
                let is_woken = parker.wait(Some(moment.map_or(left, |moment| moment.min(left))));
                is_over = !is_woken && begin.elapsed() >= limit;
                is_woken || is_over
            });
        });
        if is_over {
            return match Pin::new(&mut future).poll(&mut cx) {
                Poll::Ready(output) => Some(output),
                Poll::Pending => None,
            };
        }
    }
}

struct Parker {
    thread: std::thread::Thread,
    woken: AtomicBool,
}

impl Parker {
    /// Waits, for at most `limit` if given; returns whether it was woken.
    fn wait(&self, limit: Option<Duration>) -> bool {
        let begin = Instant::now();
        while !self.woken.swap(false, atomic::Ordering::Acquire) {
            let Some(limit) = limit else {
                std::thread::park();
                continue;
            };
            let left = limit.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return false;
            }
            std::thread::park_timeout(left);
        }
        true
    }
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, atomic::Ordering::Release);
        self.thread.unpark();
    }
}

/// Primitives of the monitor.
pub(crate) mod model {
    #[cfg(thalweg_loom)]
    pub(crate) use loom::sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    };
    #[cfg(not(thalweg_loom))]
    pub(crate) use std::sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    };

    /// Waits, for at most `limit` if given; returns whether it timed out.
    pub(crate) fn wait<'a, T>(
        condvar: &Condvar,
        guard: MutexGuard<'a, T>,
        limit: Option<std::time::Duration>,
    ) -> (MutexGuard<'a, T>, bool) {
        use std::sync::PoisonError;

        let Some(limit) = limit else {
            let guard = condvar.wait(guard);
            return (guard.unwrap_or_else(PoisonError::into_inner), false);
        };
        let waited = condvar.wait_timeout(guard, limit);
        let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
        (guard, result.timed_out())
    }

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
