//! Time limits of tasks, checked by a thread that starts with the first one.

use super::TaskEngine;
use crate::scheduler::{Assignment, TaskId};
use crate::task_types::TaskTypes;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
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

type Alarm = (Instant, Run);

#[derive(Default)]
pub(super) struct Timers {
    alarms: Mutex<Option<Sender<Alarm>>>,
}

impl Timers {
    /// Checks the run of a task after this time.
    pub(crate) fn set<W: TaskTypes>(&self, engine: &Arc<TaskEngine<W>>, left: Duration, run: Run) {
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
        let _ = sender.send((at, run));
    }

    pub(crate) fn close(&self) {
        *self.alarms.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn watch<W: TaskTypes>(engine: &Weak<TaskEngine<W>>, alarms: &mpsc::Receiver<Alarm>) {
    let mut next: BinaryHeap<Reverse<Alarm>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(Reverse((at, run))) = next.peek().copied() {
            if at > now {
                break;
            }
            next.pop();
            let Some(engine) = engine.upgrade() else {
                return;
            };
            engine.ring(run);
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
