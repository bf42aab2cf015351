//! Doing something on an event loop's thread, and waiting for it on another.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// How often a waiting thread looks whether it has been interrupted.
const LOOK: Duration = Duration::from_millis(50);

/// Something begun on the loop.
pub(crate) enum Begun {
    Emit(thalweg::Emit),
    /// Several emissions, or one that has a time limit.
    Batch(Completion),
    Other(Completion),
}

/// Begins something on the loop's thread, and blocks this one, without the GIL, until it is done. What has
/// not begun when this thread gives up does not begin any more, and elements that have not been taken are withdrawn.
///
/// # Errors
/// When elements failed; when a signal handler raised, for Ctrl-C say; or when the loop has ended.
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
    // Nobody else is served by this thread.
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
                // What comes now comes while the interpreter goes away: see `gil::detach`.
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
        if !answer.has_begun.load(Ordering::Relaxed) {
            contention::look_at_loop(py, begin.elapsed(), event_loop)?;
        }
    }
}

/// Blocks this thread, without the GIL, until an element that it has sent itself has been taken.
///
/// # Errors
/// When elements failed; when a signal handler raised, and the element is withdrawn; or when the loop has ended.
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

/// A thread's waiting. If it is a task that waits, another runs in its place after a moment: the work that it waits for
/// may need its thread.
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

    /// How long to wait until the next look.
    fn limit(&self) -> Duration {
        if self.is_long { LOOK } else { host::MOMENT }
    }

    /// It has been waited for so long in vain.
    fn goes_on(&mut self) {
        if !std::mem::replace(&mut self.is_long, true) {
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
    /// Waits for a while; whether it was woken. It looks for that before it sleeps, see `SPIN`.
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

/// Begins something on the loop's thread; returns what there is to await, on any loop.
///
/// # Errors
/// The interpreter is ending.
pub(crate) fn across(
    event_loop: &EventLoop,
    begin: impl FnOnce() -> Begun + Send + 'static,
) -> PyResult<Coming> {
    interpreter::check_running()?;
    let answer = post(event_loop, begin);
    interrupt::check()?;
    Ok(Coming {
        answer,
        is_polled: false,
    })
}

/// Has the loop's thread begin something, and give an answer when it is done.
fn post(event_loop: &EventLoop, begin: impl FnOnce() -> Begun + Send + 'static) -> Arc<Answer> {
    let answer = Arc::new(Answer::default());
    let promise = Promise(Some(answer.clone()));
    let runs = event_loop.clone();
    // A function of a pipeline's that runs on an engine may not wait for what comes back to it.
    let call = CurrentCall::get();
    event_loop.call(Box::new(move |py| {
        if promise.is_withdrawn() {
            return Ok(());
        }
        promise.begin();
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

/// How long a thread looks for its answer before it sleeps: where nothing has to wait, it comes sooner
/// than a thread that sleeps can be woken.
const SPIN: Duration = Duration::from_micros(60);

/// The result that a waiting thread waits for.
#[derive(Default)]
struct Answer {
    result: Mutex<(Option<PyResult<()>>, Option<Waker>)>,
    is_there: AtomicBool,
    /// Whether nobody wants it any more.
    is_withdrawn: AtomicBool,
    /// Whether whoever awaited it has given up.
    given_up: GivenUp,
    arrived: Condvar,
    /// Whether the loop has got to it.
    has_begun: AtomicBool,
}

impl Answer {
    /// Nobody waits any more.
    fn give_up(&self) {
        self.is_withdrawn.store(true, Ordering::Relaxed);
        self.given_up.give_up();
    }

    fn take(&self) -> Option<PyResult<()>> {
        lock(&self.result).0.take()
    }

    /// Looks for the answer without sleeping, for as long as it would take to be woken.
    fn look(&self) {
        if !is_parallel() {
            return;
        }
        let begin = Instant::now();
        while !self.is_there.load(Ordering::Acquire) && begin.elapsed() < SPIN {
            std::hint::spin_loop();
        }
    }

    /// Waits for a while.
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
        self.is_there.store(true, Ordering::Release);
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The answer as a future.
pub(crate) struct Coming {
    answer: Arc<Answer>,
    /// Whether anybody has waited.
    is_polled: bool,
}

impl Coming {
    pub(crate) fn is_there(&self) -> bool {
        self.answer.is_there.load(Ordering::Acquire)
    }
}

/// Gives up a wait: elements that have not been taken are withdrawn.
impl Drop for Coming {
    fn drop(&mut self) {
        if self.is_polled && !self.is_there() {
            self.answer.give_up();
        }
    }
}

impl Future for Coming {
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

/// The other end: it gives an answer whatever happens.
struct Promise(Option<Arc<Answer>>);

impl Promise {
    fn is_withdrawn(&self) -> bool {
        let answer = self.0.as_ref();
        answer.is_some_and(|answer| answer.is_withdrawn.load(Ordering::Relaxed))
    }

    fn begin(&self) {
        if let Some(answer) = &self.0 {
            answer.has_begun.store(true, Ordering::Relaxed);
        }
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
