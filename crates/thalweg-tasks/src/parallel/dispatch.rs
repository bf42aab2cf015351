//! Sending elements to engines of other processes.

use super::batch::{Batch, BatchEngine, Content, LARGEST};
use super::held::{self, Holding};
use super::pace::Pace;
use super::part::{Line, Steps};
use super::pauses::Pauses;
use super::queue::{Job, Queue, Where};
use super::strand::Strand;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The batch to send next.
enum Next<S: Steps> {
    Strand(Arc<Strand<S>>),
    /// An element of a batch that was lost.
    Alone(Line<S>),
    /// Jobs to send together.
    Jobs(usize),
}

/// Elements held back although nothing is in flight, since more are likely to arrive at once.
#[derive(Default)]
struct Held {
    /// Number of times that elements have been held back.
    count: u64,
    is_holding: bool,
    /// Whether no more elements will arrive.
    is_all: bool,
    /// Whether a check is scheduled.
    is_watched: bool,
}

/// How long elements are held back at least.
const MOMENT: Duration = Duration::from_micros(500);

/// The same as a part of the time that a batch is in flight.
const PART: f64 = 0.2;

/// Elements in flight to other processes, and those that wait to be sent alone.
pub(super) struct Away<S: Steps> {
    batches: usize,
    elements: usize,
    pace: Pace,
    pauses: Arc<Pauses>,
    /// Whether a thread is sending: one does at a time, and sends what others add meanwhile.
    is_sending: bool,
    /// Number of batches being settled: elements that become ready are sent together afterwards.
    settling: usize,
    /// Elements of lost batches.
    alone: VecDeque<Line<S>>,
    held: Held,
    /// States that elements wait for.
    strands: Vec<Arc<Strand<S>>>,
}

impl<S: Steps> Default for Away<S> {
    fn default() -> Self {
        Self {
            batches: 0,
            elements: 0,
            pace: Pace::default(),
            pauses: Arc::default(),
            is_sending: false,
            settling: 0,
            alone: VecDeque::new(),
            held: Held::default(),
            strands: Vec::new(),
        }
    }
}

impl<S: Steps> Away<S> {
    /// Whether nothing is in flight, or waits to be sent alone.
    pub(super) fn is_idle(&self) -> bool {
        self.batches == 0 && self.alone.is_empty() && self.strands.is_empty()
    }

    /// Waiting calls.
    pub(super) fn pauses(&self) -> Arc<Pauses> {
        self.pauses.clone()
    }

    fn next(&mut self, waiting: usize, width: usize) -> Option<Next<S>> {
        if self.settling > 0 {
            return None;
        }
        if let Some(strand) = self.strands.pop() {
            return Some(Next::Strand(strand));
        }
        if self.batches < width
            && let Some(line) = self.alone.pop_front()
        {
            self.batches += 1;
            return Some(Next::Alone(line));
        }
        let is_all = std::mem::take(&mut self.held.is_all);
        let room = self
            .pace
            .room(waiting, self.batches, self.elements, width, is_all);
        let goes = room > 0;
        self.batches += usize::from(goes);
        let is_held = !goes && waiting > 0 && self.batches == 0;
        if is_held && !std::mem::replace(&mut self.held.is_holding, true) {
            self.held.count += 1;
        }
        self.held.is_holding = is_held;
        goes.then_some(Next::Jobs(room))
    }

    /// How long elements are held back, if nothing sends them before.
    fn moment(&self) -> Duration {
        MOMENT.max(self.pace.overhead().mul_f64(PART))
    }

    /// Schedules a check of held-back elements; returns how often elements have been held back, unless one is
    /// scheduled.
    fn watch(&mut self) -> Option<u64> {
        let is_new = self.held.is_holding && !std::mem::replace(&mut self.held.is_watched, true);
        is_new.then_some(self.held.count)
    }
}

impl<S: Steps> Queue<S> {
    /// Adds a job.
    pub(super) fn add_remote(
        self: &Arc<Self>,
        job: Job<S>,
        is_next: bool,
        engine: &Arc<dyn BatchEngine<S>>,
    ) {
        match job {
            Job::Strand(strand) => lock(&self.state).away.strands.push(strand),
            Job::Later(pause, call) => {
                let pauses = lock(&self.state).away.pauses();
                return pauses.call_after(pause, || S::enter(call));
            }
            job => lock(&self.state).add(job, is_next),
        }
        self.dispatch(engine);
    }

    /// Sends what may be sent.
    fn dispatch(self: &Arc<Self>, engine: &Arc<dyn BatchEngine<S>>) {
        let width = self.width();
        let mut is_mine = false;
        loop {
            let mut state = lock(&self.state);
            if state.away.is_sending && !is_mine {
                return;
            }
            let waiting = state.jobs.len();
            let next = state.away.next(waiting, width);
            is_mine = next.is_some();
            state.away.is_sending = is_mine;
            let lines = match next {
                None => {
                    let (is_holding, watched) = (state.away.held.is_holding, state.away.watch());
                    drop(state);
                    if is_holding {
                        held::note(self);
                    }
                    if let Some(count) = watched {
                        self.look_at_held(count);
                    }
                    return;
                }
                Some(next) => {
                    drop(state);
                    match next {
                        Next::Strand(strand) => {
                            strand.ship(self, engine);
                            continue;
                        }
                        Next::Alone(line) => vec![line],
                        Next::Jobs(room) => self.load(room, engine),
                    }
                }
            };
            let mut state = lock(&self.state);
            state.away.elements += lines.len();
            state.away.batches -= usize::from(lines.is_empty());
            drop(state);
            if !lines.is_empty() {
                engine.send(Batch::of_lines(self, lines));
            }
        }
    }

    /// Checks in a moment whether elements are still held back.
    fn look_at_held(self: &Arc<Self>, count: u64) {
        let queue = Arc::downgrade(self);
        let state = lock(&self.state);
        let (pauses, moment) = (state.away.pauses(), state.away.moment());
        drop(state);
        pauses.call_after(moment, move || {
            if let Some(queue) = queue.upgrade() {
                queue.send_if_held_since(count);
            }
        });
    }

    fn send_if_held_since(self: &Arc<Self>, count: u64) {
        let mut state = lock(&self.state);
        let away = &mut state.away;
        away.held.is_watched = away.held.count != count;
        let is_held = away.held.is_holding && away.held.count == count;
        if is_held {
            away.pace.forget_load();
        }
        let next = away.held.is_watched.then_some(away.held.count);
        drop(state);
        if is_held {
            S::enter(|| self.clone().send_held(false));
        } else if let Some(count) = next {
            self.look_at_held(count);
        }
    }

    /// Takes elements that may be sent together.
    fn load(self: &Arc<Self>, room: usize, engine: &Arc<dyn BatchEngine<S>>) -> Vec<Line<S>> {
        let mut lines: Vec<Line<S>> = Vec::with_capacity(room);
        let (mut bytes, mut is_full) = (0, false);
        while lines.len() < room {
            let job = lock(&self.state).jobs.pop_front();
            let line = match job {
                None => break,
                Some(Job::Part(part)) => Line::of(part).prepare(self),
                Some(Job::Line(line)) => line.prepare(self),
                // Those have not been put there.
                Some(Job::Strand(_) | Job::Later(..)) => None,
            };
            let Some(line) = line else { continue };
            bytes += line.value().map_or(0, |value| engine.size_of(value));
            if bytes > LARGEST && !lines.is_empty() {
                lock(&self.state).add(Job::Line(line), true);
                is_full = true;
                break;
            }
            lines.push(line);
        }
        lock(&self.state).away.pace.went(lines.len(), is_full);
        lines
    }

    /// Settles a batch. `took`: seconds of work, and seconds from sending to return.
    pub(super) fn back(
        self: &Arc<Self>,
        elements: usize,
        took: Option<(f64, f64)>,
        settle: impl FnOnce(),
    ) {
        lock(&self.state).away.settling += 1;
        settle();
        let mut state = lock(&self.state);
        let away = &mut state.away;
        away.settling -= 1;
        away.batches -= 1;
        away.elements -= elements;
        if let Some((worked, passed)) = took {
            away.pace.learn(elements, worked, passed);
        }
        drop(state);
        self.go_on();
    }

    /// Settles a job that was sent alone.
    pub(super) fn apart(self: &Arc<Self>, settle: impl FnOnce()) {
        lock(&self.state).away.settling += 1;
        settle();
        let mut state = lock(&self.state);
        state.away.settling -= 1;
        state.limited -= 1;
        drop(state);
        self.go_on();
    }

    fn go_on(self: &Arc<Self>) {
        if let Where::Batches(engine) = &self.engine {
            self.dispatch(engine);
        }
    }

    /// Sends elements again, each alone.
    pub(super) fn send_alone(&self, lines: impl Iterator<Item = Line<S>>) {
        lock(&self.state).away.alone.extend(lines);
    }

    /// Sends one call, or elements for a state.
    pub(super) fn send_apart(self: &Arc<Self>, content: Content<S>) {
        if let Where::Batches(engine) = &self.engine {
            lock(&self.state).limited += 1;
            engine.send(Batch::new(self, content));
        }
    }

    /// Whether elements are sent to other processes.
    pub(super) fn is_remote(&self) -> bool {
        matches!(self.engine, Where::Batches(_))
    }
}

impl<S: Steps> Holding for Queue<S> {
    fn send_held(self: Arc<Self>, may_come: bool) {
        let mut state = lock(&self.state);
        let is_left = may_come && state.away.moment() > MOMENT;
        let is_held = state.away.held.is_holding && !is_left;
        state.away.held.is_all = is_held;
        drop(state);
        if is_held {
            self.go_on();
        }
    }
}
