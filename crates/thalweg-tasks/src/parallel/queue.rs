//! Launched elements of a stream on an engine, and the threads that take them.

use super::batch::BatchEngine;
use super::dispatch::Away;
use super::part::{Line, Outcome, Part, Steps, pause_aside};
use super::strand::Strand;
use super::turns::{STALLED, Turns};
use crate::place::{self, Place};
use crate::sync::{Mutex, lock};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs steps: the interface of engines for streams.
pub trait Engine<S: Steps>: Send + Sync + 'static {
    /// Number of steps that run at a time.
    fn width(&self) -> usize;

    /// Runs a runner on a thread of the engine. If the engine has been closed, the runner is dropped.
    ///
    /// With a limit, it may run for that time; then the thread is told to stop, and the callback is called. The same
    /// happens if the thread is told to stop for another reason.
    fn start(&self, runner: Runner<S>, limit: Option<(Duration, Over<S>)>);

    /// Failure of elements that cannot be sent to the engine, or get lost there.
    fn lost(&self) -> S::Failure;
}

/// Called when a runner's time is over, with nothing, or when it is lost while it runs, with the reason.
pub type Over<S> = Box<dyn FnOnce(Option<<S as Steps>::Failure>) + Send>;

/// All launched and unstarted elements of one stream.
///
/// Threads fetch one element at a time. A thread continues until there are no more. So small elements cost no more than
/// a lock each, and a slow one holds nobody up: another thread is woken if waiting work takes longer than a wake, and
/// if elements wait for one that takes longer than those before. To other processes elements are sent in
/// [batches](super::Batch).
pub struct Queue<S: Steps> {
    pub(super) engine: Where<S>,
    pub(super) state: Mutex<State<S>>,
}

impl<S: Steps> fmt::Debug for Queue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

/// Where steps run.
pub(super) enum Where<S: Steps> {
    Threads(Arc<dyn Engine<S>>),
    Batches(Arc<dyn BatchEngine<S>>),
}

pub(super) struct State<S: Steps> {
    pub(super) jobs: VecDeque<Job<S>>,
    /// Number of threads that have been requested, and have not found the queue empty.
    pub(super) runners: usize,
    /// Number of threads that wait in a step, and have given their places to others.
    pub(super) aside: usize,
    pub(super) turns: Turns,
    /// Number of elements sent alone, since they have a time limit, and of states.
    pub(super) limited: usize,
    /// Elements in flight to other processes.
    pub(super) away: Away<S>,
}

/// A job.
pub(super) enum Job<S: Steps> {
    /// A part that was launched.
    Part(Part<S>),
    /// Steps that can go on.
    Line(Line<S>),
    /// Elements to fold in order.
    Strand(Arc<Strand<S>>),
    /// A call after a pause.
    Later(Duration, Box<dyn FnOnce() + Send>),
}

impl<S: Steps> Job<S> {
    fn run(self, queue: &Arc<Queue<S>>) {
        match self {
            Self::Part(part) => Line::of(part).run(queue),
            Self::Line(line) => line.run(queue),
            Self::Strand(strand) => strand.run(queue),
            Self::Later(pause, call) => {
                pause_aside::<S>(pause);
                call();
            }
        }
    }

    fn fail(self, failure: &S::Failure) {
        match self {
            Self::Part(part) => part.settle(Outcome::Failed(failure.clone())),
            Self::Line(line) => line.fail(failure),
            Self::Strand(strand) => strand.fail(failure),
            // Started steps notice it by themselves.
            Self::Later(_, call) => call(),
        }
    }
}

impl<S: Steps> State<S> {
    pub(super) fn add(&mut self, job: Job<S>, is_next: bool) {
        if is_next {
            self.jobs.push_front(job);
        } else {
            self.jobs.push_back(job);
        }
    }
}

impl<S: Steps> Queue<S> {
    /// Creates a queue of an engine.
    pub fn new(engine: impl Engine<S>) -> Arc<Self> {
        Self::at(Where::Threads(Arc::new(engine)))
    }

    /// Creates a queue of an engine of other processes.
    pub fn batched(engine: impl BatchEngine<S>) -> Arc<Self> {
        Self::at(Where::Batches(Arc::new(engine)))
    }

    fn at(engine: Where<S>) -> Arc<Self> {
        Arc::new(Self {
            engine,
            state: Mutex::new(State {
                jobs: VecDeque::new(),
                runners: 0,
                aside: 0,
                turns: Turns::default(),
                limited: 0,
                away: Away::default(),
            }),
        })
    }

    /// How many steps run at a time.
    pub fn width(&self) -> usize {
        let width = match &self.engine {
            Where::Threads(engine) => engine.width(),
            Where::Batches(engine) => engine.width(),
        };
        width.max(1)
    }

    /// How many elements a node that waits for their values takes. Behind a buffer, which has the next one ready, those
    /// whose steps run; otherwise as many again, so that nothing that runs steps waits for the next, and the one that is
    /// being sent on.
    pub fn places(&self, is_buffered: bool) -> usize {
        match is_buffered {
            true => self.width(),
            false => 2 * self.width() + 1,
        }
    }

    /// Failure of lost elements.
    pub(super) fn lost(&self) -> S::Failure {
        match &self.engine {
            Where::Threads(engine) => engine.lost(),
            Where::Batches(engine) => engine.lost(),
        }
    }

    /// Whether nothing is running or waiting.
    pub fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        let running = state.runners + state.aside + state.limited;
        state.jobs.is_empty() && running == 0 && state.away.is_idle()
    }

    pub(super) fn push(self: &Arc<Self>, job: Job<S>) {
        self.add(job, false);
    }

    /// Adds a job ahead of all others, since others wait for it.
    pub(super) fn push_first(self: &Arc<Self>, job: Job<S>) {
        self.add(job, true);
    }

    /// Calls something after a pause, on a thread of the engine.
    pub(super) fn after(self: &Arc<Self>, pause: Duration, call: impl FnOnce() + Send + 'static) {
        self.push(Job::Later(pause, Box::new(call)));
    }

    /// Adds a job. `is_next`: ahead of all others, for a running thread to take soon.
    fn add(self: &Arc<Self>, job: Job<S>, is_next: bool) {
        let engine = match &self.engine {
            Where::Threads(engine) => engine,
            Where::Batches(engine) => return self.add_remote(job, is_next, engine),
        };
        let width = self.width();
        let mut state = lock(&self.state);
        state.add(job, is_next);
        let has_come = is_next && state.runners > 0 && state.jobs.len() == 1;
        let is_free = state.runners < width && !has_come;
        let is_wanted =
            is_free && (state.runners == 0 || state.turns.is_worth_waking(state.jobs.len()));
        if is_wanted {
            state.runners += 1;
        }
        let watched = (is_free && !is_wanted)
            .then(|| state.turns.watch())
            .flatten();
        drop(state);
        if is_wanted {
            engine.start(Runner::of(self), None);
        }
        if let Some(taken) = watched {
            self.look_later(taken);
        }
    }

    /// Checks waiting jobs in a moment. `taken`: number of jobs taken so far.
    fn look_later(self: &Arc<Self>, taken: u64) {
        let queue = Arc::downgrade(self);
        let pauses = lock(&self.state).away.pauses();
        pauses.call_after(STALLED, move || {
            if let Some(queue) = queue.upgrade() {
                queue.look(taken);
            }
        });
    }

    /// Wakes more threads if jobs have waited for one that takes longer than those before.
    fn look(self: &Arc<Self>, taken: u64) {
        let width = self.width();
        let mut state = lock(&self.state);
        let waiting = state.jobs.len();
        let mut wanted = 0;
        if state.turns.taken == taken {
            if waiting == 0 {
                state.turns.is_watched = false;
                return;
            }
            state.turns.seconds = None;
            wanted = waiting.min(width.saturating_sub(state.runners));
            state.runners += wanted;
        }
        let taken = state.turns.taken;
        drop(state);
        for _ in 0..wanted {
            self.start(Runner::of(self));
        }
        self.look_later(taken);
    }

    pub(super) fn start(&self, runner: Runner<S>) {
        if let Where::Threads(engine) = &self.engine {
            engine.start(runner, None);
        }
    }

    fn take(&self) -> Option<Job<S>> {
        let mut state = lock(&self.state);
        let job = state.jobs.pop_front();
        match job {
            Some(_) => state.turns.taken += 1,
            None => state.runners -= 1,
        }
        job
    }

    /// A runner has been lost: if it was the last, nobody is left for the waiting jobs.
    fn lost_runner(&self) {
        let mut state = lock(&self.state);
        state.runners -= 1;
        if state.runners > 0 {
            return;
        }
        let jobs = std::mem::take(&mut state.jobs);
        drop(state);
        if !jobs.is_empty() {
            let failure = self.lost();
            jobs.into_iter().for_each(|job| job.fail(&failure));
        }
    }

    /// Runs something alone, with a time limit; `over` is called if it takes longer, `lost` if it never ends; at most
    /// one of them.
    pub(super) fn start_limited(
        self: &Arc<Self>,
        limit: Duration,
        run: impl FnOnce() + Send + 'static,
        over: impl FnOnce(Option<S::Failure>) + Send + 'static,
        lost: impl FnOnce(S::Failure) + Send + 'static,
    ) {
        let Where::Threads(engine) = &self.engine else {
            return lost(self.lost());
        };
        let queue = self.clone();
        let alone = Alone {
            queue: self.clone(),
            run: Some(Box::new(run)),
            lost: Some(Box::new(move || lost(queue.lost()))),
        };
        lock(&self.state).limited += 1;
        engine.start(Runner(Role::Alone(alone)), Some((limit, Box::new(over))));
    }
}

/// A waiting step, for example for another stream of the same engine, does not keep others from running.
struct Waits<S: Steps>(Arc<Queue<S>>);

impl<S: Steps> Place for Waits<S> {
    fn give(&self) -> io::Result<()> {
        let queue = &self.0;
        let width = queue.width();
        let mut state = lock(&queue.state);
        state.runners -= 1;
        state.aside += 1;
        let free = width.saturating_sub(state.runners);
        let wanted = free.min(state.jobs.len());
        state.runners += wanted;
        drop(state);
        for _ in 0..wanted {
            queue.start(Runner::of(queue));
        }
        Ok(())
    }

    fn take_back(&self) {
        let mut state = lock(&self.0.state);
        state.runners += 1;
        state.aside -= 1;
    }
}

/// A thread's turn for a stream.
pub struct Runner<S: Steps>(Role<S>);

impl<S: Steps> fmt::Debug for Runner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

enum Role<S: Steps> {
    /// Processes a queue.
    Queue(Option<Arc<Queue<S>>>),
    /// Runs one job.
    Alone(Alone<S>),
}

struct Alone<S: Steps> {
    queue: Arc<Queue<S>>,
    run: Option<Box<dyn FnOnce() + Send>>,
    lost: Option<Box<dyn FnOnce() + Send>>,
}

impl<S: Steps> Drop for Alone<S> {
    fn drop(&mut self) {
        if self.run.take().is_some()
            && let Some(lost) = self.lost.take()
        {
            lost();
        }
        lock(&self.queue.state).limited -= 1;
    }
}

/// How long a thread works for one stream before others get a turn, and after how many elements it checks.
const TURN: Duration = Duration::from_millis(5);
const LOOK: u32 = 16;

impl<S: Steps> Runner<S> {
    pub(super) fn of(queue: &Arc<Queue<S>>) -> Self {
        Self(Role::Queue(Some(queue.clone())))
    }

    /// Works until there is nothing to do; calls `between` after each element.
    pub fn run(mut self, mut between: impl FnMut()) {
        let queue = match &mut self.0 {
            Role::Queue(queue) => match queue.take() {
                Some(queue) => queue,
                None => return,
            },
            Role::Alone(alone) => {
                if let Some(run) = alone.run.take() {
                    run();
                }
                return;
            }
        };
        // A thread that is stopped leaves the rest to others.
        let rest = Self::of(&queue);
        let (began, mut done) = (Instant::now(), 0_u32);
        let _told = place::tell(Waits(queue.clone()));
        while let Some(job) = queue.take() {
            job.run(&queue);
            if place::is_given() {
                place::rejoin();
            }
            between();
            done = done.wrapping_add(1);
            if done.is_multiple_of(LOOK) && began.elapsed() > TURN {
                lock(&queue.state).turns.learn(began.elapsed(), done);
                return queue.start(rest);
            }
        }
        lock(&queue.state).turns.learn(began.elapsed(), done);
        rest.leave();
    }

    /// The queue has been found empty.
    fn leave(mut self) {
        if let Role::Queue(queue) = &mut self.0 {
            drop(queue.take());
        }
    }
}

impl<S: Steps> Drop for Runner<S> {
    fn drop(&mut self) {
        if let Role::Queue(queue) = &mut self.0
            && let Some(queue) = queue.take()
        {
            queue.lost_runner();
        }
    }
}
