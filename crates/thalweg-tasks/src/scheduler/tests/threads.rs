//! Thread engines: plain tasks, and the order of ready tasks.

use super::Sums;
use crate::engine::{TaskEngine, spec};
use crate::scheduler::{Deferred, Options};
use crate::slot::{Slot, Status};
use crate::task_types::TaskTypes;
use std::sync::Arc;

#[test]
fn a_chain_of_tasks_that_reference_each_other_is_dropped() {
    /// A task whose program holds the last future of another.
    enum Held {}

    impl TaskTypes for Held {
        type Program = Option<Arc<Slot<Held>>>;
        type Value = ();
        type Error = ();
    }

    let engine: Arc<TaskEngine<Held>> = TaskEngine::threads();
    let mut last = None;
    for _ in 0..200_000 {
        last = Some(engine.submit(spec(last, Vec::new(), None)));
    }
    drop(last);
    let worker = engine.add_worker(Vec::new());
    assert!(engine.next(worker).is_none(), "nobody wants any of them");
}

#[test]
fn priorities_above_and_below_the_default_are_ordered() {
    let engine: Arc<TaskEngine<Sums>> = TaskEngine::threads();
    let worker = engine.add_worker(Vec::new());
    let submit = |program, priority: f64| {
        let options = (priority != 0.0).then(|| {
            Arc::new(Options {
                priority,
                ..Options::default()
            })
        });
        engine.submit(spec(program, Vec::new(), options))
    };
    let named = |program| {
        let key = Some(format!("task {program}").into());
        let options = Arc::new(Options {
            key,
            ..Options::default()
        });
        engine.submit(spec(program, Vec::new(), Some(options)))
    };
    let _slots = [
        submit(0, 0.0),
        submit(1, -1.0),
        named(2),
        submit(3, 2.5),
        submit(4, 0.0),
        submit(5, 10.0),
        named(6),
    ];
    let order: Vec<_> = std::iter::from_fn(|| engine.next(worker))
        .map(|assignment| assignment.program)
        .collect();
    assert_eq!(order, [5, 3, 0, 2, 4, 6, 1]);
}

#[test]
fn unwanted_tasks_leave_the_queue() {
    let engine: Arc<TaskEngine<Sums>> = TaskEngine::threads();
    let worker = engine.add_worker(Vec::new());
    let submit = |program| engine.submit(spec(program, Vec::new(), None));
    let [dropped, cancelled, run, waits] = [0, 1, 2, 3].map(submit);
    assert_eq!(engine.counts(), (4, 0));
    drop(dropped);
    assert_eq!(engine.cancel(&cancelled, false), Ok(true));
    assert_eq!(engine.counts(), (2, 0));
    let assignment = engine.next(worker).expect("two wait");
    assert_eq!((assignment.program, engine.counts()), (2, (1, 1)));
    assert!(engine.retry(&cancelled));
    assert_eq!(engine.counts(), (2, 1));
    let failed = Err(2);
    let next = engine.finish(assignment, failed, Some(worker), &mut Deferred::default());
    let next = next.map(|assignment| assignment.program);
    assert_eq!((next, engine.counts()), (Some(3), (1, 1)));
    assert_eq!(run.status(), Status::Error);
    drop((run, waits, cancelled));
    assert_eq!(engine.counts(), (0, 1));
}
