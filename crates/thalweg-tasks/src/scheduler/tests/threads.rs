//! Engines of threads: plain tasks, and the order of those that could run.

use super::Sums;
use crate::engine::{TaskEngine, spec};
use crate::scheduler::Options;
use crate::slot::Slot;
use crate::task_types::TaskTypes;
use std::sync::Arc;

#[test]
fn a_chain_of_tasks_that_hold_each_other_is_dropped() {
    /// A task whose program has the last future of another.
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
fn what_is_more_or_less_urgent_goes_before_and_after_what_is_as_usual() {
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
