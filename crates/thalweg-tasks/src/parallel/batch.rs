//! Batches of elements for other processes.

use super::part::{Line, Outcome, Part, Steps};
use super::queue::Queue;
use super::strand::{Call, Strand};
use super::trace::StepTrace;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// An engine whose workers are other processes: it takes batches of elements, and returns results.
pub trait BatchEngine<S: Steps>: Send + Sync + 'static {
    /// Number of batches that run at a time.
    fn width(&self) -> usize;

    /// Approximate size of a value when it is sent, in bytes.
    fn size_of(&self, value: &S::Value) -> usize;

    /// Sends a batch. It is [settled](Batch::settle) later, or [lost](Batch::lose); a dropped batch is lost.
    fn send(&self, batch: Batch<S>);

    /// Failure of elements that are lost without a reason.
    fn lost(&self) -> S::Failure;
}

/// Maximum size of a batch in bytes, unless it is a single element.
pub(super) const LARGEST: usize = 1 << 20;

/// Elements that are sent to a worker together.
pub struct Batch<S: Steps> {
    queue: Arc<Queue<S>>,
    content: Content<S>,
    sent: Instant,
}

impl<S: Steps> fmt::Debug for Batch<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch").finish_non_exhaustive()
    }
}

/// Contents of a batch, and the parts that receive the results.
pub(super) enum Content<S: Steps> {
    /// Elements that go through steps, each with the parts whose outcomes are wanted.
    Lines(Vec<(Line<S>, Wanted, Trace)>),
    /// Elements that a state is folded over.
    Fold(Arc<Strand<S>>, Vec<Folded<S>>),
    /// One call with a time limit.
    Call(Arc<Call<S>>),
    /// It has been settled.
    Empty,
}

/// Whether the outcome of each step is wanted, the last first. For most elements only the last is.
type Wanted = smallvec::SmallVec<[bool; 2]>;

/// Traces of an element's steps.
type Trace = Option<Arc<dyn StepTrace>>;

/// An element to fold into a state.
pub(super) struct Folded<S: Steps> {
    pub(super) value: S::Value,
    pub(super) part: Part<S>,
    /// Whether the state is reset before it.
    pub(super) resets: bool,
    /// Its trace, if it is traced.
    pub(super) trace: Option<Arc<dyn StepTrace>>,
    /// Its trace, begun when the batch was assembled.
    pub(super) begun: Option<Arc<dyn StepTrace>>,
}

/// An element of a batch.
pub struct Trip<'a, S: Steps> {
    /// Its initial value.
    pub value: &'a S::Value,
    /// Whether the state is reset before it, in a batch with a state.
    pub resets: bool,
    /// Its trace, if it is traced.
    pub trace: Option<&'a Arc<dyn StepTrace>>,
    way: Way<'a, S>,
}

impl<S: Steps> fmt::Debug for Trip<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trip")
            .field("resets", &self.resets)
            .finish_non_exhaustive()
    }
}

enum Way<'a, S: Steps> {
    Line(&'a Line<S>, &'a Wanted),
    Step(&'a Arc<S::Step>),
    State,
}

impl<'a, S: Steps> Trip<'a, S> {
    /// The steps in order, and whether the outcome of each is wanted.
    pub fn for_each_step(&self, mut each: impl FnMut(&'a Arc<S::Step>, bool)) {
        match self.way {
            Way::Line(line, wanted) => {
                let steps = line.steps().zip(wanted.iter());
                steps.rev().for_each(|(step, wanted)| each(step, *wanted));
            }
            Way::Step(step) => each(step, true),
            Way::State => {}
        }
    }
}

impl<S: Steps> Batch<S> {
    pub(super) fn new(queue: &Arc<Queue<S>>, content: Content<S>) -> Self {
        Self {
            queue: queue.clone(),
            content,
            sent: Instant::now(),
        }
    }

    pub(super) fn of_lines(queue: &Arc<Queue<S>>, lines: Vec<Line<S>>) -> Self {
        let with_wanted = |mut line: Line<S>| {
            let wanted = line.wanted();
            let trace = line.begin_trace();
            (line, wanted, trace)
        };
        Self::new(
            queue,
            Content::Lines(lines.into_iter().map(with_wanted).collect()),
        )
    }

    /// Time limit of its only call; steps are then run once, and failures are handled here.
    pub fn limit(&self) -> Option<Duration> {
        match &self.content {
            Content::Call(call) => Some(call.limit),
            _ => None,
        }
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Lines(lines) => lines.len(),
            Content::Fold(_, elements) => elements.len(),
            Content::Call(_) => 1,
            Content::Empty => 0,
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the batch has a state.
    pub fn is_fold(&self) -> bool {
        matches!(self.content, Content::Fold(..))
    }

    /// Calls `with` with the state, if there is one.
    pub fn with_fold<R>(&self, with: impl FnOnce(&mut S::Fold) -> R) -> Option<R> {
        match &self.content {
            Content::Fold(strand, _) => Some(strand.with_fold(with)),
            _ => None,
        }
    }

    /// Calls `each` with every element.
    pub fn for_each<'a>(&'a self, mut each: impl FnMut(Trip<'a, S>)) {
        match &self.content {
            Content::Lines(lines) => {
                for (line, wanted, trace) in lines {
                    if let Some(value) = line.value() {
                        each(Trip {
                            value,
                            resets: false,
                            trace: trace.as_ref(),
                            way: Way::Line(line, wanted),
                        });
                    }
                }
            }
            Content::Fold(_, elements) => {
                for folded in elements {
                    each(Trip {
                        value: &folded.value,
                        resets: folded.resets,
                        trace: folded.begun.as_ref(),
                        way: Way::State,
                    });
                }
            }
            Content::Call(call) => each(Trip {
                value: &call.value,
                resets: false,
                trace: call.trace.as_ref(),
                way: Way::Step(&call.step),
            }),
            Content::Empty => {}
        }
    }

    /// Settles the batch: for each element the outcome of each wanted step, in order; and the seconds of work.
    pub fn settle(mut self, outcomes: impl IntoIterator<Item = Outcome<S>>, worked: f64) {
        let passed = self.sent.elapsed().as_secs_f64();
        let (queue, count) = (self.queue.clone(), self.len());
        let mut outcomes = outcomes.into_iter();
        let mut next = || {
            outcomes
                .next()
                .unwrap_or_else(|| Outcome::Failed(queue.lost()))
        };
        match std::mem::replace(&mut self.content, Content::Empty) {
            Content::Lines(lines) => {
                queue.back(count, Some((worked, passed)), || {
                    for (line, wanted, trace) in lines {
                        // Settled already.
                        drop(trace);
                        line.settle(&wanted, &mut next);
                    }
                });
            }
            Content::Fold(strand, elements) => {
                queue.apart(|| {
                    for Folded { part, begun, .. } in elements {
                        // Settled already.
                        drop(begun);
                        part.settle(next());
                    }
                    strand.came_back(&queue, Some((count, worked, passed)));
                });
            }
            Content::Call(call) => queue.apart(|| call.end(next())),
            Content::Empty => {}
        }
    }

    /// Loses the whole batch, which a user's function cannot cause by raising. Several elements are sent again, each
    /// alone; a single one has failed with this error.
    pub fn lose(mut self, failure: S::Failure) {
        self.lose_with(failure);
    }

    fn lose_with(&mut self, failure: S::Failure) {
        let (queue, count) = (self.queue.clone(), self.len());
        match std::mem::replace(&mut self.content, Content::Empty) {
            Content::Lines(mut lines) if lines.len() == 1 => queue.back(count, None, || {
                if let Some((line, ..)) = lines.pop() {
                    line.give_up(failure);
                }
            }),
            Content::Lines(lines) => queue.back(count, None, || {
                queue.send_alone(lines.into_iter().map(|(line, ..)| line));
            }),
            Content::Fold(strand, mut elements) => queue.apart(|| {
                if elements.len() == 1 {
                    if let Some(Folded { part, .. }) = elements.pop() {
                        part.settle(Outcome::Failed(failure));
                    }
                } else {
                    strand.take_back(elements);
                }
                strand.came_back(&queue, None);
            }),
            Content::Call(call) => queue.apart(|| call.end(Outcome::Failed(failure))),
            Content::Empty => {}
        }
    }
}

impl<S: Steps> Drop for Batch<S> {
    fn drop(&mut self) {
        if !matches!(self.content, Content::Empty) {
            S::enter(|| {
                let failure = self.queue.lost();
                self.lose_with(failure);
            });
        }
    }
}
