//! Running something on an event loop's thread, and waiting for it on another thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use thalweg::CurrentCall;
use thalweg_tasks::{host, parallel};

use crate::emission::{self, Completion, GivenUp};
use crate::event_loop::{self, EventLoop, is_parallel};
use crate::lock::lock;
use crate::{contention, failure, gil, interpreter, interrupt};

/// Interval at which a waiting thread checks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// Time after the limit of an operation in which the loop may end it, unless a function blocks the loop.
const GRACE: Duration = Duration::from_millis(250);

/// An operation begun on the loop.
pub(crate) enum Begun {
    Emit(thalweg::Emit),
    /// Several emissions, or one with a time limit.
    Batch(Completion),
    Other(Completion),
}

/// Begins an operation on the loop's thread, and blocks this thread, without the GIL, until it is done. If this thread
/// gives up, the operation is not begun, or its elements that have not been taken are withdrawn.
///
/// # Errors
/// Elements failed; a signal handler raised, for Ctrl-C say; or the loop has ended.
pub(crate) fn wait(
    py: Python<'_>,
    event_loop: &EventLoop,
    begin: impl FnOnce() -> Begun + Send + 'static,
) -> PyResult<()> {
    interpreter::check_running()?;
    let answer = post(event_loop, begin);
    let waited = wait_for(py, event_loop, &answer);
    if waited.is_err() {
        answer.give_up();
    }
    waited
}

fn wait_for(py: Python<'_>, event_loop: &EventLoop, answer: &Answer) -> PyResult<()> {
    interrupt::check()?;
    parallel::send_held();
    if event_loop.is_driven() {
        return event_loop.drive(py, || answer.take());
    }
    // Nothing else depends on this thread.
    let is_alone =
        event_loop::running(py)?.is_none() && !thalweg::is_inside_pipeline() && !host::runs_task();
    let mut is_first = true;
    let begin = Instant::now();
    let mut waiting = Waiting::new();
    loop {
        let look = std::mem::take(&mut is_first);
        let found = gil::detach(py, || {
            if look {
                answer.look();
            }
            let found = answer.wait(waiting.limit());
            if is_alone && interpreter::ends_elsewhere() {
                // The interpreter is being torn down: see `gil::detach`.
                interpreter::park();
            }
            found
        });
        if let Some(result) = found {
            return result;
        }
        waiting.goes_on();
        py.check_signals()?;
        event_loop.check_open(py)?;
        let has_begun = answer.has_begun();
        if !has_begun {
            contention::look_at_loop(py, begin.elapsed(), event_loop)?;
        }
        let grace = if has_begun { GRACE } else { Duration::ZERO };
        if let Some(error) = contention::timed_out(grace).filter(|_| has_begun || answer.withdraw())
        {
            return Err(error);
        }
    }
}

/// Blocks this thread, without the GIL, until its own element has been taken.
///
/// # Errors
/// Elements failed; a signal handler raised, and the element is withdrawn; or the loop has ended.
pub(crate) fn wait_for_emit(
    py: Python<'_>,
    event_loop: &EventLoop,
    mut emit: thalweg::Emit,
) -> PyResult<()> {
    interrupt::check()?;
    parallel::send_held();
    let parker = Arc::new(Parker {
        thread: std::thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(parker.clone());
    let is_alone = event_loop::running(py)?.is_none() && !host::runs_task();
    let mut waiting = Waiting::new();
    loop {
        if let Poll::Ready(result) = Pin::new(&mut emit).poll(&mut Context::from_waker(&waker)) {
            interrupt::check()?;
            return result.map_err(|error| failure::raise(py, &error));
        }
        let is_woken = gil::detach(py, || {
            let is_woken = parker.wait(waiting.limit());
            if is_alone && interpreter::ends_elsewhere() {
                interpreter::park();
            }
            is_woken
        });
        if !is_woken {
            waiting.goes_on();
            py.check_signals()?;
            event_loop.check_open(py)?;
        }
    }
}

/// A thread's wait. After a moment of waiting, a task lets another one run in its place: the awaited work may need its
/// thread.
struct Waiting {
    is_long: bool,
    aside: Option<host::Aside>,
}

impl Waiting {
    fn new() -> Self {
        Self {
            is_long: !host::runs_task(),
            aside: None,
        }
    }

    /// Time until the next check for signals and the time limit.
    fn limit(&self) -> Duration {
        let look = if self.is_long { LOOK } else { host::MOMENT };
        match contention::time_left() {
            Some(left) if !left.is_zero() => look.min(left),
            _ => look,
        }
    }

    /// Notes that a wait has timed out.
    fn goes_on(&mut self) {
        self.is_long = true;
        if self.aside.is_none() {
            // Again, if the system had no thread before.
            self.aside = host::aside();
        }
    }
}

/// Wakes a thread that waits for its element.
struct Parker {
    thread: std::thread::Thread,
    is_woken: AtomicBool,
}

impl Parker {
    /// Waits for a while; returns whether it was woken. Spins before it sleeps, see `SPIN`.
    fn wait(&self, limit: Duration) -> bool {
        let begin = Instant::now();
        loop {
            if self.is_woken.swap(false, Ordering::Acquire) {
                return true;
            }
            let waited = begin.elapsed();
            if waited >= limit {
                return false;
            }
            if is_parallel() && waited < SPIN {
                std::hint::spin_loop();
            } else {
                std::thread::park_timeout(limit - waited);
            }
        }
    }
}

impl std::task::Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Begins an operation on the loop's thread; returns an awaitable for any loop.
///
/// # Errors
/// The interpreter is ending.
pub(crate) fn across(
    event_loop: &EventLoop,
    begin: impl FnOnce() -> Begun + Send + 'static,
) -> PyResult<CrossThread> {
    interpreter::check_running()?;
    let answer = post(event_loop, begin);
    interrupt::check()?;
    Ok(CrossThread {
        answer,
        is_polled: false,
    })
}

/// Queues an operation for the loop's thread, which stores the result in the returned answer.
fn post(event_loop: &EventLoop, begin: impl FnOnce() -> Begun + Send + 'static) -> Arc<Answer> {
    let answer = Arc::new(Answer::default());
    let promise = Promise(Some(answer.clone()));
    let runs = event_loop.clone();
    // A pipeline function running on an engine must not wait for what comes back to it.
    let call = CurrentCall::get();
    event_loop.call(Box::new(move |py| {
        if !promise.begin() {
            return Ok(());
        }
        runs.is_awaited();
        let completion = match begin() {
            Begun::Emit(emit) if emit.is_ready() => {
                promise.keep(emission::finished(py, emit));
                return Ok(());
            }
            Begun::Emit(emit) => (Box::pin(emit) as Completion, promise.given_up()),
            Begun::Batch(all) => (all, promise.given_up()),
            Begun::Other(completion) => (completion, GivenUp::default()),
        };
        let (completion, given_up) = completion;
        let completion: Completion = match call {
            Some(call) => Box::pin(call.scope(completion)),
            None => completion,
        };
        runs.run(async move {
            let Some(result) = given_up.or(completion).await else {
                return;
            };
            promise.keep(gil::attach(|py| {
                result.map_err(|error| failure::raise(py, &error))
            }));
        });
        Ok(())
    }));
    answer
}

/// How long a thread spins for its answer before it sleeps: if nothing has to wait, the answer arrives sooner than a
/// sleeping thread could be woken.
const SPIN: Duration = Duration::from_micros(60);

/// The awaited result.
#[derive(Default)]
struct Answer {
    result: Mutex<(Option<PyResult<()>>, Option<Waker>)>,
    is_ready: AtomicBool,
    /// Whether the waiting coroutine has been cancelled.
    given_up: GivenUp,
    arrived: Condvar,
    /// What has become of the operation: `QUEUED`, `BEGUN` or `WITHDRAWN`.
    operation: AtomicU8,
}

const QUEUED: u8 = 0;
const BEGUN: u8 = 1;
const WITHDRAWN: u8 = 2;

impl Answer {
    /// Withdraws the operation, or its elements that have not been taken.
    fn give_up(&self) {
        self.withdraw();
        self.given_up.give_up();
    }

    /// Withdraws the operation, unless the loop has begun it; returns whether it is withdrawn now.
    fn withdraw(&self) -> bool {
        self.becomes(WITHDRAWN)
    }

    /// Marks a queued operation; returns whether it was queued.
    fn becomes(&self, state: u8) -> bool {
        let (relaxed, operation) = (Ordering::Relaxed, &self.operation);
        operation
            .compare_exchange(QUEUED, state, relaxed, relaxed)
            .is_ok()
    }

    fn has_begun(&self) -> bool {
        self.operation.load(Ordering::Relaxed) == BEGUN
    }

    fn take(&self) -> Option<PyResult<()>> {
        lock(&self.result).0.take()
    }

    /// Spins for about as long as waking a thread takes.
    fn look(&self) {
        if !is_parallel() {
            return;
        }
        let begin = Instant::now();
        while !self.is_ready.load(Ordering::Acquire) && begin.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    }

    /// Sleeps for a while.
    fn wait(&self, limit: Duration) -> Option<PyResult<()>> {
        let result = lock(&self.result);
        let (mut result, _) = self
            .arrived
            .wait_timeout_while(result, limit, |(result, _)| result.is_none())
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        result.0.take()
    }

    fn give(&self, given: PyResult<()>) {
        let mut result = lock(&self.result);
        result.0 = Some(given);
        let waker = result.1.take();
        drop(result);
        self.is_ready.store(true, Ordering::Release);
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The result of an operation on the loop of another thread, as a future.
pub(crate) struct CrossThread {
    answer: Arc<Answer>,
    /// Whether it has been polled.
    is_polled: bool,
}

impl CrossThread {
    pub(crate) fn is_ready(&self) -> bool {
        self.answer.is_ready.load(Ordering::Acquire)
    }
}

/// Gives up the wait: elements that have not been taken are withdrawn.
impl Drop for CrossThread {
    fn drop(&mut self) {
        if self.is_polled && !self.is_ready() {
            self.answer.give_up();
        }
    }
}

impl Future for CrossThread {
    type Output = PyResult<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.is_polled = true;
        let mut result = lock(&self.answer.result);
        match result.0.take() {
            Some(result) => Poll::Ready(result),
            None => {
                result.1 = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// The sending side: gives an answer even when it is dropped.
struct Promise(Option<Arc<Answer>>);

impl Promise {
    /// Records that the operation begins; returns whether it is still wanted.
    fn begin(&self) -> bool {
        let answer = self.0.as_ref();
        answer.is_none_or(|answer| answer.becomes(BEGUN))
    }

    fn given_up(&self) -> GivenUp {
        let answer = self.0.as_ref();
        answer.map_or_else(GivenUp::default, |answer| answer.given_up.clone())
    }

    fn keep(mut self, result: PyResult<()>) {
        if let Some(answer) = self.0.take() {
            answer.give(result);
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(answer) = self.0.take() {
            answer.give(Err(PyRuntimeError::new_err(
                "the event loop ended before the element had been taken everywhere",
            )));
        }
    }
}
