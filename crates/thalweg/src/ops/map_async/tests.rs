use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::test_inputs::{Bench, build_error, ms};
use crate::runtime::RuntimeHandle;
use crate::sync::lock;
use crate::{Element, OnError, Retry, Stream, VirtualClock};

/// The clock a stream is on.
fn timer<T: Element>(stream: &Stream<T>) -> RuntimeHandle {
    let runtime = stream.graph().runtime();
    runtime.expect("it is built on one").clone()
}

/// A call that takes as many milliseconds as it is given, and returns them.
fn wait(timer: &RuntimeHandle, millis: u64) -> impl Future<Output = u64> + Send + use<> {
    let sleep = timer.sleep(ms(millis));
    async move {
        sleep.await;
        millis
    }
}

/// Counts concurrent calls.
#[derive(Clone, Default)]
struct Gauge {
    running: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gauge {
    async fn count<R>(self, call: impl Future<Output = R>) -> R {
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(running, Ordering::Relaxed);
        let result = call.await;
        self.running.fetch_sub(1, Ordering::Relaxed);
        result
    }
}

/// The plain model: the times at which calls start and end, if each element comes as soon as the
/// one before has a place, and a place is free once its result has been sent.
fn ends(work: &[u64], parallelism: usize, ordered: bool) -> Vec<(u64, u64)> {
    let (mut now, mut places, mut sent) = (0, Vec::new(), Vec::<(u64, u64)>::new());
    for millis in work {
        if places.len() == parallelism {
            let next = if ordered {
                0
            } else {
                let ends = places.iter().enumerate();
                let first = ends.min_by_key(|(_, (end, _))| *end);
                first.map_or(0, |(place, _)| place)
            };
            let (end, millis) = places.remove(next);
            now = now.max(end);
            sent.push((now, millis));
        }
        places.push((now + millis, *millis));
    }
    if !ordered {
        places.sort_by_key(|(end, _)| *end);
    }
    for (end, millis) in places {
        now = now.max(end);
        sent.push((now, millis));
    }
    sent
}

proptest! {
    #[test]
    fn results_are_in_order_and_concurrent_calls_are_bounded(
        work in prop::collection::vec(1..100_u64, 0..30),
        parallelism in 1_usize..6,
        ordered: bool,
    ) {
        // Different times, so that there is only one order.
        let work: Vec<u64> = (0..).zip(work).map(|(i, millis)| millis * 100 + i).collect();
        let gauge = Gauge::default();
        let counted = gauge.clone();
        let bench = Bench::new(|s| {
            let timer = timer(s);
            let call = move |millis| counted.clone().count(wait(&timer, millis));
            if ordered {
                s.map_async(parallelism, call)
            } else {
                s.map_async_unordered(parallelism, call)
            }
        });
        bench.block_on(async {
            for millis in &work {
                bench.emit(*millis).await.expect("it is accepted");
            }
        });
        prop_assert_eq!(bench.drain(), ends(&work, parallelism, ordered));
        prop_assert_eq!(gauge.most.load(Ordering::Relaxed), parallelism.min(work.len()));
        let mut acked = bench.acked();
        let mut sent = work;
        acked.sort_unstable();
        sent.sort_unstable();
        prop_assert_eq!(acked, sent);
    }
}

#[test]
fn emitters_wait_without_spinning_when_all_places_are_taken() {
    let bench = Bench::new(|s| {
        let timer = timer(s);
        s.map_async(2, move |millis| wait(&timer, millis))
    });
    let emitted = [300, 100, 50, 40].map(|millis| bench.emit(millis));
    // A busy loop would never return here.
    bench.clock.run_until_idle();
    let ready = || emitted.each_ref().map(|emitted| emitted.is_ready());
    assert_eq!(ready(), [true, true, false, false]);
    // The second call has ended, and keeps its place until its turn.
    bench.advance_to(299);
    assert_eq!(ready(), [true, true, false, false]);
    bench.advance_to(300);
    assert_eq!(ready(), [true; 4]);
    assert_eq!(bench.take(), [(300, 300), (300, 100)]);
    bench.advance_to(350);
    assert_eq!(bench.take(), [(350, 50), (350, 40)]);
}

#[test]
fn a_slow_sink_delays_calls_and_emitters() {
    let gauge = Gauge::default();
    let counted = gauge.clone();
    let bench = Bench::with_slow_sink(ms(1000), |s| {
        let timer = timer(s);
        s.map_async_unordered(2, move |millis| counted.clone().count(wait(&timer, millis)))
    });
    let emitted: Vec<_> = (1..=10).map(|millis| bench.emit(millis)).collect();
    bench.advance_to(900);
    // One is in the sink, and two wait until it is ready.
    let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
    assert_eq!(ready(), 3);
    assert_eq!(gauge.running.load(Ordering::Relaxed), 0);
    assert!(bench.acked().is_empty());
    bench.advance_to(1001);
    assert_eq!((ready(), bench.acked()), (4, vec![1]));
    let times: Vec<u64> = bench.drain().into_iter().map(|(at, _)| at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 1000));
}

#[test]
fn a_failing_sink_does_not_stop_the_calls() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let failures = Arc::new(Mutex::new(0));
    let heard = failures.clone();
    source.on_unhandled(move |_| *lock(&heard) += 1);
    let runtime = timer(&source);
    source
        .map_async(1, move |millis| wait(&runtime, millis))
        .try_sink(|_| Err::<(), _>("no room"));
    clock.block_on(async {
        for millis in 1..=10 {
            source.emit(millis).await.expect("it is accepted");
        }
        source.drain("1min").await.expect("all are reported");
    });
    assert_eq!(*lock(&failures), 10);
}

#[test]
fn a_retry_keeps_its_place_and_waits_for_the_pause() {
    let called = Arc::new(Mutex::new(Vec::new()));
    let log = called.clone();
    let bench = Bench::new(|s| {
        let timer = timer(s);
        s.try_map_async(3, move |millis| {
            let now = timer.now().as_millis() as u64;
            let mut log = lock(&log);
            log.push((now, millis));
            let first = log.iter().filter(|(_, x)| *x == millis).count() == 1;
            let wait = wait(&timer, millis);
            async move {
                let result = wait.await;
                if millis == 100 && first {
                    return Err("not yet");
                }
                Ok(result)
            }
        })
        .on_error(Retry::times(1).backoff("1s"))
    });
    for millis in [100, 20, 30] {
        assert!(bench.emit(millis).is_ready());
    }
    assert_eq!(bench.drain(), [(1200, 100), (1200, 20), (1200, 30)]);
    let expected = [(0, 100), (0, 20), (0, 30), (1100, 100)];
    assert_eq!(*lock(&called), expected);
    assert_eq!(bench.acked(), [100, 20, 30]);
}

#[test]
fn failures_arrive_in_order_and_name_their_element() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let runtime = timer(&source);
    let parsed = source.try_map_async(3, move |millis: u64| {
        let wait = wait(&runtime, millis);
        async move {
            match wait.await {
                20 => Err("twenty"),
                30 => panic!("thirty"),
                millis => Ok(millis),
            }
        }
    });
    let order = Arc::new(Mutex::new(Vec::new()));
    let (results, letters) = (order.clone(), order.clone());
    parsed.errors().sink(move |failure| {
        lock(&letters).push((failure.ordinal(), failure.element::<u64>()));
    });
    parsed.sink(move |millis| lock(&results).push((0, Some(millis))));
    for millis in [100, 20, 30] {
        assert!(source.emit(millis).is_ready());
    }
    clock
        .block_on(source.drain("1s"))
        .expect("all are dealt with");
    let expected = [(0, Some(100)), (2, Some(20)), (3, Some(30))];
    assert_eq!(*lock(&order), expected);
}

#[test]
fn a_slow_error_stream_delays_calls_too() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let (errors, runtime) = (Stream::on(&clock), clock.clone());
    errors.sink_async(move |_| runtime.sleep(ms(1000)));
    let tried = source.try_map_async(1, |x: i32| async move { Err::<i32, _>(x.to_string()) });
    tried.on_error(&errors).sink(drop);
    let emitted: Vec<_> = (0..5).map(|x| source.emit(x)).collect();
    clock.advance(ms(500));
    let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
    assert_eq!(ready(), 2);
    clock.advance(ms(1000));
    assert_eq!(ready(), 3);
}

/// Counts its clones.
struct Counted(Arc<AtomicUsize>);

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

#[test]
fn elements_are_cloned_only_if_a_policy_may_need_them() {
    let clones = |build: fn(&Stream<Counted>)| {
        let source = Stream::on(VirtualClock::new());
        build(&source);
        let clones = Arc::default();
        drop(source.emit(Counted(Arc::clone(&clones))));
        clones.load(Ordering::Relaxed)
    };
    async fn call(_: Counted) {}
    async fn try_call(_: Counted) -> Result<(), &'static str> {
        Ok(())
    }
    assert_eq!(clones(|s| drop(s.map_async(1, call).sink(drop))), 0);
    assert_eq!(clones(|s| drop(s.try_map_async(1, try_call).sink(drop))), 1);
    let guarded = clones(|s| {
        let calls = s.map_async(1, call).on_error(OnError::Skip);
        drop(calls.sink(drop));
    });
    // The node keeps one clone for its policy, and the call keeps one.
    assert_eq!(guarded, 2);
}

#[test]
fn places_are_not_preallocated() {
    let bench = Bench::new(|s| {
        let timer = timer(s);
        s.map_async(usize::MAX, move |millis| wait(&timer, millis))
    });
    for millis in 1..=1000 {
        assert!(bench.emit(millis).is_ready());
    }
    assert_eq!(bench.drain().len(), 1000);
}

#[test]
fn a_parallelism_of_zero_is_a_build_error() {
    let message = build_error(|s| s.map_async(0, |x| async move { x }));
    assert!(
        message.ends_with("`map_async`: the number of calls at a time is at least one, not 0"),
        "{message}"
    );
}

#[test]
fn a_map_async_is_named_after_its_function() {
    async fn fetch(x: i32) -> i32 {
        x
    }
    let source = Stream::on(VirtualClock::new());
    assert_eq!(source.map_async(2, fetch).name(), "map_async(fetch)#2");
}
