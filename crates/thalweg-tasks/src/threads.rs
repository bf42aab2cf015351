//! Workers that are threads of this process.

mod handles;

use crate::engine::TaskEngine;
use crate::history::RunOutcome;
use crate::place::{self, Place};
use crate::scheduler::{Assignment, WorkerId};
use crate::slot::Slot;
use crate::sync::{Mutex, lock};
use crate::task_types::TaskTypes;
use handles::Handles;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Instant;

/// The loop of a thread that runs tasks.
pub trait Work<W: TaskTypes>: Send + Sync + 'static {
    /// Runs tasks as long as [`ThreadPool::take`] returns any: it waits for one. [`ThreadPool::finish`] takes one back
    /// and returns the next, if there is one without waiting.
    fn work(&self, pool: &Arc<ThreadPool<W>>);
}

/// Threads started at once. Others are started when tasks need them.
const AT_ONCE: usize = 64;

/// A pool of threads that run tasks.
pub struct ThreadPool<W: TaskTypes> {
    engine: Arc<TaskEngine<W>>,
    worker: WorkerId,
    work: Box<dyn Work<W>>,
    /// Number of threads that should end when they can.
    surplus: AtomicUsize,
    threads: Mutex<Handles>,
    started: AtomicUsize,
    /// Number of threads yet to be started when tasks need them.
    missing: AtomicUsize,
    /// Number of threads that wait for a task, or are about to.
    spare: AtomicUsize,
}

impl<W: TaskTypes> fmt::Debug for ThreadPool<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadPool")
            .field("worker", &self.worker)
            .field("surplus", &self.surplus)
            .field("started", &self.started)
            .field("missing", &self.missing)
            .field("spare", &self.spare)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// This thread's number in its pool.
    static NUMBER: Cell<usize> = const { Cell::new(0) };
    static TOKEN: RefCell<Option<Token>> = const { RefCell::new(None) };
}

/// This thread's number in its pool; 0 outside of a pool.
pub(crate) fn number() -> usize {
    NUMBER.get()
}

impl<W: TaskTypes> ThreadPool<W> {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system cannot start a thread.
    pub fn start(
        engine: &Arc<TaskEngine<W>>,
        count: usize,
        resources: Vec<(Box<str>, f64)>,
        work: impl Work<W>,
    ) -> io::Result<Arc<Self>> {
        let pool = Arc::new(Self {
            engine: engine.clone(),
            worker: engine.add_worker(resources),
            work: Box::new(work),
            surplus: AtomicUsize::new(0),
            threads: Mutex::new(Handles::default()),
            started: AtomicUsize::new(0),
            missing: AtomicUsize::new(count.saturating_sub(AT_ONCE)),
            spare: AtomicUsize::new(0),
        });
        for _ in 0..count.min(AT_ONCE) {
            pool.add_thread()?;
        }
        Ok(pool)
    }

    /// Starts another thread if none waits for a task, up to the limit.
    fn grow(self: &Arc<Self>) {
        if self.spare.fetch_sub(1, Ordering::Relaxed) > 1 || !one_less(&self.missing) {
            return;
        }
        if self.add_thread().is_err() {
            // The system cannot start one now; it may later.
            self.missing.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn add_thread(self: &Arc<Self>) -> io::Result<()> {
        let pool = self.clone();
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        self.spare.fetch_add(1, Ordering::Relaxed);
        let thread = crate::stack::thread(format!("thalweg-worker-{number}")).spawn(move || {
            NUMBER.set(number);
            pool.run();
        });
        let thread = thread.inspect_err(|_| self.has_one_spare_less())?;
        lock(&self.threads).add(thread);
        Ok(())
    }

    fn has_one_spare_less(&self) {
        self.spare.fetch_sub(1, Ordering::Relaxed);
    }

    fn run(self: Arc<Self>) {
        let _occupied = place::occupy(self.clone());
        self.work.work(&self);
    }

    /// Whether this thread is the one to end.
    fn leaves(&self) -> bool {
        one_less(&self.surplus)
    }

    fn is_surplus(&self) -> bool {
        self.surplus.load(Ordering::Relaxed) > 0
    }

    /// The engine of the pool.
    pub fn engine(&self) -> &Arc<TaskEngine<W>> {
        &self.engine
    }

    /// Waits for a task. There is none when the thread is to end.
    pub fn take(self: &Arc<Self>) -> Option<Assignment<W>> {
        let assignment = match self.leaves() {
            true => None,
            false => self.engine.take(self.worker, || !self.leaves()),
        };
        match &assignment {
            Some(assignment) => {
                self.grow();
                self.note_beginning(assignment);
            }
            None => self.has_one_spare_less(),
        }
        assignment
    }

    /// Whether a task may be ready. Another thread may take it meanwhile.
    pub fn may_have_ready(&self) -> bool {
        self.engine.may_have_ready()
    }

    /// Takes a finished task back, and returns the next for this thread, if there is one.
    pub fn finish(
        &self,
        assignment: Assignment<W>,
        result: Result<W::Value, W::Error>,
        deferred: &mut crate::scheduler::Deferred<W>,
    ) -> Option<Assignment<W>> {
        place::note_end();
        if self.engine.history.is_on() {
            self.note_end(result.is_ok());
        }
        let worker = (!self.is_surplus()).then_some(self.worker);
        let result = result.map(crate::scheduler::Output::Inline);
        let next = self.engine.finish(assignment, result, worker, deferred);
        match &next {
            Some(next) => self.note_beginning(next),
            None => {
                self.spare.fetch_add(1, Ordering::Relaxed);
            }
        }
        next
    }

    /// Records a starting task, if runs are being recorded.
    #[inline]
    fn note_beginning(&self, assignment: &Assignment<W>) {
        if self.engine.history.is_on() {
            self.write_beginning(assignment);
        }
    }

    #[cold]
    #[inline(never)]
    fn write_beginning(&self, assignment: &Assignment<W>) {
        let (label, key) = (assignment.label(), assignment.key());
        self.engine
            .history
            .begin(NUMBER.get(), label, key, Instant::now());
    }

    #[cold]
    #[inline(never)]
    fn note_end(&self, is_done: bool) {
        let outcome = if is_done {
            RunOutcome::Done
        } else {
            RunOutcome::Failed
        };
        self.engine
            .history
            .end(NUMBER.get(), outcome, Instant::now());
    }

    /// Whether all threads have ended.
    pub fn has_gone(&self) -> bool {
        lock(&self.threads).are_finished()
    }

    /// Waits until all threads have ended, except the calling one. The engine has to be closed.
    pub fn join(&self) {
        if self.engine.owner_elsewhere().is_some() {
            return;
        }
        loop {
            let next = lock(&self.threads).pop();
            let Some(thread) = next else { return };
            if thread.thread().id() != thread::current().id() {
                // A thread that panicked has ended as well.
                let _ = thread.join();
            }
        }
    }
}

impl<W: TaskTypes> Place for Arc<ThreadPool<W>> {
    fn give(&self) -> io::Result<()> {
        self.add_thread()
    }

    fn take_back(&self) {
        self.surplus.fetch_add(1, Ordering::Relaxed);
        self.engine.wake_all();
        lock(&self.threads).note_change();
    }
}

/// Decrements a counter, unless it is zero.
fn one_less(number: &AtomicUsize) -> bool {
    let one_less = |number: usize| number.checked_sub(1);
    number
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        .is_ok()
}

/// Tells a task whether it is still wanted.
///
/// A thread cannot be killed: a long task checks its token now and then, and ends.
///
/// ```
/// use thalweg_tasks::{Client, token};
/// use std::sync::mpsc;
///
/// let client = Client::threads(1)?;
/// let (begun, begins) = mpsc::channel();
/// let (ended, ends) = mpsc::channel();
/// let task = client.submit(move || {
///     begun.send(()).unwrap();
///     while !token().is_cancelled() {
///         std::thread::yield_now();
///     }
///     ended.send(()).unwrap();
/// });
/// begins.recv()?;
/// task.cancel();
/// ends.recv()?;
/// assert!(task.is_cancelled());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct Token(Option<Weak<dyn IsWanted>>);

trait IsWanted: Send + Sync {
    fn is_wanted(&self) -> bool;
}

impl<W: TaskTypes> IsWanted for Slot<W> {
    fn is_wanted(&self) -> bool {
        !self.is_done() && !self.is_asked_to_stop()
    }
}

impl Token {
    /// The token of a task given to a worker.
    pub fn of<W: TaskTypes>(assignment: &Assignment<W>) -> Self {
        let slot = assignment.slot.clone();
        Self(Some(slot))
    }

    /// Whether it is that of a task.
    pub fn is_task(&self) -> bool {
        self.0.is_some()
    }

    /// Whether it is that of the task with this slot.
    pub(crate) fn is_of<W: TaskTypes>(&self, slot: &Arc<Slot<W>>) -> bool {
        let mine = self.0.as_ref().map(|mine| mine.as_ptr().cast::<()>());
        mine == Some(Arc::as_ptr(slot).cast::<()>())
    }

    /// Whether the task has been cancelled, has exceeded its time limit, or is not wanted any more. Always false
    /// outside of a task.
    pub fn is_cancelled(&self) -> bool {
        let token = self.0.as_ref();
        token.is_some_and(|slot| slot.upgrade().is_none_or(|slot| !slot.is_wanted()))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}

/// The token of the task that runs on this thread. See [`Token`].
pub fn token() -> Token {
    TOKEN.with_borrow(|token| token.clone().unwrap_or_default())
}

/// Runs `f` as the body of the task.
pub fn as_task<R>(token: Token, f: impl FnOnce() -> R) -> R {
    /// Restores the former token, also when the task panics.
    struct Before(Option<Token>);
    impl Drop for Before {
        fn drop(&mut self) {
            TOKEN.set(self.0.take());
        }
    }
    let _before = Before(TOKEN.replace(Some(token)));
    f()
}
