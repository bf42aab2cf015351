//! States folded over elements in order, and calls with a time limit.

use super::batch::{BatchEngine, Content, Folded, LARGEST};
use super::pace::Pace;
use super::part::{Input, Outcome, Part, Steps};
use super::queue::{Job, Queue};
use super::trace::{StepTrace, traced};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A state that is folded over elements, one after the other, on the engine.
pub struct Strand<S: Steps> {
    waiting: Mutex<Waiting<S>>,
    /// Taken only by the processing thread.
    fold: Mutex<S::Fold>,
}

impl<S: Steps> fmt::Debug for Strand<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Strand").finish_non_exhaustive()
    }
}

struct Waiting<S: Steps> {
    elements: VecDeque<Element<S>>,
    /// Whether a thread processes the elements, or has been requested.
    is_busy: bool,
    /// Whether the state is reset before the next element.
    resets: bool,
    pace: Pace,
    /// How many of the next elements are sent alone, since a batch with them was lost.
    alone: usize,
}

struct Element<S: Steps> {
    input: Input<S>,
    part: Part<S>,
    resets: bool,
    /// Its trace, if it is traced.
    trace: Option<Arc<dyn StepTrace>>,
}

impl<S: Steps> Element<S> {
    /// Its outcome, or the part that it waits for.
    fn outcome(&self) -> Result<Outcome<S>, Part<S>> {
        match &self.input {
            Input::Value(value) => Ok(Outcome::Value(value.clone())),
            Input::Part(part) => part.outcome().ok_or_else(|| part.clone()),
        }
    }
}

impl<S: Steps> Waiting<S> {
    /// Resets the state before the next element, if `resets`.
    fn reset_next(&mut self, resets: bool) {
        match self.elements.front_mut() {
            Some(next) => next.resets |= resets,
            None => self.resets |= resets,
        }
    }
}

impl<S: Steps> Strand<S> {
    /// Creates a state with its initial value.
    pub fn new(fold: S::Fold) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::new(Waiting {
                elements: VecDeque::new(),
                is_busy: false,
                resets: false,
                pace: Pace::default(),
                alone: 0,
            }),
            fold: Mutex::new(fold),
        })
    }

    /// Resets the state before the next element that arrives.
    pub fn reset(&self) {
        lock(&self.waiting).resets = true;
    }

    /// The part of the next element.
    pub fn push(self: &Arc<Self>, x: Part<S>) -> Part<S> {
        let queue = x.queue().clone();
        let input = x.into_input();
        if let Input::Part(x) = &input {
            x.launch();
        }
        let part = Part::busy(&queue);
        let trace = S::trace();
        let mut waiting = lock(&self.waiting);
        let resets = std::mem::take(&mut waiting.resets);
        waiting.elements.push_back(Element {
            input,
            part: part.clone(),
            resets,
            trace,
        });
        let is_idle = !std::mem::replace(&mut waiting.is_busy, true);
        drop(waiting);
        if is_idle {
            queue.push(Job::Strand(self.clone()));
        }
        part
    }

    /// Processes the elements whose values are available.
    pub(super) fn run(self: Arc<Self>, queue: &Arc<Queue<S>>) {
        let mut fold = lock(&self.fold);
        loop {
            let mut waiting = lock(&self.waiting);
            let Some(element) = waiting.elements.pop_front() else {
                waiting.is_busy = false;
                return;
            };
            let outcome = match element.outcome() {
                Ok(outcome) => outcome,
                Err(part) => {
                    waiting.elements.push_front(element);
                    drop(waiting);
                    drop(fold);
                    return self.go_on_after(&part, queue);
                }
            };
            drop(waiting);
            if element.resets {
                S::reset(&mut fold);
            }
            element.part.settle(match outcome {
                Outcome::Value(value) => {
                    traced(element.trace.as_ref(), || S::fold(&mut fold, value))
                }
                other => other,
            });
        }
    }

    fn go_on_after(self: Arc<Self>, part: &Part<S>, queue: &Arc<Queue<S>>) {
        let queue = queue.clone();
        part.when_settled(move || queue.push_first(Job::Strand(self)));
    }

    /// Sends the elements whose values are available to another process.
    pub(super) fn ship(self: Arc<Self>, queue: &Arc<Queue<S>>, engine: &Arc<dyn BatchEngine<S>>) {
        let (ready, blocked_by) = loop {
            let (ready, blocked_by) = self.load(engine);
            let mut waiting = lock(&self.waiting);
            let is_busy = !ready.is_empty() || blocked_by.is_some();
            if is_busy || waiting.elements.is_empty() {
                waiting.alone = waiting.alone.saturating_sub(ready.len());
                waiting.is_busy = is_busy;
                break (ready, blocked_by);
            }
        };
        if !ready.is_empty() {
            queue.send_apart(Content::Fold(self, ready));
        } else if let Some(part) = blocked_by {
            self.go_on_after(&part, queue);
        }
    }

    /// Takes the next elements that may be sent together, and the part that they wait for.
    ///
    /// The size of a value is computed by user code, which must find no lock held: it may let other pushing threads
    /// run.
    fn load(&self, engine: &Arc<dyn BatchEngine<S>>) -> (Vec<Folded<S>>, Option<Part<S>>) {
        let (mut ready, mut bytes) = (Vec::new(), 0);
        let waiting = lock(&self.waiting);
        let room = match waiting.alone {
            0 => waiting.pace.at_most(),
            _ => 1,
        };
        drop(waiting);
        while ready.len() < room {
            let next = lock(&self.waiting).elements.pop_front();
            let Some(element) = next else { break };
            match element.outcome() {
                Err(part) => {
                    lock(&self.waiting).elements.push_front(element);
                    return (ready, Some(part));
                }
                Ok(Outcome::Value(value)) => {
                    bytes += engine.size_of(&value);
                    if bytes > LARGEST && !ready.is_empty() {
                        lock(&self.waiting).elements.push_front(element);
                        break;
                    }
                    let begun = element.trace.as_ref().and_then(|trace| trace.begin());
                    ready.push(Folded {
                        value,
                        part: element.part,
                        resets: element.resets,
                        trace: element.trace,
                        begun,
                    });
                }
                Ok(other) => {
                    lock(&self.waiting).reset_next(element.resets);
                    element.part.settle(other);
                }
            }
        }
        (ready, None)
    }

    /// Continues after a batch: `took` has its elements, seconds of work and seconds in flight; `None` if it was lost.
    pub(super) fn came_back(
        self: Arc<Self>,
        queue: &Arc<Queue<S>>,
        took: Option<(usize, f64, f64)>,
    ) {
        if let Some((elements, worked, passed)) = took {
            lock(&self.waiting).pace.learn(elements, worked, passed);
        }
        queue.push_first(Job::Strand(self));
    }

    /// Takes back the elements of a lost batch: each is sent alone.
    pub(super) fn take_back(&self, elements: Vec<Folded<S>>) {
        let mut waiting = lock(&self.waiting);
        waiting.alone += elements.len();
        for Folded {
            value,
            part,
            resets,
            trace,
            ..
        } in elements.into_iter().rev()
        {
            let input = Input::Value(value);
            waiting.elements.push_front(Element {
                input,
                part,
                resets,
                trace,
            });
        }
    }

    /// Calls `with` with the state.
    pub(super) fn with_fold<R>(&self, with: impl FnOnce(&mut S::Fold) -> R) -> R {
        with(&mut lock(&self.fold))
    }

    /// Gives up waiting elements.
    pub(super) fn fail(self: Arc<Self>, failure: &S::Failure) {
        let mut waiting = lock(&self.waiting);
        waiting.is_busy = false;
        let elements = std::mem::take(&mut waiting.elements);
        drop(waiting);
        for element in elements {
            element.part.settle(Outcome::Failed(failure.clone()));
        }
    }
}

impl<S: Steps> Part<S> {
    /// Creates a part that applies a step with a time limit to this element, as a separate task.
    pub fn then_within(self, step: Arc<S::Step>, limit: Duration) -> Self {
        let part = Self::busy(self.queue());
        let result = part.clone();
        let trace = S::trace();
        self.launch();
        let source = self.clone();
        self.when_settled(move || match source.outcome() {
            Some(Outcome::Value(value)) => Call {
                part,
                step,
                value,
                limit,
                trace,
                failed: 0,
            }
            .start(),
            Some(other) => part.settle(other),
            None => {}
        });
        result
    }
}

/// A call with a time limit.
pub(super) struct Call<S: Steps> {
    part: Part<S>,
    pub(super) step: Arc<S::Step>,
    pub(super) value: S::Value,
    pub(super) limit: Duration,
    /// What is told of it, if its element is traced.
    pub(super) trace: Option<Arc<dyn StepTrace>>,
    /// Number of failures.
    failed: u32,
}

impl<S: Steps> Call<S> {
    fn start(self) {
        let queue = self.part.queue().clone();
        let call = Arc::new(self);
        if queue.is_remote() {
            return queue.send_apart(Content::Call(call));
        }
        // The first of the function, the time limit and the end of the engine decides the outcome.
        let is_over = Arc::new(AtomicBool::new(false));
        let once = move |call: &Arc<Self>| {
            let (call, is_over) = (call.clone(), is_over.clone());
            move |outcome: Outcome<S>| {
                if !is_over.swap(true, Ordering::AcqRel) {
                    call.end(outcome);
                }
            }
        };
        let (run, over, lost) = (once(&call), once(&call), once(&call));
        let (called, timed) = (call.clone(), call.clone());
        queue.start_limited(
            call.limit,
            move || {
                let run_once = || S::run(&called.step, called.value.clone());
                let outcome = traced(called.trace.as_ref(), run_once);
                // The result of a function that has been told to stop does not count.
                if !crate::token().is_cancelled() {
                    run(outcome);
                }
            },
            move |lost| {
                S::enter(|| {
                    over(Outcome::Failed(lost.unwrap_or_else(|| {
                        S::timed_out(&timed.step, timed.value.clone(), timed.limit)
                    })));
                });
            },
            move |failure| lost(Outcome::Failed(failure)),
        );
    }

    pub(super) fn end(&self, outcome: Outcome<S>) {
        let Outcome::Failed(failure) = outcome else {
            return self.part.settle(outcome);
        };
        let failed = self.failed + 1;
        let Some(pause) = S::pause(&self.step, failed) else {
            return self.part.settle(S::give_up(&self.step, failure));
        };
        let again = Self {
            part: self.part.clone(),
            step: self.step.clone(),
            value: self.value.clone(),
            limit: self.limit,
            trace: self.trace.clone(),
            failed,
        };
        // A call that is lost at once is not retried recursively.
        if pause.is_zero() && !again.part.queue().is_remote() {
            again.start();
        } else {
            self.part.queue().after(pause, move || again.start());
        }
    }
}
