//! Drains, deadlines and dropped pipelines.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thalweg::{Emitter, EventLoop, Outcome, Retry, Source, Stop, Stream, VirtualClock};

use crate::outcomes;

#[test]
fn an_element_refused_by_a_drained_pipeline_has_failed() {
    let source = Stream::new();
    source.sink(drop::<i32>);
    source.drain("1s").wait().unwrap();
    let (log, ack) = outcomes();
    assert!(source.emit_with(1, ack()).wait().unwrap_err().is_closed());
    assert_eq!(*log.lock().unwrap(), [Outcome::Failed]);
    assert!(source.emit_many([1, 2]).wait().unwrap_err().is_closed());
}

#[test]
fn a_batch_dropped_half_way_loses_only_unsent_elements() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.rate_limit("1s").sink_to_list();
    drop(source.emit_many(0..5));
    clock.block_on(source.drain("1min")).unwrap();
    assert_eq!(list.to_vec(), [0, 1]);
}

#[test]
fn a_drain_may_be_repeated_and_closes_once() {
    struct Closing(Arc<AtomicUsize>);
    impl thalweg::Transform for Closing {
        type In = i32;
        type Out = thalweg::Never;
        const KIND: &'static str = "closing";
        const SINK: bool = true;

        fn apply(&mut self, _: i32) -> Result<Option<thalweg::Never>, thalweg::OperatorError<i32>> {
            Ok(None)
        }

        fn close(&mut self) -> Result<(), thalweg::BoxError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }
    }

    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let closed = Arc::new(AtomicUsize::new(0));
    source.rate_limit("1s").transform(Closing(closed.clone()));
    drop(source.emit_many([1]));
    drop((source.emit(2), source.emit(3)));
    clock.block_on(async {
        let (one, other) =
            futures_util::future::join(source.drain("1min"), source.drain("1min")).await;
        one.unwrap();
        other.unwrap();
        source.drain("1min").await.unwrap();
    });
    assert_eq!(closed.load(Ordering::Relaxed), 1);
}

#[test]
fn a_drain_waits_for_a_retry() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let mut calls = 0;
    let list = source
        .try_map(move |x: &i32| {
            calls += 1;
            if calls < 4 { Err("not yet") } else { Ok(*x) }
        })
        .on_error(Retry::times(5).backoff("1s"))
        .sink_to_list();
    let emits = [source.emit(1), source.emit(2)];
    clock.block_on(source.drain("1min")).unwrap();
    assert_eq!(list.to_vec(), [1, 2]);
    assert_eq!(clock.now(), Duration::from_secs(1 + 2 + 4));
    assert!(emits.iter().all(thalweg::Emit::is_ready));
}

#[test]
fn a_source_that_never_stops_misses_the_deadline() {
    struct Deaf;
    impl Source for Deaf {
        type Item = i32;
        const KIND: &'static str = "deaf";

        async fn run(&mut self, _: &Emitter<i32>) -> Result<(), Stop> {
            std::future::pending().await
        }
    }

    let clock = VirtualClock::new();
    let source = Stream::from_source_on(Deaf, &clock).named("deaf one");
    source.sink(drop);
    source.start().unwrap();
    let error = clock.block_on(source.drain("1s")).unwrap_err();
    assert!(error.to_string().contains("deaf one"), "{error}");
}

#[test]
fn a_drained_source_is_not_started_again() {
    let clock = VirtualClock::new();
    let mut next = 0;
    let ticks = Stream::from_periodic_on(&clock, "1s", move || {
        next += 1;
        next
    });
    let list = ticks.sink_to_list();
    ticks.start().unwrap();
    clock.advance(Duration::from_millis(1500));
    clock.block_on(ticks.drain("1s")).unwrap();
    let drained = list.to_vec();
    assert!(ticks.start().unwrap_err().is_closed());
    clock.advance(Duration::from_secs(5));
    assert_eq!(list.to_vec(), drained);
}

#[test]
fn an_unlimited_deadline_is_valid() {
    let source = Stream::on(EventLoop::thread());
    source.sink_async(|_: i32| tokio::task::yield_now());
    source.emit(1).wait().unwrap();
    drop(source.emit(2));
    source
        .drain(Duration::from_secs(u64::from(u32::MAX)))
        .wait()
        .unwrap();
    let source = Stream::on(EventLoop::thread());
    source.sink_async(|_: i32| tokio::task::yield_now());
    drop(source.emit(2));
    assert!(source.drain(Duration::MAX).wait().unwrap_err().is_build());
    source.drain("5s").wait().unwrap();
}

#[test]
fn calls_on_a_closed_loop_fail() {
    let many = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let (single, _) = closing_loop();
    let (driven, _) = closing_loop();
    for (runtime, is_driven) in [(many, false), (single, false), (driven, true)] {
        let source = Stream::on(EventLoop::from_handle(runtime.handle().clone()));
        source.sink_async(|_: i32| std::future::pending());
        let (log, ack) = outcomes();
        let emit = source.emit_with(1, ack());
        if is_driven {
            runtime.block_on(tokio::task::yield_now());
        }
        drop(runtime);
        assert!(emit.is_ready());
        assert_eq!(emit.wait().unwrap_err().failures().len(), 1);
        assert_eq!(*log.lock().unwrap(), [Outcome::Failed]);
        for _ in 0..2 {
            let later = source.emit(2);
            assert!(later.is_ready());
            assert!(later.wait().is_err());
        }
    }
}

fn closing_loop() -> (tokio::runtime::Runtime, EventLoop) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let event_loop = EventLoop::from_handle(runtime.handle().clone());
    (runtime, event_loop)
}

#[test]
fn timers_of_a_closed_loop_ring() {
    let (runtime, event_loop) = closing_loop();
    let source = Stream::on(event_loop);
    let list = source.buffer(1).rate_limit("1ms").sink_to_list();
    drop(source.emit_many(0..3));
    let last = source.emit(3);
    drop(runtime);
    last.wait().unwrap();
    source.emit(4).wait().unwrap();
    source.drain("1min").wait().unwrap();
    assert_eq!(list.to_vec().last(), Some(&4));
}

#[test]
fn a_drain_on_a_closed_loop_ends_at_its_limit() {
    let (runtime, event_loop) = closing_loop();
    let source = Stream::on(event_loop);
    let _pull = source.pull(1);
    drop((source.emit(1), source.emit(2)));
    drop(runtime);
    let error = source.until_idle("1ms").wait().unwrap_err();
    assert_eq!(error.undelivered().len(), 1);
    assert!(source.drain("1ms").wait().is_err());
}

#[test]
fn a_drain_on_a_loop_that_nobody_runs_ends_at_its_limit() {
    let (_runtime, event_loop) = closing_loop();
    let source = Stream::on(event_loop);
    source.sink_async(|_: i32| std::future::ready(()));
    drop(source.emit(1));
    assert!(source.until_idle("1ms").wait().is_err());
    let error = source.drain("1ms").wait().unwrap_err();
    assert_eq!(error.undelivered().len(), 1);
}

#[test]
fn a_source_on_a_closed_loop_ends_and_says_so() {
    let (runtime, event_loop) = closing_loop();
    let guard = runtime.enter();
    let source = Stream::<i32>::from_stream(futures_util::stream::pending());
    drop(guard);
    source.sink(drop);
    source.run_on(event_loop).unwrap();
    source.start().unwrap();
    drop(runtime);
    let error = source.drain("1min").wait().unwrap_err();
    assert!(error.to_string().contains("the event loop has ended"));
}

#[test]
fn an_emit_waiting_for_a_pull_ends_when_the_pull_is_dropped() {
    let source = Stream::new();
    let pull = source.pull(1);
    let (log, ack) = outcomes();
    let emits = [(); 3].map(|()| source.emit_with(1, ack()));
    assert!(!emits[1].is_ready());
    drop(pull);
    assert!(emits.iter().all(thalweg::Emit::is_ready));
    assert_eq!(*log.lock().unwrap(), [Outcome::Failed; 3]);
}

#[test]
fn a_drain_notices_elements_pulled_by_another_thread() {
    for round in 0..300 {
        let source = Stream::on(EventLoop::shared());
        let mut pull = source.pull(4);
        source.emit_many([1, 2]).wait().unwrap();
        let start = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                start.wait();
                while pull.try_next().is_some() {
                    if round % 2 == 0 {
                        std::thread::yield_now();
                    }
                }
            });
            start.wait();
            source.drain("1h").wait().unwrap();
        });
    }
}

#[test]
fn timers_and_sources_do_not_keep_a_dropped_pipeline_alive() {
    let clock = VirtualClock::new();
    let alive = Arc::new(());
    let seen = Arc::downgrade(&alive);
    {
        let source = Stream::on(&clock);
        let held = alive.clone();
        source.timed_window("1h").sink(move |_: Vec<i32>| {
            let _ = &held;
        });
        source.emit(1).wait().unwrap();
        let held = alive.clone();
        let ticks = Stream::from_periodic_on(&clock, "1h", move || {
            let _ = &held;
            1
        });
        ticks.sink(drop);
        ticks.start().unwrap();
        clock.run_until_idle();
        ticks.stop();
    }
    clock.run_until_idle();
    drop(alive);
    assert!(seen.upgrade().is_none());
}

#[test]
fn a_drain_wakes_emitters_waiting_for_a_partner() {
    let (left, right) = (Stream::new(), Stream::<i32>::new());
    thalweg::ops::zip_bounded(1, (&left, &right)).sink(drop);
    left.emit(1).wait().unwrap();
    let waiting = left.emit(2);
    assert!(!waiting.is_ready());
    assert_eq!(left.drain("1s").wait().unwrap_err().undelivered().len(), 1);
    assert!(waiting.is_ready());
}

#[test]
fn an_element_is_emitted_before_its_iterator_is_asked_for_the_next() {
    let source = Stream::new();
    let list = source.map(|x| x).sink_to_list();
    let emitted = list.clone();
    // As of a channel, on which nothing more may come.
    let live = (0..1000).filter(move |x| {
        assert_eq!(emitted.len(), *x);
        true
    });
    source.emit_many(live).wait().unwrap();
    assert_eq!(list.len(), 1000);
}
