//! Async functions that await an `emit` leading back to themselves do not deadlock.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use thalweg::{Stream, VirtualClock};

type Log = Arc<Mutex<Vec<u64>>>;

/// An async function that records its element and emits the next number, twice if that is even.
fn again(
    to: &Stream<u64>,
    log: &Log,
    last: u64,
) -> impl FnMut(u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + Send>> + Send + 'static {
    let (to, log) = (to.clone(), log.clone());
    move |x| {
        let (to, log) = (to.clone(), log.clone());
        Box::pin(async move {
            log.lock().unwrap().push(x);
            if x < last {
                to.emit(x + 1).await.unwrap();
            }
            x
        })
    }
}

fn upto(last: u64) -> Vec<u64> {
    (0..=last).collect()
}

#[test]
fn every_awaiting_operator_can_emit_back_into_the_pipeline() {
    type Build = fn(&Stream<u64>, &Stream<u64>, &Log);
    let operators: [(&str, Build); 9] = [
        ("then", |s, to, log| {
            s.then(again(to, log, 20)).sink(drop);
        }),
        ("then between maps", |s, to, log| {
            s.map(|x| x).then(again(to, log, 20)).map(|x| x).sink(drop);
        }),
        ("sink_async", |s, to, log| {
            let mut call = again(to, log, 20);
            s.sink_async(move |x| {
                let called = call(x);
                async move {
                    called.await;
                }
            });
        }),
        ("map_async", |s, to, log| {
            s.map_async(1, again(to, log, 20)).sink(drop);
        }),
        ("map_async, three", |s, to, log| {
            s.map_async(3, again(to, log, 20)).sink(drop);
        }),
        ("after a buffer", |s, to, log| {
            s.buffer(1).then(again(to, log, 20)).sink(drop);
        }),
        ("after a rate limit", |s, to, log| {
            s.rate_limit("1s").then(again(to, log, 20)).sink(drop);
        }),
        ("two in a row", |s, to, log| {
            let quiet = Log::default();
            s.then(again(to, log, 20))
                .then(again(to, &quiet, 0))
                .sink(drop);
        }),
        ("after a map", |s, to, log| {
            let mapped = s.map(|x| x);
            mapped.then(again(to, log, 20)).sink(drop);
        }),
    ];
    for (name, build) in operators {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let log = Log::default();
        build(&source, &source, &log);
        let emitted = clock.block_on(async { ends(&clock, source.emit(0)).await });
        assert!(emitted, "{name}: {:?}", log.lock().unwrap());
        // If emitters do not wait, the rest arrives later.
        clock.advance(Duration::from_secs(60));
        assert_eq!(*log.lock().unwrap(), upto(20), "{name}");
        clock.block_on(source.drain("1h")).unwrap();
    }
}

/// Whether a future ends within an hour.
async fn ends(
    clock: &VirtualClock,
    future: impl Future<Output = Result<(), thalweg::Error>> + Unpin,
) -> bool {
    let sleep = Box::pin(clock.sleep(Duration::from_secs(3600)));
    let first = futures_util::future::select(future, sleep).await;
    matches!(first, futures_util::future::Either::Left((Ok(()), _)))
}

#[test]
fn two_pipelines_emit_into_each_other() {
    for buffered in [false, true] {
        let clock = VirtualClock::new();
        let (ping, pong) = (Stream::on(&clock), Stream::on(&clock));
        let log = Log::default();
        let (one, two) = if buffered {
            (ping.buffer(1), pong.buffer(1))
        } else {
            (ping.map(|x| x), pong.map(|x| x))
        };
        one.then(again(&pong, &log, 50)).sink(drop);
        two.then(again(&ping, &log, 50)).sink(drop);
        for x in [0, 0, 0] {
            let is_done = clock.block_on(ends(&clock, ping.emit(x)));
            assert!(is_done, "{buffered}: {:?}", log.lock().unwrap());
        }
        clock.run_until_idle();
        assert_eq!(log.lock().unwrap().len(), 3 * 51);
    }
}

#[test]
fn emitting_back_through_a_synchronous_function() {
    let clock = VirtualClock::new();
    let (outer, relay) = (Stream::on(&clock), Stream::on(&clock));
    let (log, back) = (Log::default(), outer.clone());
    outer.then(again(&relay, &log, 9)).sink(drop);
    relay.sink(move |x| back.emit(x).wait().unwrap());
    assert!(clock.block_on(ends(&clock, outer.emit(0))));
    assert_eq!(*log.lock().unwrap(), upto(9));
}

#[test]
fn the_outer_element_waits_for_those_it_caused() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let (log, timer, to) = (Log::default(), clock.clone(), source.clone());
    let seen = log.clone();
    source
        .then(move |x: u64| {
            let (timer, to, seen) = (timer.clone(), to.clone(), seen.clone());
            async move {
                if x < 3 {
                    to.emit(x + 1).await.unwrap();
                }
                timer.sleep(Duration::from_secs(1)).await;
                seen.lock().unwrap().push(x);
            }
        })
        .sink(drop);
    clock.block_on(source.emit(0)).unwrap();
    assert_eq!(*log.lock().unwrap(), upto(3));
    assert_eq!(clock.now(), Duration::from_secs(4));
}

#[test]
fn a_late_failure_on_a_cycle_is_reported_to_the_first_emitter() {
    let clock = VirtualClock::new();
    let source = Stream::<u64>::on(&clock);
    let to = source.clone();
    source
        .try_then(move |x| {
            let to = to.clone();
            async move {
                if x == 3 {
                    return Err("three");
                }
                to.emit(x + 1).await.map_err(|_| "an earlier one")?;
                Ok(x)
            }
        })
        .sink(drop);
    let error = clock.block_on(source.emit(0)).unwrap_err();
    assert_eq!(error.failures()[0].element::<u64>(), Some(3));
}

#[test]
fn many_rounds_leave_no_element_waiting() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let log = Log::default();
    source.then(again(&source, &log, 100_000)).sink(drop);
    clock.block_on(source.emit(0)).unwrap();
    assert_eq!(log.lock().unwrap().len(), 100_001);
    assert!(source.is_pipeline_idle());
}

/// Each element below 100 causes two more, so that they soon exceed the capacity of all queues.
fn children(x: u64) -> Vec<u64> {
    if x < 100 {
        vec![2 * x + 1, 2 * x + 2]
    } else {
        Vec::new()
    }
}

type Chain = fn(&Stream<u64>) -> Stream<u64>;

/// Cycles with several operators that make others wait for room.
const FULL: [(&str, Chain); 8] = [
    ("two buffers", |s| s.buffer(1).map(|x| x).buffer(1)),
    ("a buffer and map_async", |s| {
        s.buffer(2).map_async(2, async |x| x)
    }),
    ("map_async and a buffer", |s| {
        s.map_async(1, async |x| x).buffer(1)
    }),
    ("a buffer and calls one by one", |s| {
        s.buffer(1).then(async |x| x).buffer(1)
    }),
    ("a buffer after a rate limit", |s| {
        s.rate_limit("1ms").buffer(1).map(|x| x).buffer(1)
    }),
    ("a buffer and windows", |s| {
        s.buffer(1).timed_window("1ms").flatten().buffer(1)
    }),
    ("a buffer and a delay", |s| {
        s.buffer(1).delay("1ms").buffer(1)
    }),
    ("three", |s| s.buffer(1).buffer(1).buffer(1)),
];

#[test]
fn full_queues_on_one_cycle_do_not_wait_for_each_other() {
    for (name, chain) in FULL {
        for closed_by in ["an edge", "an asynchronous function", "a function"] {
            let clock = VirtualClock::new();
            let source = Stream::on(&clock);
            let next = chain(&source);
            let list = next.sink_to_list();
            let next = next.map(children).flatten();
            let back = source.clone();
            match closed_by {
                "an edge" => next.connect(&source).unwrap(),
                "a function" => drop(next.sink(move |x| back.emit(x).wait().unwrap())),
                _ => drop(next.sink_async(move |x| {
                    let emitted = back.emit(x);
                    async move { emitted.await.unwrap() }
                })),
            }
            let emitted = clock.block_on(ends(&clock, source.emit(0)));
            assert!(emitted, "{name}, closed by {closed_by}");
            clock.advance(Duration::from_secs(10));
            let mut got = list.to_vec();
            got.sort_unstable();
            assert_eq!(got, upto(200), "{name}, closed by {closed_by}");
            drop(next);
        }
    }
}

#[test]
fn full_queues_of_two_pipelines_do_not_wait_for_each_other() {
    let clock = VirtualClock::new();
    let (ping, pong) = (Stream::on(&clock), Stream::on(&clock));
    let seen = Log::default();
    for (from, to) in [(&ping, &pong), (&pong, &ping)] {
        let (to, seen) = (to.clone(), seen.clone());
        from.buffer(1).map(|x| x).buffer(1).sink(move |x| {
            seen.lock().unwrap().push(x);
            for child in children(x) {
                to.emit(child).wait().unwrap();
            }
        });
    }
    assert!(clock.block_on(ends(&clock, ping.emit(0))));
    clock.advance(Duration::from_secs(10));
    let mut got = seen.lock().unwrap().clone();
    got.sort_unstable();
    assert_eq!(got, upto(200));
}

#[test]
fn elements_from_outside_wait_for_room_on_a_cycle() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let next = source.buffer(2).rate_limit("1s");
    let list = next.sink_to_list();
    next.filter(|_| false).connect(&source).unwrap();
    let mut emitted: Vec<_> = (0..10).map(|x| Some(source.emit(x))).collect();
    let mut taken = || {
        for slot in &mut emitted {
            if slot
                .as_mut()
                .is_some_and(|emit| emit.now_or_never().is_some())
            {
                *slot = None;
            }
        }
        emitted.iter().filter(|slot| slot.is_none()).count()
    };
    let before = taken();
    assert!(before < 6, "{before} were taken at once");
    clock.advance(Duration::from_secs(20));
    assert_eq!(taken(), 10);
    assert_eq!(list.len(), 10);
}
