//! Time limits of tasks, and later looks at workers, by a thread that starts with the first one.

use super::TaskEngine;
use crate::scheduler::{Assignment, TaskId};
use crate::task_types::TaskTypes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// One run of a task, and its time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    pub(super) id: TaskId,
    pub(super) attempt: u32,
    pub(super) limit: Duration,
}

impl Run {
    pub(super) fn of<W: TaskTypes>(assignment: &Assignment<W>, limit: Duration) -> Self {
        Self {
            id: assignment.id,
            attempt: assignment.attempt,
            limit,
        }
    }
}

/// What to do when the time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Limit(Run),
    /// Look at the workers.
    Look,
}

type Alarm = (Instant, Due);

#[derive(Default)]
pub(super) struct Timers {
    alarms: Mutex<Option<Sender<Alarm>>>,
    /// A look at the workers is due.
    will_look: AtomicBool,
}

impl Timers {
    /// Checks the run of a task after this time.
    pub(crate) fn set<W: TaskTypes>(&self, engine: &Arc<TaskEngine<W>>, left: Duration, run: Run) {
        self.add(engine, left, Due::Limit(run));
    }

    /// Looks at the workers after this time, or when a look is due anyway.
    pub(crate) fn look<W: TaskTypes>(&self, engine: &Arc<TaskEngine<W>>, left: Duration) {
        if !self.will_look.swap(true, Ordering::AcqRel) {
            self.add(engine, left, Due::Look);
        }
    }

    /// A look that was due begins.
    pub(crate) fn looks(&self) {
        self.will_look.store(false, Ordering::Release);
    }

    fn add<W: TaskTypes>(&self, engine: &Arc<TaskEngine<W>>, left: Duration, due: Due) {
        let Some(at) = Instant::now().checked_add(left) else {
            return;
        };
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = alarms.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel();
            let engine = Arc::downgrade(engine);
            // Without a thread there are no limits; the tasks still run.
            let _ = crate::stack::thread("thalweg-limits").spawn(move || watch(&engine, &receiver));
            sender
        });
        // Disconnects only when the engine is gone.
        let _ = sender.send((at, due));
    }

    pub(crate) fn close(&self) {
        *self.alarms.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn watch<W: TaskTypes>(engine: &Weak<TaskEngine<W>>, alarms: &mpsc::Receiver<Alarm>) {
    let mut next: BinaryHeap<Reverse<Alarm>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(Reverse((at, due))) = next.peek().copied() {
            if at > now {
                break;
            }
            next.pop();
            let Some(engine) = engine.upgrade() else {
                return;
            };
            match due {
                Due::Limit(run) => engine.ring(run),
                Due::Look => engine.look_now(),
            }
        }
        let alarm = match next.peek() {
            None => alarms.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Reverse((at, _))) => {
                alarms.recv_timeout(at.saturating_duration_since(Instant::now()))
            }
        };
        match alarm {
            Ok(alarm) => next.push(Reverse(alarm)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}
