//! States that go through elements in order, and calls that may take only so long.

use super::part::{Input, Outcome, Part, Steps};
use super::queue::{Job, Queue};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A state that goes through elements, one after the other, on the engine.
pub struct Strand<S: Steps> {
    waiting: Mutex<Waiting<S>>,
    /// Only who works off what waits takes it.
    fold: Mutex<S::Fold>,
}

struct Waiting<S: Steps> {
    elements: VecDeque<Element<S>>,
    /// Whether somebody works them off, or has been asked to.
    is_busy: bool,
    /// Whether the state is set back before the next element.
    resets: bool,
}

struct Element<S: Steps> {
    input: Input<S>,
    part: Part<S>,
    resets: bool,
}

impl<S: Steps> Strand<S> {
    /// A state at its beginning.
    pub fn new(fold: S::Fold) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::new(Waiting {
                elements: VecDeque::new(),
                is_busy: false,
                resets: false,
            }),
            fold: Mutex::new(fold),
        })
    }

    /// Sets the state back before the next element that comes.
    pub fn reset(&self) {
        lock(&self.waiting).resets = true;
    }

    /// What comes of the next element.
    pub fn push(self: &Arc<Self>, x: Part<S>) -> Part<S> {
        let queue = x.queue().clone();
        let input = x.into_input();
        if let Input::Part(x) = &input {
            x.launch();
        }
        let part = Part::busy(&queue);
        let mut waiting = lock(&self.waiting);
        let resets = std::mem::take(&mut waiting.resets);
        waiting.elements.push_back(Element {
            input,
            part: part.clone(),
            resets,
        });
        let is_idle = !std::mem::replace(&mut waiting.is_busy, true);
        drop(waiting);
        if is_idle {
            queue.push(Job::Strand(self.clone()));
        }
        part
    }

    /// Goes through the elements whose values are there.
    pub(super) fn run(self: Arc<Self>, queue: &Arc<Queue<S>>) {
        let mut fold = lock(&self.fold);
        loop {
            let mut waiting = lock(&self.waiting);
            let Some(element) = waiting.elements.pop_front() else {
                waiting.is_busy = false;
                return;
            };
            let outcome = match &element.input {
                Input::Value(value) => Outcome::Value(value.clone()),
                Input::Part(part) => match part.outcome() {
                    Some(outcome) => outcome,
                    None => {
                        let part = part.clone();
                        waiting.elements.push_front(element);
                        drop(waiting);
                        drop(fold);
                        let queue = queue.clone();
                        return part.when_settled(move || queue.push_first(Job::Strand(self)));
                    }
                },
            };
            drop(waiting);
            if element.resets {
                S::reset(&mut fold);
            }
            element.part.settle(match outcome {
                Outcome::Value(value) => S::fold(&mut fold, value),
                other => other,
            });
        }
    }

    /// Gives up what waits.
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
    /// What comes of this element by a step that may take only so long. It is done alone.
    pub fn then_within(self, step: Arc<S::Step>, limit: Duration) -> Self {
        let part = Self::busy(self.queue());
        let result = part.clone();
        self.launch();
        let source = self.clone();
        self.when_settled(move || match source.outcome() {
            Some(Outcome::Value(value)) => Call {
                part,
                step,
                value,
                limit,
                failed: 0,
            }
            .start(),
            Some(other) => part.settle(other),
            None => {}
        });
        result
    }
}

/// A call that may take only so long.
struct Call<S: Steps> {
    part: Part<S>,
    step: Arc<S::Step>,
    value: S::Value,
    limit: Duration,
    /// How often it has failed.
    failed: u32,
}

impl<S: Steps> Call<S> {
    fn start(self) {
        let queue = self.part.queue().clone();
        let call = Arc::new(self);
        // Whoever comes first says how it ends: the function, its time, or the end of the engine.
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
                let outcome = S::run(&called.step, called.value.clone());
                // What a function comes to that has been told to stop does not count.
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

    fn end(&self, outcome: Outcome<S>) {
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
            failed,
        };
        if pause.is_zero() {
            again.start();
        } else {
            self.part.queue().after(pause, move || again.start());
        }
    }
}
