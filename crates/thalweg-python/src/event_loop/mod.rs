//! An asyncio event loop as the engine's runtime: its clock, its timers, and futures run on it.

mod alarms;
mod awaitable;
mod closing;
mod context;
mod handles;
mod here;
mod pending;
mod pump;
mod task;
#[cfg(target_os = "linux")]
mod wakeup_fd;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, Weak};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use thalweg::{Alarm, CallerContext, Runtime, RuntimeHandle, Task};
use thalweg_tasks::parallel;

use self::alarms::Alarms;
pub(crate) use self::awaitable::Awaited;
pub(crate) use self::context::CallContext;
use self::handles::Handles;
pub(crate) use self::handles::running;
use self::here::Here;
pub(crate) use self::pump::Pump;
use self::task::Running;
use crate::lock::lock;
use crate::{gil, interpreter, interrupt, upcalls};

/// A job for the loop's thread.
pub(crate) type Job = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// An asyncio event loop. All requests go into one queue, which one callback on the loop processes, so that a thousand
/// wake-ups cost the loop one.
#[derive(Clone)]
pub(crate) struct EventLoop(Arc<Shared>);

pub(super) struct Shared {
    handles: Mutex<Arc<Handles>>,
    here: Here,
    /// Whether the loop is only a guess: the first loop that runs replaces it.
    is_guess: AtomicBool,
    /// Whether it has ever run.
    has_run: AtomicBool,
    /// Whether the asyncio loop waits for its pipelines at its end.
    is_watched: AtomicBool,
    /// Whether the loop has been closed: requests wait for a replacement.
    is_closed: AtomicBool,
    /// Whether it has been closed and no pipeline is left that could provide a replacement.
    is_forgotten: AtomicBool,
    /// Number of pipelines on the loop.
    pipelines: AtomicUsize,
    /// Runs the loop for one round, if it does not run by itself.
    step: Option<Py<PyAny>>,
    queue: Mutex<VecDeque<Job>>,
    /// Whether the loop has been asked to process the queue.
    called: AtomicBool,
    /// Whether a thread waits for a job that was processed.
    is_awaited: AtomicBool,
    alarms: Mutex<Alarms>,
}

static KNOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl EventLoop {
    /// The shared handle of an asyncio loop.
    pub(crate) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if let Some(event_loop) = Self::find(object, &Self::known()) {
            return Ok(event_loop);
        }
        let event_loop = Self::new(object)?;
        let others = Self::known();
        if let Some(event_loop) = Self::find(object, &others) {
            return Ok(event_loop);
        }
        lock(&KNOWN).push(event_loop.downgrade());
        // When a new loop appears, others may have ended without notice.
        for event_loop in others {
            event_loop.check_closed(object.py());
        }
        Ok(event_loop)
    }

    /// Event loops in use. No Python object may be called or dropped while the lock is held.
    fn known() -> Vec<Self> {
        let mut known = lock(&KNOWN);
        known.retain(|shared| shared.strong_count() > 0);
        known.iter().filter_map(Self::upgrade).collect()
    }

    fn find(object: &Bound<'_, PyAny>, among: &[Self]) -> Option<Self> {
        let found = among.iter().find(|event_loop| event_loop.is(object));
        found.cloned()
    }

    fn new(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let handles = Handles::new(object)?;
        Ok(Self(Arc::new(Shared {
            here: Here::of(object.py(), &handles),
            handles: Mutex::new(handles),
            is_guess: AtomicBool::new(false),
            has_run: AtomicBool::new(false),
            is_watched: AtomicBool::new(false),
            is_closed: AtomicBool::new(false),
            is_forgotten: AtomicBool::new(false),
            pipelines: AtomicUsize::new(0),
            step: object.getattr_opt("step")?.map(Bound::unbind),
            queue: Mutex::default(),
            called: AtomicBool::new(false),
            is_awaited: AtomicBool::new(false),
            alarms: Mutex::default(),
        })))
    }

    /// The loop that will probably run.
    pub(crate) fn guess(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let event_loop = Self::of(object)?;
        if !event_loop.0.has_run.load(Ordering::Relaxed) {
            event_loop.0.is_guess.store(true, Ordering::Relaxed);
        }
        Ok(event_loop)
    }

    /// Replaces a guess by the running loop.
    #[cold]
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        match handles::running(py)? {
            Some(running) => self.move_to(py, &running),
            None => Ok(()),
        }
    }

    /// Identity of the asyncio loop.
    fn identity_of_loop(&self) -> usize {
        self.handles().object.as_ptr().addr()
    }

    fn handles(&self) -> Arc<Handles> {
        lock(&self.0.handles).clone()
    }

    fn settled(&self, py: Python<'_>) -> Arc<Handles> {
        if self.0.is_guess.load(Ordering::Relaxed)
            && let Err(error) = self.settle(py)
        {
            error.write_unraisable(py, None);
        }
        self.handles()
    }

    pub(crate) fn object(&self, py: Python<'_>) -> Py<PyAny> {
        self.settled(py).object.clone_ref(py)
    }

    /// The awaitable of an emission that need not wait.
    #[inline]
    pub(crate) fn done(&self, py: Python<'_>) -> Py<PyAny> {
        if !self.0.is_guess.load(Ordering::Relaxed)
            && let Some(done) = self.0.here.done(py)
        {
            return done;
        }
        self.settled(py).done.clone_ref(py)
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.handles().object.is(&other.handles().object)
    }

    /// Whether waiting threads have to run the loop: a virtual clock's.
    pub(crate) fn is_driven(&self) -> bool {
        self.0.step.is_some()
    }

    /// Runs such a loop until there is an answer.
    ///
    /// # Errors
    /// The answer's own, or that nothing is left to happen.
    pub(crate) fn drive<R>(
        &self,
        py: Python<'_>,
        mut answer: impl FnMut() -> Option<PyResult<R>>,
    ) -> PyResult<R> {
        loop {
            if let Some(result) = answer() {
                return result;
            }
            match &self.0.step {
                Some(step) => step.bind(py).call0()?,
                None => return Err(PyRuntimeError::new_err("the event loop runs by itself")),
            };
        }
    }

    /// # Errors
    /// The loop has been closed.
    pub(crate) fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.handles().is_closed(py) {
            return Err(PyRuntimeError::new_err("the event loop has been closed"));
        }
        Ok(())
    }

    pub(crate) fn handle(&self) -> RuntimeHandle {
        RuntimeHandle::new(self.clone())
    }

    pub(super) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(super) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(Self)
    }

    /// Whether the loop is running on this thread.
    #[inline]
    pub(crate) fn is_here(&self, py: Python<'_>) -> bool {
        !self.0.is_guess.load(Ordering::Relaxed) && self.0.here.is_certain(py) || self.look_here(py)
    }

    #[inline(never)]
    fn look_here(&self, py: Python<'_>) -> bool {
        let handles = self.settled(py);
        let is_here = handles.is_here(py);
        if is_here {
            self.0.here.note(py, &handles);
        }
        is_here
    }

    /// Queues a job for the loop's next round.
    pub(crate) fn call(&self, job: Job) {
        if self.0.is_forgotten.load(Ordering::Relaxed) {
            // Dropping the job releases the threads that wait for it.
            return;
        }
        lock(&self.0.queue).push_back(job);
        if self.0.is_closed.load(Ordering::Relaxed) {
            return;
        }
        if !self.0.called.swap(true, Ordering::AcqRel) && !self.wake() {
            gil::attach(|py| self.ask(py));
        }
    }

    /// Wakes the loop without the GIL, if possible.
    fn wake(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(Some(wakeup_fd)) = self.handles().wakeup_fd.get() {
            return wakeup_fd.wake();
        }
        false
    }

    /// Lets other threads wake the loop, which runs on this thread, without the GIL.
    #[cfg(target_os = "linux")]
    fn register_wakeup_fd(&self, py: Python<'_>) {
        let handles = self.handles();
        match handles.wakeup_fd.get() {
            Some(known) => known.iter().for_each(wakeup_fd::WakeupFd::note_thread),
            None if self.is_driven() => {}
            None => {
                let made = wakeup_fd::WakeupFd::register(py, self, &handles);
                let _ = handles.wakeup_fd.set(made);
            }
        }
    }

    /// Asks the loop to process the queue.
    fn ask(&self, py: Python<'_>) {
        let is_here = self.is_here(py);
        let handles = self.handles();
        let how = if is_here {
            &handles.call_soon
        } else {
            &handles.call_soon_threadsafe
        };
        // If it was asked twice, it finds an empty queue the second time.
        let asked = interrupt::through(py, || match how.bind(py).call1((Pump::new(py, self)?,)) {
            Ok(_) => Ok(true),
            Err(_) if handles.is_closed(py) => Ok(false),
            Err(error) => Err(error),
        });
        match asked {
            Ok(true) => {}
            Ok(false) => self.closed(py),
            Err(error) => error.write_unraisable(py, Some(handles.object.bind(py))),
        }
    }

    /// Runs a future on the loop.
    pub(crate) fn run(&self, future: impl Future<Output = ()> + Send + 'static) {
        Running::start(self, Box::pin(future));
    }

    /// Notes that a thread waits for the current job, and will probably request another.
    pub(crate) fn is_awaited(&self) {
        self.0.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Processes the queue on the loop's thread. After a job that a thread waited for, it spins for a moment before it
    /// returns to the loop: the thread will probably emit again, and waking this thread takes longer than most jobs.
    fn serve(&self, py: Python<'_>) -> PyResult<()> {
        const TURNS: usize = 100;
        const PATIENCE: Duration = Duration::from_micros(30);
        for turn in 1..=TURNS {
            self.run_queue(py)?;
            parallel::send_held_on_loop();
            let is_awaited = self.0.is_awaited.swap(false, Ordering::Relaxed);
            // At the program's end, this thread may not get the GIL again.
            let is_over = interpreter::ends_elsewhere();
            if !is_awaited || is_over || !is_parallel() || self.is_driven() {
                return Ok(());
            }
            // From here on, other threads need not wake the loop.
            if self.0.called.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            if turn == TURNS {
                // Give way to other callbacks on the loop.
                self.ask(py);
                return Ok(());
            }
            gil::detach(py, || {
                let begin = Instant::now();
                while lock(&self.0.queue).is_empty() && begin.elapsed() < PATIENCE {
                    std::hint::spin_loop();
                }
            });
        }
        Ok(())
    }

    /// Makes the asyncio loop, which runs on this thread, wait for its pipelines at its end.
    pub(crate) fn watch(&self, py: Python<'_>) -> PyResult<()> {
        if !self.0.is_watched.swap(true, Ordering::Relaxed) && !self.is_driven() {
            let object = self.object(py);
            interrupt::through(py, || upcalls::STREAMS.call(py, "watch_loop", (&object,)))?;
        }
        Ok(())
    }

    fn run_queue(&self, py: Python<'_>) -> PyResult<()> {
        self.0.has_run.store(true, Ordering::Relaxed);
        self.watch(py)?;
        #[cfg(target_os = "linux")]
        self.register_wakeup_fd(py);
        self.0.called.store(false, Ordering::Release);
        let mut jobs = std::mem::take(&mut *lock(&self.0.queue));
        while let Some(job) = jobs.pop_front() {
            if let Err(error) = job(py) {
                // The remaining jobs must run all the same.
                for job in jobs {
                    self.call(job);
                }
                return Err(error);
            }
        }
        self.call_alarms(py)
    }

    /// Calls the due alarms, and requests a call from the loop for the next one.
    fn call_alarms(&self, py: Python<'_>) -> PyResult<()> {
        if lock(&self.0.alarms).is_empty() {
            return Ok(());
        }
        let now = self.time(py);
        loop {
            let due = lock(&self.0.alarms).pop_due(now);
            match due {
                Some(alarm) => alarm(),
                None => break,
            }
        }
        interrupt::check()?;
        let next = lock(&self.0.alarms).next_to_arm();
        if let Some(at) = next {
            let handles = self.handles();
            interrupt::through(py, || {
                let pump = Pump::new(py, self)?;
                handles.call_at.bind(py).call1((seconds_from(at), pump))
            })?;
        }
        interrupt::check()
    }

    fn time(&self, py: Python<'_>) -> Duration {
        let handles = self.settled(py);
        let clock = handles.clock.bind(py);
        interrupt::through(py, || clock.call0()?.extract::<f64>())
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .unwrap_or_default()
    }
}

impl Runtime for EventLoop {
    fn now(&self) -> Duration {
        gil::attach(|py| self.time(py))
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        if self.0.is_forgotten.load(Ordering::Relaxed) {
            return;
        }
        lock(&self.0.alarms).push(at, alarm);
        // Alarms are checked after the queue has been processed.
        self.call(Box::new(|_| Ok(())));
    }

    fn spawn(&self, task: Task) {
        Running::start(self, task);
    }

    fn caller_context(&self) -> CallerContext {
        let context = gil::attach(CallContext::current);
        context.map_or_else(|_| CallerContext::default(), CallerContext::from)
    }

    fn is_current(&self) -> bool {
        gil::attach(|py| self.is_here(py))
    }

    /// Functions run on the loop's thread while the loop runs. A virtual clock's loop has no thread: whoever waits runs
    /// it.
    fn is_exclusive(&self) -> bool {
        !self.is_driven() && gil::attach(|py| self.is_running(py))
    }

    fn is_real_time(&self) -> bool {
        !self.is_driven()
    }

    fn identity(&self) -> usize {
        self.identity_of_loop()
    }
}

/// Whether another processor can run a thread while this one spins.
pub(crate) fn is_parallel() -> bool {
    static IS_PARALLEL: LazyLock<bool> = LazyLock::new(|| {
        std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1)
    });
    *IS_PARALLEL
}

/// The earliest float of seconds that is not before `at`: far from zero, floats are further apart than nanoseconds.
fn seconds_from(at: Duration) -> f64 {
    let seconds = at.as_secs_f64();
    match Duration::try_from_secs_f64(seconds) {
        Ok(rounded) if rounded < at => seconds.next_up(),
        _ => seconds,
    }
}
