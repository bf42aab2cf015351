//! Emits that time out or are dropped: waiting elements are withdrawn, accepted ones are delivered.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::{Either, select};
use thalweg::ops::zip_bounded;
use thalweg::{Ack, Outcome, Stream, VirtualClock};

/// Whether the element is accepted within `limit`.
fn emit_within(clock: &VirtualClock, limit: Duration, emit: thalweg::Emit) -> bool {
    let sleep = Box::pin(clock.sleep(limit));
    let first = clock.block_on(select(emit, sleep));
    matches!(first, Either::Left((Ok(()), _)))
}

type Build = fn(&Stream<u64>) -> Stream<u64>;

/// Each accepts some elements at once, and then one per hour.
const STUCK: [(&str, Build); 6] = [
    ("buffer", |s| s.buffer(2).rate_limit("1h")),
    ("rate_limit", |s| s.rate_limit("1h")),
    ("delay", |s| {
        s.apply(thalweg::ops::DelayOptions::by("1h").bound(2))
    }),
    ("shift", |s| {
        s.apply(thalweg::ops::ShiftOptions::by("1h").bound(2))
    }),
    ("then", |s| {
        s.then(|x| async move { x }).buffer(1).rate_limit("1h")
    }),
    ("after a branch", |s| {
        s.map(|x| x).buffer(1).rate_limit("1h")
    }),
];

#[test]
fn memory_of_a_stuck_pipeline_is_bounded_by_waiting_emitters() {
    for (name, build) in STUCK {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let list = build(&source).sink_to_list();
        let mut taken = 0;
        for x in 0..1000 {
            if emit_within(&clock, Duration::from_millis(1), source.emit(x)) {
                taken += 1;
            }
        }
        assert!(taken < 10, "{name}");
        let held: u64 = source.graph_view().nodes.iter().map(held).sum();
        assert!(held < 10, "{name}: {held}");
        clock.block_on(source.drain("100h")).unwrap();
        assert_eq!(list.len(), taken, "{name}");
    }
}

/// Joins whose emitters wait for elements of the second stream.
type Join = fn(&Stream<u64>, &Stream<u64>) -> Stream<u64>;

const JOINS: [(&str, usize, Join); 3] = [
    ("zip", 2, |a, b| zip_bounded(2, (a, b)).map(|(x, _)| x)),
    ("zip of a list", 2, |a, b| {
        zip_bounded(2, &[a.clone(), b.clone()][..]).map(|row| row[0])
    }),
    ("zip_latest", 1000, |a, b| a.zip_latest(b).map(|(x, _)| x)),
];

#[test]
fn an_emit_dropped_at_a_full_join_is_withdrawn() {
    for (name, bound, join) in JOINS {
        let clock = VirtualClock::new();
        let (source, other) = (Stream::on(&clock), Stream::on(&clock));
        let list = join(&source, &other).sink_to_list();
        let bound = bound as u64;
        for x in 0..bound {
            clock.block_on(source.emit(x)).unwrap();
        }
        let waits = source.emit(bound);
        for x in 0..100 {
            assert!(!emit_within(
                &clock,
                Duration::from_millis(1),
                source.emit(5000 + x)
            ));
        }
        let held: u64 = source.graph_view().nodes.iter().map(held).sum();
        assert_eq!(held, bound + 1, "{name}");
        assert!(!waits.is_ready(), "{name}");
        for x in 0..=bound {
            clock.block_on(other.emit(x)).unwrap();
        }
        clock.block_on(waits).unwrap();
        assert_eq!(list.to_vec(), (0..=bound).collect::<Vec<_>>(), "{name}");
        clock.block_on(source.drain("1s")).unwrap();
    }
}

fn held(node: &thalweg::view::NodeView) -> u64 {
    node.counters.held
}

#[test]
fn a_withdrawn_element_is_not_acknowledged_as_delivered() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    source.rate_limit("1h").sink(drop);
    clock.block_on(source.emit(0)).unwrap();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let log = outcomes.clone();
    let ack = Ack::new(move |outcome| log.lock().unwrap().push(outcome));
    assert!(!emit_within(
        &clock,
        Duration::from_secs(1),
        source.emit_with(1, ack)
    ));
    assert_eq!(*outcomes.lock().unwrap(), [Outcome::Failed]);
}

#[test]
fn an_emit_dropped_before_its_first_poll_is_delivered() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.rate_limit("1s").sink_to_list();
    for x in 0..5 {
        drop(source.emit(x));
    }
    clock.advance(Duration::from_secs(10));
    assert_eq!(list.to_vec(), [0, 1, 2, 3, 4]);
}

#[test]
fn an_accepted_element_is_delivered_although_its_emit_is_dropped() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let timer = clock.clone();
    let (sender, done) = std::sync::mpsc::channel();
    source.sink_async(move |x: u64| {
        let (sleep, sender) = (timer.sleep(Duration::from_secs(9)), sender.clone());
        async move {
            sleep.await;
            sender.send(x).unwrap();
        }
    });
    assert!(!emit_within(&clock, Duration::from_secs(1), source.emit(7)));
    clock.advance(Duration::from_secs(10));
    assert!(done.try_iter().eq([7]));
}

#[test]
fn a_timed_out_drain_releases_emitters() {
    let source = Stream::new();
    let pulled = source.pull(1);
    source.emit(1).wait().unwrap();
    let emitter = source.clone();
    let (begun, wait) = std::sync::mpsc::channel();
    let blocked = std::thread::spawn(move || {
        let emit = emitter.emit(2);
        begun.send(()).unwrap();
        emit.wait()
    });
    wait.recv().unwrap();
    assert!(source.drain("50ms").wait().is_err());
    let error = blocked.join().unwrap().unwrap_err();
    assert!(error.is_closed(), "{error}");
    drop(pulled);
}

#[test]
fn a_blocking_emit_has_a_timeout() {
    let source = Stream::new();
    let mut pulled = source.pull(1);
    source.emit(1).wait_timeout(0).unwrap();
    for x in 0..100 {
        let error = source.emit(x).wait_timeout("1ms").unwrap_err();
        assert!(error.is_timed_out(), "{error}");
    }
    assert_eq!(pulled.try_next(), Some(1));
    assert_eq!(pulled.try_next(), None);
    assert!(source.emit(5).wait_timeout("-1s").unwrap_err().is_build());
}
