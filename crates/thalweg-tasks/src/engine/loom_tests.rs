//! How tasks go from the threads that submit them to the threads that run them, in every interleaving.

use super::{Home, spec};
use crate::scheduler::{Effects, Product};
use crate::slot::{Slot, Status};
use crate::world::{Failure, World};
use loom::thread;
use std::sync::Arc;

enum Numbers {}

impl World for Numbers {
    type Program = u32;
    type Value = u32;
    type Error = ();
}

type Engine = Arc<Home<Numbers>>;

/// Runs tasks until the engine is closed, or has run so many.
fn work(home: &Engine, count: usize) -> usize {
    let worker = home.add_worker(Vec::new());
    let mut ran = 0;
    while ran < count
        && let Some(assignment) = home.take(worker, || true)
    {
        let inputs: u32 = assignment.needs.iter().filter_map(|slot| value(slot)).sum();
        let result = Ok(Product::Here(assignment.program + inputs));
        let next = home.finish(assignment, result, None, &mut Effects::default());
        assert!(next.is_none());
        ran += 1;
    }
    ran
}

fn value(slot: &Slot<Numbers>) -> Option<u32> {
    slot.look(|outcome| outcome.ok().copied())?
}

#[test]
fn loom_every_task_is_run_by_one_of_the_threads() {
    loom::model(|| {
        let home = Home::threads();
        let other = home.clone();
        let thread = thread::spawn(move || work(&other, 1));
        let one = home.submit(spec(1, Vec::new(), None));
        let two = home.submit(spec(2, vec![one.clone()], None));
        let ran = work(&home, 1);
        // A wake-up that is lost leaves the thread asleep, and loom finds nobody to go on.
        let ran_there = thread.join().expect("it does not panic");
        assert_eq!(ran + ran_there, 2);
        assert_eq!((value(&one), value(&two)), (Some(1), Some(3)));
    });
}

#[test]
fn loom_a_thread_that_sleeps_hears_of_the_end() {
    loom::model(|| {
        let home: Engine = Home::threads();
        let other = home.clone();
        let thread = thread::spawn(move || work(&other, usize::MAX));
        let slot = home.submit(spec(1, Vec::new(), None));
        home.close();
        let ran = thread.join().expect("it does not panic");
        let closed = slot
            .failure()
            .is_some_and(|failure| *failure == Failure::Closed);
        assert!(closed || (ran == 1 && value(&slot) == Some(1)));
        assert_ne!(slot.status(), Status::Pending);
    });
}

#[test]
fn loom_a_task_ends_once_whether_it_is_cancelled_or_run() {
    loom::model(|| {
        let home: Engine = Home::threads();
        let slot = home.submit(spec(1, Vec::new(), None));
        let (other, its) = (home.clone(), slot.clone());
        let canceller = thread::spawn(move || other.cancel(&its, false));
        let worker = home.add_worker(Vec::new());
        if let Some(assignment) = home.next(worker) {
            home.finish(
                assignment,
                Ok(Product::Here(1)),
                None,
                &mut Effects::default(),
            );
        }
        let cancelled = canceller.join().expect("it does not panic") == Ok(true);
        assert_eq!(cancelled, slot.status() == Status::Cancelled);
        assert_eq!(!cancelled, value(&slot) == Some(1));
    });
}
