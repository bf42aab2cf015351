//! An asyncio event loop as the engine's runtime: its clock, its timers, and futures run on it.

mod alarms;
mod awaitable;
mod closing;
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
use thalweg::{Alarm, Runtime, RuntimeHandle, Task};
use thalweg_tasks::parallel;

use self::alarms::Alarms;
pub(crate) use self::awaitable::Awaited;
use self::handles::Handles;
pub(crate) use self::handles::running;
use self::here::Here;
pub(crate) use self::pump::Pump;
use self::task::Running;
use crate::lock::lock;
use crate::{gil, interpreter, interrupt, upcalls};

/// Something for the loop's thread to do.
pub(crate) type Job = Box<dyn FnOnce(Python<'_>) -> PyResult<()> + Send>;

/// An asyncio event loop. Everything asked of it is put into one queue, which one callback on the
/// loop works off: so that a thousand wake-ups cost the loop one.
#[derive(Clone)]
pub(crate) struct EventLoop(Arc<Shared>);

pub(super) struct Shared {
    handles: Mutex<Arc<Handles>>,
    here: Here,
    /// Whether the loop is only the one that is likely to run: the first that does takes its place.
    is_guess: AtomicBool,
    /// Whether it has ever run.
    has_run: AtomicBool,
    /// Whether the asyncio loop knows that pipelines are to be waited for at its end.
    is_watched: AtomicBool,
    /// Whether the loop has been closed: what it was asked for waits for another to take its place.
    is_closed: AtomicBool,
    /// Whether it has been closed, and nobody is left who could bring another.
    is_forgotten: AtomicBool,
    /// How many pipelines are on it.
    pipelines: AtomicUsize,
    /// Runs the loop for one round, if it does not run by itself.
    step: Option<Py<PyAny>>,
    queue: Mutex<VecDeque<Job>>,
    /// Whether the loop has been asked to work off the queue.
    called: AtomicBool,
    /// Whether a thread waits for what is being worked off.
    is_awaited: AtomicBool,
    alarms: Mutex<Alarms>,
}

static KNOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

impl EventLoop {
    /// The given asyncio loop: the same for everybody who asks.
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
        // Where there is a new loop, others may have ended without a word.
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

    /// The loop that is going to run, as far as can be told.
    pub(crate) fn guess(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let event_loop = Self::of(object)?;
        if !event_loop.0.has_run.load(Ordering::Relaxed) {
            event_loop.0.is_guess.store(true, Ordering::Relaxed);
        }
        Ok(event_loop)
    }

    /// Puts the running loop in the place of a guess.
    #[cold]
    fn settle(&self, py: Python<'_>) -> PyResult<()> {
        match handles::running(py)? {
            Some(running) => self.move_to(py, &running),
            None => Ok(()),
        }
    }

    /// A number of the asyncio loop's.
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

    /// The awaitable for an emission that has nothing to wait for.
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

    /// Whether whoever waits for the loop has to run it: a virtual clock's.
    pub(crate) fn is_driven(&self) -> bool {
        self.0.step.is_some()
    }

    /// Runs a loop that is driven until there is an answer.
    ///
    /// # Errors
    /// The answer, or that there will never be one, since nothing is left to happen.
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
    /// The loop has been closed: nothing waits on it any more.
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

    /// Whether the loop is running on this thread, right now.
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

    /// Has the loop do something in its next round.
    pub(crate) fn call(&self, job: Job) {
        if self.0.is_forgotten.load(Ordering::Relaxed) {
            // Dropping the job releases those who wait for it.
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

    /// Wakes the loop without the GIL, where that can be done.
    fn wake(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(Some(wakeup_fd)) = self.handles().wakeup_fd.get() {
            return wakeup_fd.wake();
        }
        false
    }

    /// Has others wake the loop, which runs on this thread, without the GIL.
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

    /// Asks the loop to work off the queue.
    fn ask(&self, py: Python<'_>) {
        let is_here = self.is_here(py);
        let handles = self.handles();
        let how = if is_here {
            &handles.call_soon
        } else {
            &handles.call_soon_threadsafe
        };
        // Asked twice, it finds nothing to do the second time.
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

    /// Says that a thread waits for what has been asked for: it may well ask for more at once.
    pub(crate) fn is_awaited(&self) {
        self.0.is_awaited.store(true, Ordering::Relaxed);
    }

    /// Works off what has been asked for, on the loop's thread. A thread that blocks for each of its
    /// elements is served without going to sleep in between: waking this thread takes longer than most
    /// of what it is woken for.
    fn serve(&self, py: Python<'_>) -> PyResult<()> {
        const TURNS: usize = 100;
        const PATIENCE: Duration = Duration::from_micros(30);
        for turn in 1..=TURNS {
            self.run_queue(py)?;
            parallel::send_held();
            let is_awaited = self.0.is_awaited.swap(false, Ordering::Relaxed);
            // When the program ends, this thread may not get the GIL back any more.
            let is_over = interpreter::ends_elsewhere();
            if !is_awaited || is_over || !is_parallel() || self.is_driven() {
                return Ok(());
            }
            // From here on whoever has something to do need not ask the loop for it.
            if self.0.called.swap(true, Ordering::AcqRel) {
                return Ok(());
            }
            if turn == TURNS {
                // Others on the loop have their turn.
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

    /// Has the asyncio loop, which runs on this thread, wait for its pipelines at its end.
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
                // What is left has to be done all the same.
                for job in jobs {
                    self.call(job);
                }
                return Err(error);
            }
        }
        self.call_alarms(py)
    }

    /// Calls the alarms that are due, and has the loop call when the next one is.
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
        // The alarms are looked at when the queue has been worked off.
        self.call(Box::new(|_| Ok(())));
    }

    fn spawn(&self, task: Task) {
        Running::start(self, task);
    }

    fn is_current(&self) -> bool {
        gil::attach(|py| self.is_here(py))
    }

    /// Functions are called on the loop, where it runs. A loop that is driven has no thread: whoever waits runs it.
    fn is_exclusive(&self) -> bool {
        !self.is_driven() && gil::attach(|py| self.is_running(py))
    }

    fn identity(&self) -> usize {
        self.identity_of_loop()
    }
}

/// Whether there is a processor for another thread while this one looks for something to do.
pub(crate) fn is_parallel() -> bool {
    static IS_PARALLEL: LazyLock<bool> = LazyLock::new(|| {
        std::thread::available_parallelism().is_ok_and(|threads| threads.get() > 1)
    });
    *IS_PARALLEL
}

/// The first time in seconds at which `at` has come: far from zero, floats lie further apart than
/// nanoseconds.
fn seconds_from(at: Duration) -> f64 {
    let seconds = at.as_secs_f64();
    match Duration::try_from_secs_f64(seconds) {
        Ok(rounded) if rounded < at => seconds.next_up(),
        _ => seconds,
    }
}
