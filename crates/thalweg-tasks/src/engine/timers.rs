//! The alarms of tasks with a time limit, on a thread that is there once there is such a task.

use super::Home;
use crate::scheduler::TaskId;
use crate::world::World;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

type Alarm = (Instant, TaskId, u32);

#[derive(Default)]
pub(super) struct Timers {
    alarms: Mutex<Option<Sender<Alarm>>>,
}

impl Timers {
    /// Ends the run of a task if it still goes on then.
    pub fn set<W: World>(&self, home: &Arc<Home<W>>, limit: Duration, id: TaskId, attempt: u32) {
        let Some(at) = Instant::now().checked_add(limit) else {
            return;
        };
        let mut alarms = self.alarms.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = alarms.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel();
            let home = Arc::downgrade(home);
            // Without a thread there are no limits; the tasks run all the same.
            let _ = thread::Builder::new()
                .name("thalweg-limits".into())
                .spawn(move || ring(&home, &receiver));
            sender
        });
        // It hangs up only when the engine is gone.
        let _ = sender.send((at, id, attempt));
    }

    pub fn close(&self) {
        *self.alarms.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn ring<W: World>(home: &Weak<Home<W>>, alarms: &mpsc::Receiver<Alarm>) {
    let mut next: BinaryHeap<Reverse<Alarm>> = BinaryHeap::new();
    loop {
        let now = Instant::now();
        while let Some(Reverse((at, id, attempt))) = next.peek().copied() {
            if at > now {
                break;
            }
            next.pop();
            let Some(home) = home.upgrade() else { return };
            home.overdue(id, attempt);
        }
        let alarm = match next.peek() {
            None => alarms.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(Reverse((at, ..))) => {
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
