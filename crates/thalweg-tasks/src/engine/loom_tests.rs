//! Handing tasks from submitting threads to running ones, in every interleaving.

use super::{TaskEngine, spec};
use crate::scheduler::{Deferred, Output};
use crate::slot::{Slot, Status};
use crate::task_types::{Failure, TaskTypes};
use loom::thread;
use std::sync::Arc;

enum Numbers {}

impl TaskTypes for Numbers {
    type Program = u32;
    type Value = u32;
    type Error = ();
}

type Engine = Arc<TaskEngine<Numbers>>;

/// Runs tasks until the engine is closed or this many have run.
fn work(engine: &Engine, count: usize) -> usize {
    let worker = engine.add_worker(Vec::new());
    let mut ran = 0;
    while ran < count
        && let Some(assignment) = engine.take(worker, || true)
    {
        let inputs: u32 = assignment
            .dependencies
            .iter()
            .filter_map(|slot| value(slot))
            .sum();
        let result = Ok(Output::Inline(assignment.program + inputs));
        let next = engine.finish(assignment, result, None, &mut Deferred::default());
        assert!(next.is_none());
        ran += 1;
    }
    ran
}

fn value(slot: &Slot<Numbers>) -> Option<u32> {
    slot.look(|outcome| outcome.ok().copied())?
}

#[test]
fn loom_every_task_runs_exactly_once() {
    loom::model(|| {
        let engine = TaskEngine::threads();
        let other = engine.clone();
        let thread = thread::spawn(move || work(&other, 1));
        let one = engine.submit(spec(1, Vec::new(), None));
        let two = engine.submit(spec(2, vec![one.clone()], None));
        let ran = work(&engine, 1);
        // A lost wake-up would leave the thread asleep, which loom reports as a deadlock.
        let ran_there = thread.join().expect("it does not panic");
        assert_eq!(ran + ran_there, 2);
        assert_eq!((value(&one), value(&two)), (Some(1), Some(3)));
    });
}

#[test]
fn loom_a_plain_task_wakes_a_thread_going_to_sleep() {
    loom::model(|| {
        let engine: Engine = TaskEngine::threads();
        let other = engine.clone();
        let thread = thread::spawn(move || work(&other, 1));
        let slot = engine.submit(spec(1, Vec::new(), None));
        assert_eq!(thread.join().expect("it does not panic"), 1);
        assert_eq!(value(&slot), Some(1));
    });
}

#[test]
fn loom_closing_wakes_a_sleeping_thread() {
    loom::model(|| {
        let engine: Engine = TaskEngine::threads();
        let other = engine.clone();
        let thread = thread::spawn(move || work(&other, usize::MAX));
        let slot = engine.submit(spec(1, Vec::new(), None));
        engine.close();
        let ran = thread.join().expect("it does not panic");
        let closed = slot
            .failure()
            .is_some_and(|failure| *failure == Failure::Closed);
        assert!(closed || (ran == 1 && value(&slot) == Some(1)));
        assert_ne!(slot.status(), Status::Pending);
    });
}

#[test]
fn loom_a_task_that_is_cancelled_while_run_ends_once() {
    loom::model(|| {
        let engine: Engine = TaskEngine::threads();
        let slot = engine.submit(spec(1, Vec::new(), None));
        let (other, its) = (engine.clone(), slot.clone());
        let canceller = thread::spawn(move || other.cancel(&its, false));
        let worker = engine.add_worker(Vec::new());
        if let Some(assignment) = engine.next(worker) {
            engine.finish(
                assignment,
                Ok(Output::Inline(1)),
                None,
                &mut Deferred::default(),
            );
        }
        let cancelled = canceller.join().expect("it does not panic") == Ok(true);
        assert_eq!(cancelled, slot.status() == Status::Cancelled);
        assert_eq!(!cancelled, value(&slot) == Some(1));
    });
}
