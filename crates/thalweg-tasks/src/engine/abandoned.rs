//! Tasks that nobody wants any more, one after the other.
//!
//! To drop a task may drop the last of those who wanted another, and so on through a chain as long as
//! one likes. They are dropped in a loop, not inside of each other.

use super::Home;
use crate::scheduler::TaskId;
use crate::world::World;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;

type Next = Box<dyn FnOnce()>;

thread_local! {
    /// What is to be dropped when the current one has been; nothing is being dropped if there is no queue.
    static QUEUE: RefCell<Option<VecDeque<Next>>> = const { RefCell::new(None) };
}

pub(super) fn abandon<W: World>(home: &Arc<Home<W>>, id: TaskId, stops: bool) {
    if id == TaskId::NONE {
        return;
    }
    let later = QUEUE.with_borrow_mut(|queue| match queue {
        Some(queue) => {
            let home = home.clone();
            queue.push_back(Box::new(move || drop_task(&home, id, stops)));
            true
        }
        None => {
            *queue = Some(VecDeque::new());
            false
        }
    });
    if later {
        return;
    }
    drop_task(home, id, stops);
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

fn drop_task<W: World>(home: &Arc<Home<W>>, id: TaskId, stops: bool) {
    let runs = home.with(|scheduler, effects| scheduler.abandon(id, effects));
    if let Some(worker) = runs.filter(|_| stops) {
        home.outside.kill(worker, id);
    }
}
