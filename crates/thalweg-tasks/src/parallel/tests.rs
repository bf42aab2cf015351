//! Steps that add numbers, on threads controlled by a test.

use super::*;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A step adds a number; one that adds 0 fails. The state is a sum.
pub(super) enum Sums {}

pub(super) struct Step {
    adds: u32,
    tries: u32,
}

pub(super) fn add(adds: u32) -> Arc<Step> {
    Arc::new(Step { adds, tries: 1 })
}

impl Steps for Sums {
    type Value = u32;
    type Step = Step;
    type Fold = u32;
    type Failure = &'static str;

    fn run(step: &Step, x: u32) -> Outcome<Self> {
        match step.adds {
            0 => Outcome::Failed("zero"),
            adds => Outcome::Value(x + adds),
        }
    }

    fn pause(step: &Step, attempts: u32) -> Option<Duration> {
        (attempts < step.tries).then_some(Duration::ZERO)
    }

    fn enter(f: impl FnOnce()) {
        if let Some(call) = lock(&ENTERING).take() {
            call();
        }
        f();
    }

    fn give_up(_: &Step, failure: &'static str) -> Outcome<Self> {
        Outcome::Failed(failure)
    }

    fn timed_out(_: &Step, _: u32, _: Duration) -> &'static str {
        "late"
    }

    fn fold(sum: &mut u32, x: u32) -> Outcome<Self> {
        if x == 0 {
            return Outcome::Failed("zero");
        }
        *sum += x;
        Outcome::Value(*sum)
    }

    fn reset(sum: &mut u32) {
        *sum = 0;
    }
}

/// Called by the next thread outside the engine before it continues.
pub(super) static ENTERING: Mutex<Option<Box<dyn FnOnce() + Send>>> = Mutex::new(None);

/// Keeps runners until the test runs them.
#[derive(Clone, Default)]
struct Later(Arc<Mutex<VecDeque<Started>>>);

type Started = (Runner<Sums>, Option<Over<Sums>>);

impl Engine<Sums> for Later {
    fn width(&self) -> usize {
        2
    }

    fn start(&self, runner: Runner<Sums>, limit: Option<(Duration, Over<Sums>)>) {
        let over = limit.map(|(_, over)| over);
        lock(&self.0).push_back((runner, over));
    }

    fn lost(&self) -> &'static str {
        "lost"
    }
}

impl Later {
    fn next(&self) -> Option<Started> {
        lock(&self.0).pop_front()
    }

    fn run_all(&self) -> usize {
        let mut count = 0;
        while let Some((runner, _)) = self.next() {
            runner.run(|| count += 1);
        }
        count
    }
}

fn engine() -> (Later, Arc<Queue<Sums>>) {
    let engine = Later::default();
    (engine.clone(), Queue::new(engine))
}

pub(super) fn shown(part: &Part<Sums>) -> Result<u32, &'static str> {
    match part.outcome() {
        Some(Outcome::Value(x)) => Ok(x),
        Some(Outcome::Failed(failure)) => Err(failure),
        Some(Outcome::Dropped) => Err("dropped"),
        None => Err("unknown"),
    }
}

#[test]
fn consecutive_steps_are_one_job() {
    let (engine, queue) = engine();
    let part = Part::first(&queue, 1, add(1)).then(add(2)).then(add(3));
    assert_eq!(shown(&part), Err("unknown"));
    part.launch();
    part.launch();
    assert_eq!(engine.run_all(), 1);
    assert_eq!(shown(&part), Ok(7));
    assert!(queue.is_idle());
}

#[test]
fn elements_waiting_behind_a_slow_one_get_another_thread() {
    let (engine, queue) = engine();
    // The calls have been quick so far.
    lock(&queue.state).turns.learn(Duration::from_nanos(100), 1);
    let parts: Vec<_> = (1..=3).map(|x| Part::first(&queue, x, add(1))).collect();
    parts.iter().for_each(Part::launch);
    // The first thread is blocked.
    let stuck = engine.next();
    let (second, _) = (0..60_000)
        .find_map(|_| {
            std::thread::sleep(Duration::from_millis(1));
            engine.next()
        })
        .expect("another thread is woken");
    second.run(|| {});
    assert_eq!(
        parts.iter().map(shown).collect::<Vec<_>>(),
        [Ok(2), Ok(3), Ok(4)]
    );
    drop(stuck);
    assert!(queue.is_idle());
}

#[test]
fn a_shared_step_runs_once() {
    let (engine, queue) = engine();
    let shared = Part::first(&queue, 1, add(1));
    let (one, two) = (shared.clone().then(add(1)), shared.clone().then(add(2)));
    one.launch();
    two.launch();
    engine.run_all();
    assert_eq!(
        (shown(&shared), shown(&one), shown(&two)),
        (Ok(2), Ok(3), Ok(4))
    );
}

#[test]
fn a_failure_ends_one_element_only() {
    let (engine, queue) = engine();
    let (bad, good) = (
        Part::first(&queue, 1, add(0)),
        Part::first(&queue, 1, add(1)),
    );
    let (bad, good) = (bad.then(add(1)), good.then(add(1)));
    bad.launch();
    good.launch();
    engine.run_all();
    assert_eq!((shown(&bad), shown(&good)), (Err("zero"), Ok(3)));
}

#[test]
fn parts_run_on_demand_without_a_launch() {
    let (engine, queue) = engine();
    drop(Part::first(&queue, 1, add(1)).then(add(2)));
    assert!(!queue.is_idle());
    assert_eq!(engine.run_all(), 1);
    assert!(queue.is_idle());
}

#[test]
fn a_chain_of_100000_steps_is_launched_in_pieces() {
    let (engine, queue) = engine();
    let first = Part::first(&queue, 0, add(1));
    let part = (1..100_000).fold(first, |part, _| part.then(add(1)));
    part.launch();
    engine.run_all();
    assert_eq!(shown(&part), Ok(100_000));
}

#[test]
fn an_engine_that_has_ended_fails_waiting_elements() {
    let (engine, queue) = engine();
    let part = Part::first(&queue, 1, add(1));
    let strand = Strand::new(0);
    let sum = strand.push(part.clone());
    while let Some(runner) = engine.next() {
        drop(runner);
    }
    assert_eq!((shown(&part), shown(&sum)), (Err("lost"), Err("lost")));
    assert!(queue.is_idle());
}

#[test]
fn a_state_goes_through_elements_in_order() {
    let (engine, queue) = engine();
    let strand = Strand::new(0);
    let inputs = [1, 2, 3].map(|x| Part::first(&queue, x, add(if x == 2 { 0 } else { 1 })));
    let sums: Vec<_> = inputs.into_iter().map(|x| strand.push(x)).collect();
    strand.reset();
    let after = strand.push(Part::settled(&queue, Outcome::Value(5)));
    engine.run_all();
    let sums: Vec<_> = sums.iter().map(shown).collect();
    assert_eq!(sums, [Ok(2), Err("zero"), Ok(6)]);
    assert_eq!(shown(&after), Ok(5));
}

#[test]
fn a_failure_does_not_change_the_state() {
    let (engine, queue) = engine();
    let strand = Strand::new(0);
    let inputs = [1, 0, 2].map(|x| Part::settled(&queue, Outcome::Value(x)));
    let sums = inputs.map(|x| strand.push(x));
    engine.run_all();
    assert_eq!(sums.each_ref().map(shown), [Ok(1), Err("zero"), Ok(3)]);
}

#[test]
fn a_limited_call_ends_with_its_result_or_its_timeout() {
    let (engine, queue) = engine();
    let limit = Duration::from_secs(1);
    let calls =
        [(); 3].map(|()| Part::settled(&queue, Outcome::Value(1)).then_within(add(1), limit));
    let next = calls[0].clone().then(add(1));
    // The first is in time, the second times out, and the third never begins.
    let (runner, over) = engine.next().expect("a call was started");
    runner.run(|| {});
    over.expect("it has a limit")(None);
    let (runner, over) = engine.next().expect("a call was started");
    over.expect("it has a limit")(None);
    runner.run(|| {});
    drop(engine.next());
    assert_eq!(
        calls.each_ref().map(shown),
        [Ok(2), Err("late"), Err("lost")]
    );
    next.launch();
    engine.run_all();
    assert_eq!(shown(&next), Ok(3));
    assert!(queue.is_idle());
}

#[test]
fn each_attempt_has_the_full_limit() {
    let (engine, queue) = engine();
    let step = Arc::new(Step { adds: 1, tries: 3 });
    let call = Part::settled(&queue, Outcome::Value(1)).then_within(step, Duration::from_secs(1));
    for _ in 0..2 {
        let (_runner, over) = engine.next().expect("a call was started");
        over.expect("it has a limit")(None);
        assert_eq!(shown(&call), Err("unknown"));
    }
    engine.run_all();
    assert_eq!(shown(&call), Ok(2));
}

#[test]
fn an_element_waits_for_a_running_call() {
    let (engine, queue) = engine();
    let source =
        Part::settled(&queue, Outcome::Value(1)).then_within(add(1), Duration::from_secs(1));
    let limited = engine.next().expect("a call was started");
    let behind = source.then(add(1));
    behind.launch();
    engine.run_all();
    assert_eq!(shown(&behind), Err("unknown"));
    limited.0.run(|| {});
    engine.run_all();
    assert_eq!(shown(&behind), Ok(3));
}
