//! A worker process, as seen by its parent.

use crate::engine::TaskEngine;
use crate::process::parent::pulse::Pulse;
use crate::process::parent::sent::Remembered;
use crate::process::protocol::memory::MemoryFile;
use crate::process::protocol::outgoing::Outgoing;
use crate::process::protocol::payload::Payload;
use crate::process::protocol::scoreboard::{Entry, Scoreboard};
use crate::process::protocol::wire::{Input, Outbox, ToWorker};
use crate::process::system::{GroupLeader, Socket};
use crate::process::{Call, Portable};
use crate::scheduler::{Assignment, TaskId, WorkerId};
use crate::sync::{Mutex, lock};
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Amount of queued work, in time, with which a worker need not wait for more.
const AHEAD: f64 = 2e6;

/// Maximum number of queued tasks.
const MOST_AHEAD: usize = 512;

/// A worker process. When it dies, another link is created for its replacement.
pub(in crate::process) struct Link<W: Portable> {
    pub worker: WorkerId,
    /// Its index among the workers, which its replacement inherits.
    pub place: usize,
    /// Unique number among the links of this program.
    pub number: u64,
    /// Number of tasks that it runs at a time.
    threads: AtomicUsize,
    pub outgoing: Arc<Outgoing>,
    pub scoreboard: Scoreboard,
    pub pulse: Pulse,
    pub pid: u32,
    pub child: Mutex<GroupLeader>,
    pub state: Mutex<State<W>>,
}

pub(in crate::process) struct State<W: Portable> {
    /// The tasks it has, by number.
    pub tasks: HashMap<u64, Assignment<W>>,
    outgoing: Arc<Outgoing>,
    /// Functions and values that it has been sent, as long as someone may need them.
    remembered: Arc<Remembered>,
    /// Unanswered requests, and the tasks that wait for the answers.
    pub asking: HashMap<u64, Option<u64>>,
    /// Results it need not keep once the tasks that need them are done.
    forgotten: Vec<TaskId>,
    /// Nanoseconds per task, once known.
    pub average: Option<f64>,
    /// When it last finished a task, or got one while it had none.
    pub progressed: Instant,
    /// Tasks to be stopped, which may have started when the worker is told to skip them.
    pub stopping: HashSet<u64>,
    /// It has been asked to return tasks.
    pub recalling: bool,
    /// It had no tasks to return when it was last asked, and has neither got nor finished one since.
    pub has_none_to_return: bool,
    /// It has said that it has started.
    pub is_ready: bool,
    /// It has died, or is about to: it gets no more tasks.
    pub is_gone: bool,
    /// Why we have killed it.
    pub killed: Option<Killed>,
}

/// Result of sending a task.
pub(in crate::process) enum Sending<W: Portable> {
    Sent,
    /// It needs these values of other workers first.
    Dependencies(Assignment<W>, Vec<usize>),
    /// A dependency was lost, or cannot be sent.
    Back(Assignment<W>),
    Failed(Assignment<W>, io::Error),
}

impl<W: Portable> Link<W> {
    pub(crate) fn new(
        worker: WorkerId,
        place: usize,
        threads: usize,
        socket: Socket,
        scoreboard: Scoreboard,
        child: GroupLeader,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let outgoing = Outgoing::new(socket);
        let state = State {
            tasks: HashMap::new(),
            outgoing: outgoing.clone(),
            remembered: Remembered::new(outgoing.clone()),
            asking: HashMap::new(),
            forgotten: Vec::new(),
            average: None,
            progressed: Instant::now(),
            stopping: HashSet::new(),
            recalling: false,
            has_none_to_return: false,
            is_ready: false,
            is_gone: false,
            killed: None,
        };
        Self {
            worker,
            place,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            threads: AtomicUsize::new(threads),
            outgoing,
            scoreboard,
            pulse: Pulse::default(),
            pid: child.id(),
            child: Mutex::new(child),
            state: Mutex::new(state),
        }
    }

    /// Number of tasks that it runs at a time.
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    /// It runs this many more at a time.
    pub(crate) fn add_threads(&self, more: i32) {
        let add = |threads: usize| threads.checked_add_signed(more as isize);
        // The worker subtracts no more than it has added.
        let _ = self
            .threads
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Sends it tasks up to a number, and returns those that cannot be sent yet.
    pub(crate) fn fill(&self, engine: &Arc<TaskEngine<W>>, fill: Fill) -> Vec<Sending<W>> {
        let mut state = lock(&self.state);
        let mut others = Vec::new();
        let most = match fill {
            Fill::Threads | Fill::Steal => self.threads(),
            Fill::Ahead => self.threads() + state.ahead(),
        };
        while !state.is_gone && state.tasks.len() < most {
            // Tasks that do not fit into the socket yet are better kept for other workers.
            if matches!(fill, Fill::Ahead) && self.outgoing.is_full() {
                break;
            }
            let steal = matches!(fill, Fill::Steal);
            let Some(assignment) = engine.next_outside(self.worker, steal) else {
                break;
            };
            match state.send(self.worker, assignment) {
                Sending::Sent => {}
                other => others.push(other),
            }
        }
        others
    }

    /// Adds a message to the outbox.
    pub(crate) fn tell(&self, message: &ToWorker<'_>) -> io::Result<()> {
        self.outgoing.outbox().put(message)
    }

    /// The first message, with the scoreboard.
    pub(crate) fn greet(&self) -> io::Result<()> {
        let threads = u32::try_from(self.threads()).map_err(io::Error::other)?;
        let mut outbox = self.outgoing.outbox();
        outbox.put(&ToWorker::Hello { threads })?;
        outbox
            .files
            .push(MemoryFile::passing(self.scoreboard.file()?));
        drop(outbox);
        self.flush();
        Ok(())
    }

    /// Sends the outbox, or has it sent.
    pub(crate) fn flush(&self) {
        self.outgoing.flush();
    }

    /// The running tasks, and for how long they have been running.
    pub(crate) fn running(&self) -> Vec<Entry> {
        self.scoreboard.read()
    }

    /// Whether it has said that it has started.
    pub(crate) fn is_ready(&self) -> bool {
        lock(&self.state).is_ready
    }

    /// Stops a task: the process is killed if the task has started.
    pub(crate) fn stop(&self, id: TaskId) {
        let task = id.number();
        if self.running().iter().any(|entry| entry.task == task) {
            return self.kill(Killed::TaskStopped);
        }
        // Under the lock of sending tasks: so the worker has the task before it is told to skip it.
        let mut state = lock(&self.state);
        if state.tasks.contains_key(&task) {
            state.stopping.insert(task);
            // A dead one does not run it either.
            let _ = self.tell(&ToWorker::Skip { task });
            drop(state);
            self.flush();
        }
    }

    /// Kills the process, and the processes that it has started.
    pub(crate) fn kill(&self, reason: Killed) {
        let mut state = lock(&self.state);
        state.is_gone = true;
        state.killed.get_or_insert(reason);
        drop(state);
        lock(&self.child).kill();
    }
}

/// Why we have killed a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::process) enum Killed {
    /// To stop one task: the others are not the cause.
    #[error("a task was stopped")]
    TaskStopped,
    #[error("the client was closed")]
    Closed,
    #[error("it did not answer for {0:?}")]
    Silent(Duration),
    #[error("it used {} MiB of memory, and {} are allowed", used >> 20, allowed >> 20)]
    Memory { used: u64, allowed: u64 },
    #[error("its message was invalid")]
    Unreadable,
}

/// How much work to queue at a worker.
#[derive(Debug, Clone, Copy)]
pub(in crate::process) enum Fill {
    /// One task per thread.
    Threads,
    /// Additional tasks to continue with.
    Ahead,
    /// One task per thread, even one whose inputs are at another worker.
    Steal,
}

impl<W: Portable> State<W> {
    /// Number of tasks to queue besides the running ones.
    fn ahead(&self) -> usize {
        self.average.map_or(0, |average| {
            ((AHEAD / average.max(1.0)) as usize).min(MOST_AHEAD)
        })
    }

    /// Removes a task from those of the worker.
    pub(crate) fn take(&mut self, task: u64) -> Option<Assignment<W>> {
        self.stopping.remove(&task);
        self.tasks.remove(&task)
    }

    /// Records how long a task took.
    pub(crate) fn took(&mut self, nanos: u64) {
        self.progressed = Instant::now();
        self.has_none_to_return = false;
        let nanos = nanos as f64;
        self.average = Some(match self.average {
            None => nanos,
            Some(average) => average + (nanos - average) / 8.0,
        });
    }

    /// Adds a task to the outbox.
    fn send(&mut self, worker: WorkerId, assignment: Assignment<W>) -> Sending<W> {
        let elsewhere = assignment
            .dependencies
            .iter()
            .enumerate()
            .filter(|(_, dependency)| dependency.away().is_some_and(|other| other != worker));
        let elsewhere: Vec<_> = elsewhere.map(|(position, _)| position).collect();
        if !elsewhere.is_empty() {
            return Sending::Dependencies(assignment, elsewhere);
        }
        match self.write(worker, &assignment) {
            Ok(true) => {
                if self.tasks.is_empty() {
                    self.progressed = Instant::now();
                }
                self.has_none_to_return = false;
                self.tasks.insert(assignment.id.number(), assignment);
                Sending::Sent
            }
            Ok(false) => Sending::Back(assignment),
            Err(error) => Sending::Failed(assignment, error),
        }
    }

    /// Writes a task to the outbox, unless its inputs are missing.
    fn write(&self, worker: WorkerId, assignment: &Assignment<W>) -> io::Result<bool> {
        let mut inputs: Vec<Need> = Vec::with_capacity(assignment.dependencies.len());
        for dependency in &assignment.dependencies {
            let payload = dependency.look(|outcome| outcome.ok().and_then(W::payload).cloned());
            match payload.flatten() {
                Some(payload) => inputs.push(Need::Payload(payload)),
                None if dependency.away() == Some(worker) => {
                    inputs.push(Need::Result(dependency.number()))
                }
                None => return Ok(false),
            }
        }
        let outgoing = self.outgoing.clone();
        // Nothing dropped before the outbox is released may be the last reference to a payload.
        let outbox = &mut *outgoing.outbox();
        for dependency in &inputs {
            if let Need::Payload(payload) = dependency
                && payload.is_large()
            {
                self.send_once(outbox, payload)?;
            }
        }
        let Some(Call { function, args }) = W::call(&assignment.program) else {
            return Err(io::Error::other(
                "this can be called in its own process only",
            ));
        };
        if self.remembered.add(function) {
            let code = outbox.pack(function);
            outbox.put(&ToWorker::Function {
                id: function.id(),
                code,
            })?;
        }
        let task = assignment.id.number();
        let args = outbox.pack(args);
        let mut written = Vec::with_capacity(inputs.len());
        for dependency in &inputs {
            written.push(match dependency {
                Need::Payload(payload) if payload.is_large() => Input::Value(payload.id()),
                Need::Payload(payload) => Input::Here(outbox.pack(payload)),
                Need::Result(task) => Input::Result(*task),
            });
        }
        outbox.put(&ToWorker::Run {
            task,
            function: function.id(),
            args,
            inputs: written,
        })?;
        Ok(true)
    }

    fn send_once(&self, outbox: &mut Outbox, payload: &Arc<Payload>) -> io::Result<()> {
        if !self.remembered.add(payload) {
            return Ok(());
        }
        let value = outbox.pack(payload);
        outbox.put(&ToWorker::Value {
            id: payload.id(),
            value,
        })
    }

    /// Has unneeded results forgotten, once no task there needs them.
    ///
    /// A result may have been fetched while tasks that rely on it there were being sent.
    pub(crate) fn forget(&mut self, tasks: Vec<TaskId>) -> io::Result<()> {
        self.forgotten.extend(tasks);
        let forgotten = std::mem::take(&mut self.forgotten);
        let needed = |task: &TaskId| {
            let mut dependencies = self
                .tasks
                .values()
                .flat_map(|assignment| &assignment.dependencies);
            dependencies.any(|dependency| dependency.id == *task)
        };
        let (needed, free): (Vec<_>, Vec<_>) = forgotten.into_iter().partition(needed);
        self.forgotten = needed;
        if !free.is_empty() {
            let tasks = free.into_iter().map(TaskId::number).collect();
            let message = ToWorker::ForgetResults { tasks };
            self.outgoing.outbox().put(&message)?;
        }
        Ok(())
    }

    /// Whether results needed by tasks are to be forgotten.
    pub(crate) fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }
}

enum Need {
    Payload(Arc<Payload>),
    Result(u64),
}
