//! Elements and the threads that process them, in every interleaving.

use super::*;
use loom::thread;
use std::sync::{Arc, Mutex};
use std::time::Duration;

enum Sums {}

impl Steps for Sums {
    type Value = u32;
    type Step = u32;
    type Fold = u32;
    type Failure = ();

    fn run(adds: &u32, x: u32) -> Outcome<Self> {
        Outcome::Value(x + adds)
    }

    fn pause(_: &u32, _: u32) -> Option<Duration> {
        None
    }

    fn give_up(_: &u32, failure: ()) -> Outcome<Self> {
        Outcome::Failed(failure)
    }

    fn timed_out(_: &u32, _: u32, _: Duration) {}

    fn fold(sum: &mut u32, x: u32) -> Outcome<Self> {
        *sum += x;
        Outcome::Value(*sum)
    }

    fn reset(sum: &mut u32) {
        *sum = 0;
    }
}

/// A thread for each runner.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<thread::JoinHandle<()>>>>);

impl Engine<Sums> for Threads {
    fn width(&self) -> usize {
        1
    }

    fn start(&self, runner: Runner<Sums>, _: Option<(Duration, Over<Sums>)>) {
        let started = thread::spawn(move || runner.run(|| {}));
        self.0.lock().unwrap().push(started);
    }

    fn lost(&self) {}
}

impl Threads {
    fn join(&self) {
        loop {
            let Some(thread) = self.0.lock().unwrap().pop() else {
                return;
            };
            thread.join().unwrap();
        }
    }
}

fn value(part: &Part<Sums>) -> Option<u32> {
    match part.outcome() {
        Some(Outcome::Value(x)) => Some(x),
        _ => None,
    }
}

#[test]
fn loom_every_launched_part_finishes() {
    loom::model(|| {
        let threads = Threads::default();
        let queue = Queue::new(threads.clone());
        let one = Part::first(&queue, 1, Arc::new(1));
        let two = one.clone().then(Arc::new(1));
        one.launch();
        two.launch();
        threads.join();
        assert_eq!((value(&one), value(&two)), (Some(2), Some(3)));
    });
}

#[test]
fn loom_a_strand_goes_through_all_elements() {
    loom::model(|| {
        let threads = Threads::default();
        let queue = Queue::new(threads.clone());
        let strand = Strand::new(0);
        let sums = [1, 2].map(|x| strand.push(Part::settled(&queue, Outcome::Value(x))));
        threads.join();
        assert_eq!(sums.each_ref().map(value), [Some(1), Some(3)]);
    });
}
