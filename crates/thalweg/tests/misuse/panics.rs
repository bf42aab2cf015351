//! Panics in all kinds of user code.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thalweg::{Ack, OnError, Stream, VirtualClock};

use crate::{Log, odd_fails};

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a drop that panics, on purpose");
    }
}

#[test]
fn a_panicking_drop_leaves_the_thread_usable() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let bomb = Bomb;
    source.buffer(3).rate_limit("1s").sink(move |_: i32| {
        let _ = &bomb;
    });
    drop((source.emit(1), source.emit(2)));
    drop(source);
    let _ = std::panic::catch_unwind(|| clock.advance(Duration::from_secs(5)));

    let (left, right) = (Stream::<i32>::new(), Stream::<i32>::new());
    let list = right.sink_to_list();
    left.connect(&right).unwrap();
    left.emit(1).wait().unwrap();
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn a_payload_whose_drop_panics_leaves_the_pipeline_usable() {
    let source = Stream::new();
    let list = source.sink_to_list();
    let ack = Ack::with_payload(Bomb, |_, _| ());
    source.emit_with(1, ack).wait().unwrap();
    source.emit(2).wait().unwrap();
    assert_eq!(list.to_vec(), [1, 2]);
}

/// Its clone panics, once.
#[derive(Debug)]
struct Fragile(Arc<AtomicUsize>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert_ne!(self.0.fetch_sub(1, Ordering::Relaxed), 1, "on purpose");
        Self(self.0.clone())
    }
}

#[test]
fn a_clone_that_panics_stalls_no_loop() {
    let source = Stream::new();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let node = source
        .filter(move |_: &Fragile| {
            count.fetch_add(1, Ordering::Relaxed);
            false
        })
        .on_error(OnError::Skip);
    node.connect(&node).unwrap();
    assert!(
        source
            .emit(Fragile(Arc::new(AtomicUsize::new(1))))
            .wait()
            .is_err()
    );
    assert!(
        source
            .emit(Fragile(Arc::new(AtomicUsize::new(9))))
            .is_ready()
    );
    assert_eq!(sent.load(Ordering::Relaxed), 1);
}

#[test]
fn failures_fed_back_are_not_blocked_by_a_panic() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    // With two error streams, the node itself sends each failure to both.
    let (errors, others) = (parsed.errors(), parsed.errors());
    let again = source.clone();
    let first = errors.sink(move |failure| {
        if failure.element::<i32>() == Some(1) {
            again.emit(3).wait().unwrap();
        }
    });
    let seen: Log<Option<i32>> = Arc::default();
    let log = seen.clone();
    others.sink(move |failure| {
        let x = failure.element::<i32>();
        log.lock().unwrap().push(x);
        assert_ne!(x, Some(1), "on purpose");
    });
    let _ = source.emit(1).wait();
    let _ = source.emit(5).wait();
    assert_eq!(*seen.lock().unwrap(), [Some(1), Some(3), Some(5)]);
    first.destroy();
}

#[test]
fn panics_in_any_user_code_are_failures_and_leave_the_pipeline_usable() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let bad = |x: i32| assert_ne!(x, 1, "on purpose");
    let list = source
        .filter(move |x| {
            bad(*x / 10);
            true
        })
        .map_async(2, move |x: i32| async move {
            bad(x / 100);
            x
        })
        .buffer(3)
        .scan(0, move |sum, x| {
            bad(x / 1000);
            sum + x
        })
        .flatten_checked()
        .sink_to_list();
    let heard = Arc::new(AtomicUsize::new(0));
    let count = heard.clone();
    source.on_unhandled(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("handlers, too");
    });
    for x in [10, 100, 1000, 5] {
        let ack = Ack::new(|_| panic!("and acknowledgements"));
        drop(source.emit_with(x, ack));
        clock.run_until_idle();
    }
    assert_eq!(list.to_vec(), [5]);
    assert_eq!(heard.load(Ordering::Relaxed), 3);
    clock.block_on(source.drain("1s")).unwrap();
}

trait FlattenChecked {
    fn flatten_checked(&self) -> Stream<i32>;
}

impl FlattenChecked for Stream<i32> {
    fn flatten_checked(&self) -> Stream<i32> {
        self.map(|x| vec![x]).flatten()
    }
}

#[test]
fn elements_before_a_panic_of_their_iterator_are_emitted() {
    let clock = VirtualClock::new();
    let (source, slow) = (Stream::on(&clock), Stream::on(&clock));
    let (list, late) = (source.sink_to_list(), slow.rate_limit("1s").sink_to_list());
    let elements = || (0..10).map(|x| if x == 5 { panic!("on purpose") } else { x });
    assert!(panics(|| source.emit_many(elements()).wait()));
    assert!(panics(|| clock.block_on(slow.emit_many(elements()))));
    assert_eq!(list.to_vec(), [0, 1, 2, 3, 4]);
    assert_eq!(late.to_vec(), [0, 1, 2, 3, 4]);
}

fn panics<R>(f: impl FnOnce() -> R) -> bool {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err()
}
