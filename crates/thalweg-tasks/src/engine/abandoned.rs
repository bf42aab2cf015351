//! Dropping unwanted tasks one after the other.
//!
//! Dropping a task may drop the last reference to another one, and so on through a chain of any length. They are
//! dropped in a loop, not recursively.

use super::TaskEngine;
use crate::scheduler::TaskId;
use crate::task_types::TaskTypes;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

type Next = Box<dyn FnOnce()>;

thread_local! {
    /// Tasks to drop after the current one; `None` while nothing is being dropped.
    static QUEUE: RefCell<Option<VecDeque<Next>>> = const { RefCell::new(None) };
}

pub(super) fn abandon<W: TaskTypes>(engine: &Arc<TaskEngine<W>>, id: TaskId, stops: bool) {
    if id == TaskId::NONE {
        return;
    }
    let engine = engine.clone();
    in_turn(move || drop_task(&engine, id, stops));
}

/// Runs a drop after the current one of this thread, if there is one.
pub(super) fn in_turn(last: impl FnOnce() + 'static) {
    let mut last = Some(last);
    QUEUE.with_borrow_mut(|queue| match queue {
        Some(queue) => queue.extend(last.take().map(|last| Box::new(last) as Next)),
        None => *queue = Some(VecDeque::new()),
    });
    let Some(last) = last else { return };
    last();
    while let Some(next) = next() {
        next();
    }
}

fn next() -> Option<Next> {
    QUEUE.with_borrow_mut(|queue| {
        let next = queue.as_mut()?.pop_front();
        if next.is_none() {
            *queue = None;
        }
        next
    })
}

fn drop_task<W: TaskTypes>(engine: &Arc<TaskEngine<W>>, id: TaskId, stops: bool) {
    let runs = engine.with(|scheduler, deferred| scheduler.abandon(id, deferred));
    if let Some(worker) = runs.filter(|_| stops) {
        engine.outside.kill(worker, id);
    }
}
