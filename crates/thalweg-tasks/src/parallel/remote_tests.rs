//! Batches of elements that a test returns or loses.

use super::tests::{ENTERING, Step, Sums, add, shown};
use super::*;
use crate::sync::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Keeps batches until the test settles them.
#[derive(Clone, Default)]
struct Away(Arc<Mutex<VecDeque<Batch<Sums>>>>);

impl BatchEngine<Sums> for Away {
    fn width(&self) -> usize {
        2
    }

    fn size_of(&self, value: &u32) -> usize {
        // One element has a quarter of a batch's maximum size.
        if *value == 1_000 { 1 << 18 } else { 0 }
    }

    fn send(&self, batch: Batch<Sums>) {
        lock(&self.0).push_back(batch);
    }

    fn lost(&self) -> &'static str {
        "lost"
    }
}

impl Away {
    fn take(&self) -> Option<Batch<Sums>> {
        lock(&self.0).pop_front()
    }

    /// Returns the next batch; its elements.
    fn run(&self) -> Option<Vec<u32>> {
        let batch = self.take()?;
        let (mut values, mut outcomes) = (Vec::new(), Vec::new());
        let mut sum = batch.with_fold(|sum| *sum);
        batch.for_each(|trip| {
            values.push(*trip.value);
            let mut x = Outcome::Value(*trip.value);
            trip.for_each_step(|step: &Arc<Step>, is_wanted| {
                if let Outcome::Value(value) = x {
                    x = Sums::run(step, value);
                }
                if is_wanted {
                    outcomes.push(x.clone());
                }
            });
            if let Some(sum) = &mut sum {
                if trip.resets {
                    Sums::reset(sum);
                }
                outcomes.push(Sums::fold(sum, *trip.value));
            }
        });
        if let Some(sum) = sum {
            batch.with_fold(|place| *place = sum);
        }
        batch.settle(outcomes, 1e-9);
        Some(values)
    }

    fn run_all(&self) -> Vec<Vec<u32>> {
        let next = || {
            send_held();
            self.run()
        };
        std::iter::from_fn(next).collect()
    }
}

fn engine() -> (Away, Arc<Queue<Sums>>) {
    let engine = Away::default();
    (engine.clone(), Queue::batched(engine))
}

fn launched(queue: &Arc<Queue<Sums>>, values: impl IntoIterator<Item = u32>) -> Vec<Part<Sums>> {
    let step = add(1);
    let parts = values.into_iter().map(|x| {
        let part = Part::first(queue, x, step.clone());
        part.launch();
        part
    });
    parts.collect()
}

#[test]
fn elements_queued_meanwhile_are_batched() {
    let (engine, queue) = engine();
    let parts = launched(&queue, 0..101);
    let batches = engine.run_all();
    assert_eq!(batches[0], [0]);
    // Their duration is known then.
    assert!(batches.len() < 10, "{batches:?}");
    assert_eq!(batches.concat().len(), 101);
    for (x, part) in parts.iter().enumerate() {
        assert_eq!(shown(part), Ok(x as u32 + 1));
    }
    assert!(queue.is_idle());
}

#[test]
fn large_elements_are_not_batched() {
    let (engine, queue) = engine();
    let _parts = launched(&queue, [1_000; 40]);
    let batches = engine.run_all();
    assert!(batches.iter().all(|batch| batch.len() <= 4), "{batches:?}");
    assert_eq!(batches.concat().len(), 40);
}

#[test]
fn held_back_elements_are_sent_after_a_moment() {
    let (engine, queue) = engine();
    drop(launched(&queue, 0..20));
    engine.run_all();
    // The batcher waits for as many as before, without being told that none follow.
    let parts = launched(&queue, [20]);
    let came = (0..60_000).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(1));
        engine.run().is_some()
    });
    assert!(came);
    assert_eq!(shown(&parts[0]), Ok(21));
    assert!(queue.is_idle());
}

#[test]
fn held_back_elements_are_sent_even_if_a_state_advances_meanwhile() {
    let (engine, queue) = engine();
    drop(launched(&queue, 0..20));
    engine.run_all();
    let (sums, value) = (Strand::new(0), Part::settled(&queue, Outcome::Value(1_u32)));
    *lock(&ENTERING) = Some(Box::new(move || drop(sums.push(value))));
    // Held-back elements are sent after a moment, every time.
    for x in [30, 31] {
        drop(launched(&queue, 0..20));
        engine.run_all();
        let parts = launched(&queue, [x]);
        let came = (0..60_000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            while engine.run().is_some() {}
            parts[0].is_settled()
        });
        assert!(came, "{x} is held back");
    }
}

#[test]
fn a_chain_is_sent_as_one_and_a_shared_step_runs_once() {
    let (engine, queue) = engine();
    let shared = Part::first(&queue, 1, add(1));
    let (left, right) = (shared.clone().then(add(10)), shared.then(add(20)));
    left.launch();
    right.launch();
    assert_eq!(engine.run(), Some(vec![1]));
    assert_eq!(shown(&left), Ok(12));
    assert_eq!(engine.run(), Some(vec![2]));
    assert_eq!(shown(&right), Ok(22));
    assert!(queue.is_idle());
}

#[test]
fn elements_of_a_lost_batch_are_resent_one_by_one() {
    let (engine, queue) = engine();
    drop(launched(&queue, [0]));
    engine.run_all();
    let parts = launched(&queue, 0..9);
    let lost = std::iter::from_fn(|| engine.take()).collect::<Vec<_>>();
    let several = lost.iter().filter(|batch| batch.len() > 1).count();
    assert!(several <= lost.len());
    lost.into_iter()
        .for_each(|batch| batch.lose("the worker died"));
    let mut alone = 0;
    let next = || {
        send_held();
        engine.take()
    };
    while let Some(batch) = next() {
        if batch.len() == 1 {
            alone += 1;
        }
        batch.lose("the worker died");
    }
    assert!(alone > 1);
    for part in &parts {
        assert_eq!(shown(part), Err("the worker died"));
    }
    assert!(queue.is_idle());
}

#[test]
fn a_dropped_batch_counts_as_lost() {
    let (engine, queue) = engine();
    let parts = launched(&queue, [1]);
    drop(engine.take());
    assert_eq!(shown(&parts[0]), Err("lost"));
}

#[test]
fn a_state_goes_through_batches_in_order() {
    let (engine, queue) = engine();
    let sums = Strand::new(0);
    let sum = |x| {
        let part = Part::settled(&queue, Outcome::Value(x));
        sums.push(part)
    };
    let mut parts: Vec<_> = (1..=3).map(sum).collect();
    parts.push(sums.push(Part::settled(&queue, Outcome::Dropped)));
    sums.reset();
    parts.extend([5, 6].map(sum));
    let batches = engine.run_all();
    assert_eq!(batches, [vec![1], vec![2, 3, 5, 6]]);
    let results: Vec<_> = parts.iter().map(shown).collect();
    assert_eq!(
        results,
        [Ok(1), Ok(3), Ok(6), Err("dropped"), Ok(5), Ok(11)]
    );
    assert!(queue.is_idle());
}

#[test]
fn a_state_waits_for_pending_elements_and_survives_a_lost_batch() {
    let (engine, queue) = engine();
    let sums = Strand::new(0);
    let parts: Vec<_> = [1, 2, 3]
        .map(|x| sums.push(Part::first(&queue, x, add(10))))
        .into();
    // Elements come first.
    while let Some(batch) = engine.take() {
        let is_fold = batch.is_fold();
        if is_fold && batch.len() > 1 {
            batch.lose("the worker died");
            break;
        }
        lock(&engine.0).push_front(batch);
        engine.run();
    }
    while let Some(batch) = engine.take() {
        assert!(!batch.is_fold() || batch.len() == 1);
        lock(&engine.0).push_front(batch);
        engine.run();
    }
    let results: Vec<_> = parts.iter().map(shown).collect();
    assert_eq!(results, [Ok(11), Ok(23), Ok(36)]);
    assert!(queue.is_idle());
}

/// An engine whose size function lets another thread run meanwhile, as Python does.
struct Asking {
    away: Away,
    strand: Arc<Strand<Sums>>,
}

impl BatchEngine<Sums> for Asking {
    fn width(&self) -> usize {
        1
    }

    fn size_of(&self, _: &u32) -> usize {
        let strand = self.strand.clone();
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            strand.reset();
            // The receiver is gone if it took too long.
            let _ = done.send(());
        });
        let waited = is_done.recv_timeout(std::time::Duration::from_secs(60));
        assert!(waited.is_ok(), "the other thread waits for a lock");
        0
    }

    fn send(&self, batch: Batch<Sums>) {
        self.away.send(batch);
    }

    fn lost(&self) -> &'static str {
        "lost"
    }
}

#[test]
fn no_lock_is_held_while_a_size_is_measured() {
    let (away, strand) = (Away::default(), Strand::new(0));
    let queue = Queue::batched(Asking {
        away: away.clone(),
        strand: strand.clone(),
    });
    let push = |x| strand.push(Part::settled(&queue, Outcome::Value(x)));
    let parts: Vec<_> = (1..=3).map(push).collect();
    away.run_all();
    assert!(parts.iter().all(|part| shown(part).is_ok()));
    assert!(queue.is_idle());
}
