//! What goes wrong in users' hands: pipelines used in ways nobody should, and what comes of it.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::{
    Ack, Acks, Emitter, EventLoop, OnError, Outcome, Retry, Source, Stop, Stream, VirtualClock,
};

type Log<T> = Arc<Mutex<Vec<T>>>;

fn outcomes() -> (Log<Outcome>, impl Fn() -> Ack) {
    let log: Log<Outcome> = Arc::default();
    let kept = log.clone();
    (log, move || {
        let log = kept.clone();
        Ack::new(move |outcome| log.lock().unwrap().push(outcome))
    })
}

fn odd_fails(x: &i32) -> Result<i32, &'static str> {
    if x % 2 == 0 { Ok(*x) } else { Err("odd") }
}

#[test]
fn a_wrong_argument_is_named_and_nothing_runs() {
    type Mistake = Box<dyn Fn(&Stream<i32>)>;
    let mistakes: Vec<(&str, Mistake)> = vec![
        ("buffer", Box::new(|s| s.buffer(0).sink(drop).destroy())),
        (
            "rate_limit",
            Box::new(|s| drop(s.rate_limit(-1).sink(drop))),
        ),
        (
            "timed_window",
            Box::new(|s| drop(s.timed_window(-1.0).sink(drop))),
        ),
        ("delay", Box::new(|s| drop(s.delay(-0.5).sink(drop)))),
        ("partition", Box::new(|s| drop(s.partition(0).sink(drop)))),
        ("pull", Box::new(|s| drop(s.pull(0)))),
    ];
    for (operator, build_error) in mistakes {
        let source = Stream::new();
        build_error(&source);
        let list = source.sink_to_list();
        let error = source.check().unwrap_err();
        assert!(error.to_string().contains(operator), "{operator}: {error}");
        let (log, ack) = outcomes();
        let error = source.emit_with(1, ack()).wait().unwrap_err();
        assert!(error.to_string().contains(operator), "{operator}: {error}");
        assert_eq!(*log.lock().unwrap(), [Outcome::Failed], "{operator}");
        assert!(source.start().is_err());
        assert!(source.drain("1s").wait().is_err());
        assert!(list.is_empty());
    }
}

#[test]
fn an_element_that_a_drained_pipeline_refuses_has_failed() {
    let source = Stream::new();
    source.sink(drop::<i32>);
    source.drain("1s").wait().unwrap();
    let (log, ack) = outcomes();
    assert!(source.emit_with(1, ack()).wait().unwrap_err().is_closed());
    assert_eq!(*log.lock().unwrap(), [Outcome::Failed]);
    assert!(source.emit_many([1, 2]).wait().unwrap_err().is_closed());
}

#[test]
fn pipelines_on_different_loops_cannot_be_connected() {
    let (one, two) = (VirtualClock::new(), VirtualClock::new());
    let (left, right) = (Stream::<i32>::on(&one), Stream::<i32>::on(&two));
    let list = right.sink_to_list();
    assert!(left.connect(&right).unwrap_err().is_different_runtimes());
    right.emit(1).wait().unwrap();
    left.emit(2).wait().unwrap();
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn a_completion_may_be_polled_after_its_end() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    source.rate_limit("1s").sink(drop::<i32>);
    clock.block_on(async {
        source.emit(1).await.unwrap();
        let mut emit = source.emit(2);
        (&mut emit).await.unwrap();
        (&mut emit).await.unwrap();
        let mut many = source.emit_many([3, 4]);
        (&mut many).await.unwrap();
        (&mut many).await.unwrap();
    });
}

#[test]
fn failures_of_a_batch_nobody_waits_for_are_not_silent() {
    let source = Stream::new();
    source.try_map(odd_fails).sink(drop);
    drop(source.emit_many([1, 2, 3]));
    let error = source.emit(2).wait().unwrap_err();
    assert!(error.is_behind());
    assert_eq!(error.failures().len(), 2);
}

#[test]
fn a_batch_dropped_half_way_loses_what_it_has_not_sent_and_nothing_else() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.rate_limit("1s").sink_to_list();
    drop(source.emit_many(0..5));
    clock.block_on(source.drain("1min")).unwrap();
    assert_eq!(list.to_vec(), [0, 1]);
}

#[test]
fn failures_that_are_routed_to_a_stream_that_is_gone_still_reach_someone() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    drop(parsed.errors());
    parsed.sink(drop);
    assert_eq!(source.emit(1).wait().unwrap_err().failures().len(), 1);
}

#[test]
fn a_second_policy_takes_the_place_of_the_first() {
    let source = Stream::new();
    let list = source
        .try_map(odd_fails)
        .on_error(Retry::times(3))
        .on_error(OnError::Skip)
        .sink_to_list();
    source.emit_many(1..=4).wait().unwrap();
    assert_eq!(list.to_vec(), [2, 4]);
}

#[test]
fn two_error_streams_both_get_the_failures() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    let lists = [parsed.errors(), parsed.errors()].map(|errors| errors.sink_to_list());
    source.emit_many(1..=3).wait().unwrap();
    for list in lists {
        assert_eq!(list.len(), 2);
    }
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
fn an_element_emitted_while_another_is_tried_again_has_all_its_attempts() {
    let source = Stream::new();
    let tries: Log<i32> = Arc::default();
    let log = tries.clone();
    let again = source.clone();
    let sink = source
        .try_map(move |x: &i32| {
            let mut log = log.lock().unwrap();
            log.push(*x);
            if log.iter().filter(|y| *y == x).count() < 3 {
                Err("not yet")
            } else {
                Ok(*x)
            }
        })
        .on_error(Retry::times(2))
        .sink(move |x| {
            if x == 1 {
                again.emit(2).wait().unwrap();
            }
        });
    source.emit(1).wait().unwrap();
    assert_eq!(*tries.lock().unwrap(), [1, 1, 1, 2, 2, 2]);
    sink.destroy();
}

#[test]
fn a_pipeline_whose_policy_retries_and_then_routes_is_freed() {
    let alive = Arc::new(());
    let seen = Arc::downgrade(&alive);
    {
        let source = Stream::new();
        let dead = Stream::new();
        dead.sink(drop);
        source
            .try_map(move |x: &i32| {
                let _ = &alive;
                odd_fails(x)
            })
            .on_error(Retry::times(1).then(&dead))
            .sink(drop);
        source.emit(1).wait().unwrap();
    }
    assert!(seen.upgrade().is_none());
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
fn a_handler_may_emit_what_fails_again() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let heard: Log<Option<i32>> = Arc::default();
    let (log, again) = (heard.clone(), source.clone());
    let numbers = source.map_async(1, |x: i32| {
        assert!(x > 2, "too small");
        async move { x }
    });
    numbers.clone().on_error(Retry::times(0)).sink(drop);
    source.on_unhandled(move |failure| {
        let x = failure.element::<i32>();
        log.lock().unwrap().push(x);
        if let Some(x) = x {
            drop(again.emit(x + 1));
        }
    });
    drop(source.emit(1));
    clock.run_until_idle();
    assert_eq!(*heard.lock().unwrap(), [Some(1), Some(2)]);
    source.on_unhandled(drop);
}

#[test]
fn a_wait_in_an_acknowledgement_holds_up_no_other_element() {
    let clock = VirtualClock::new();
    let slow = Stream::on(&clock);
    slow.rate_limit("1s").sink(drop::<i32>);
    slow.emit(0).wait().unwrap();
    let source = Stream::new();
    source.sink(drop::<i32>);
    let other = slow.clone();
    let ack = Ack::new(move |_| other.emit(1).wait().unwrap());
    source.emit_with(1, ack).wait().unwrap();
    assert!(
        source.emit(2).is_ready(),
        "waits for what it has nothing to do with"
    );
}

#[test]
fn a_wait_in_a_function_is_for_the_element_of_that_function() {
    let clock = VirtualClock::new();
    let slow = Stream::on(&clock);
    slow.rate_limit("1s").sink(drop::<i32>);
    slow.emit(0).wait().unwrap();
    let quick = Stream::new();
    quick.sink(drop::<i32>);
    let source = Stream::new();
    let quick_ready: Log<bool> = Arc::default();
    let (into_slow, into_quick, log) = (slow.clone(), quick.clone(), quick_ready.clone());
    source.sink(move |x: i32| {
        into_slow.emit(x).wait().unwrap();
        let emit = into_quick.emit(x);
        log.lock().unwrap().push(emit.is_ready());
        drop(emit);
    });
    let emit = source.emit(1);
    assert_eq!(*quick_ready.lock().unwrap(), [true]);
    assert!(
        !emit.is_ready(),
        "the element waits for what its function waits for"
    );
    clock.advance(Duration::from_secs(1));
    assert!(emit.is_ready());
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a drop that panics, on purpose");
    }
}

#[test]
fn a_drop_that_panics_leaves_the_thread_as_it_was() {
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
    let ack = Ack::with_payload(Bomb, |_| ());
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
fn dead_letters_that_come_back_are_not_stuck_behind_a_panic() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    // Two error streams: the node itself hands each failure around.
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
fn zip_latest_goes_on_after_a_failure() {
    let (left, right) = (Stream::new(), Stream::new());
    let list = left
        .zip_latest(&right)
        .try_map(|(x, _): &(i32, i32)| odd_fails(x))
        .sink_to_list();
    left.emit_many([1, 2, 3, 4]).wait().unwrap();
    let error = right.emit(0).wait().unwrap_err();
    assert_eq!(error.failures().len(), 2);
    assert_eq!(list.to_vec(), [2, 4]);
}

#[test]
fn a_deadline_without_end_is_one() {
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
fn calls_in_flight_on_a_loop_that_is_gone_fail() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let source = Stream::on(EventLoop::from_handle(runtime.handle().clone()));
    source.sink_async(|_: i32| std::future::pending());
    let (log, ack) = outcomes();
    let emit = source.emit_with(1, ack());
    drop(runtime);
    assert!(emit.is_ready());
    assert_eq!(emit.wait().unwrap_err().failures().len(), 1);
    assert_eq!(*log.lock().unwrap(), [Outcome::Failed]);
}

#[test]
fn an_operator_that_makes_no_progress_stalls_nothing() {
    struct Lazy;
    impl thalweg::Transform for Lazy {
        type In = i32;
        type Out = i32;
        const KIND: &'static str = "lazy";

        fn apply(&mut self, x: i32) -> Result<Option<i32>, thalweg::OperatorError<i32>> {
            Ok(Some(x))
        }

        fn apply_many(
            &mut self,
            _: &mut std::vec::Drain<'_, i32>,
            _: &mut Vec<i32>,
        ) -> Result<(), thalweg::OperatorError<i32>> {
            Ok(())
        }
    }
    let source = Stream::new();
    let list = source.transform(Lazy).sink_to_list();
    source.emit_many(0..3).wait().unwrap();
    assert_eq!(list.to_vec(), [0, 1, 2]);
}

#[test]
fn tokens_survive_every_way_to_be_joined() {
    let (left, right) = (Stream::new(), Stream::new());
    let zipped = left.zip(&right).map(|(x, y): (i32, i32)| x + y);
    let latest = left.combine_latest(&right).map(|(x, y)| x * y);
    let sums = zipped.union(&latest).partition(2).sink_to_list();
    let (log, ack) = outcomes();
    left.emit_with_acks(1, Acks::from(ack())).wait().unwrap();
    right.emit_with(2, ack()).wait().unwrap();
    assert_eq!(sums.to_vec(), [vec![3, 2]]);
    // Both are still the latest of their side.
    assert!(log.lock().unwrap().is_empty());
    left.emit(3).wait().unwrap();
    assert_eq!(*log.lock().unwrap(), [Outcome::Delivered]);
    drop((left, right, zipped, latest));
    assert_eq!(log.lock().unwrap().len(), 2);
}

#[test]
fn a_pipeline_may_be_taken_apart_and_put_together_from_inside() {
    let source = Stream::<i32>::new();
    let other = Stream::<i32>::new();
    let list = other.sink_to_list();
    let (here, there) = (source.clone(), other.clone());
    let mut branch = None;
    let sink = source.sink(move |x| match x {
        1 => here.connect(&there).unwrap(),
        2 => here.disconnect(&there).unwrap(),
        3 => branch = Some(here.map(|x| x * 10).union(&there)),
        4 => drop(branch.take()),
        5 => {
            here.sink(drop).destroy();
            assert!(here.counters().sent > 0);
            assert!(here.check().is_ok());
            assert!(here.drain("1s").wait().unwrap_err().is_would_block());
        }
        _ => {}
    });
    for x in 1..=6 {
        source.emit(x).wait().unwrap();
        if x == 1 {
            source.emit(10).wait().unwrap();
        }
    }
    assert_eq!(list.to_vec(), [10, 2]);
    assert_eq!(source.graph_view().nodes.len(), 4);
    sink.destroy();
}

#[test]
fn panics_wherever_users_write_code_are_failures_and_leave_everything_usable() {
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
fn an_emit_that_waits_for_a_pull_ends_with_the_pull() {
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
fn a_drain_notices_what_another_thread_pulls() {
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
fn retries_on_a_cycle_go_round_in_order() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let mut calls = 0;
    let tried = source
        .try_map(move |x: &i32| {
            calls += 1;
            if calls % 2 == 1 {
                Err("every other time")
            } else {
                Ok(x - 1)
            }
        })
        .on_error(Retry::times(1).backoff("1s"));
    let list = tried.sink_to_list();
    tried.filter(|x| *x % 10 > 0).connect(&source).unwrap();
    clock.block_on(async {
        let (one, other) = futures_util::future::join(source.emit(3), source.emit(23)).await;
        one.unwrap();
        other.unwrap();
    });
    let mut seen = list.to_vec();
    assert_eq!(seen[..2], [2, 22]);
    seen.sort_unstable();
    assert_eq!(seen, [0, 1, 2, 20, 21, 22]);
    clock.block_on(source.drain("1s")).unwrap();
}

#[test]
fn many_threads_and_a_runtime_of_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap();
    let source = Stream::on(EventLoop::from_handle(runtime.handle().clone()));
    let sum = Arc::new(AtomicUsize::new(0));
    let total = sum.clone();
    let (log, ack) = outcomes();
    source
        .map_async_unordered(8, |x: usize| async move {
            tokio::task::yield_now().await;
            x
        })
        .buffer(3)
        .sink_async(move |x| {
            let total = total.clone();
            async move {
                tokio::task::yield_now().await;
                total.fetch_add(x, Ordering::Relaxed);
            }
        });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| source.emit_with(1, ack()).wait().unwrap()));
        }
        for _ in 0..4 {
            let source = source.clone();
            let ack = ack();
            runtime.spawn(async move {
                source.emit_with(1, ack).await.unwrap();
                for _ in 1..500 {
                    source.emit(1).await.unwrap();
                }
            });
        }
    });
    while source.counters().received < 4000 {
        std::thread::yield_now();
    }
    source.drain("1min").wait().unwrap();
    assert_eq!(sum.load(Ordering::Relaxed), 4000);
    assert_eq!(*log.lock().unwrap(), [Outcome::Delivered; 2004]);
}

#[test]
fn timers_and_sources_of_a_dropped_pipeline_hold_nothing() {
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
fn starting_and_stopping_from_many_threads_loses_nothing() {
    let source = Stream::from_iter(0..50_000_u32);
    let list = source.sink_to_list();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..200 {
                    source.start().unwrap();
                    source.stop();
                }
            });
        }
    });
    source.run("1min").wait().unwrap();
    assert_eq!(list.to_vec(), (0..50_000).collect::<Vec<_>>());
}

#[test]
fn a_drain_tells_emitters_that_wait_for_a_partner() {
    let (left, right) = (Stream::new(), Stream::<i32>::new());
    thalweg::ops::zip_bounded(1, (&left, &right)).sink(drop);
    left.emit(1).wait().unwrap();
    let waiting = left.emit(2);
    assert!(!waiting.is_ready());
    assert_eq!(left.drain("1s").wait().unwrap_err().undelivered().len(), 1);
    assert!(waiting.is_ready());
}

#[test]
fn two_pipelines_that_hold_each_other_inside_functions_merge_and_go_on() {
    let (left, right) = (Stream::<i32>::new(), Stream::<i32>::new());
    let list = right.sink_to_list();
    let (l, r) = (left.clone(), right.clone());
    let sink = left.sink(move |x| {
        if x == 0 {
            l.map(|x| x + 100).connect(&r).unwrap();
        }
        r.emit(x).wait().unwrap();
    });
    std::thread::scope(|scope| {
        scope.spawn(|| (1..500).for_each(|x| right.emit(-x).wait().unwrap()));
        (0..500).for_each(|x| left.emit(x).wait().unwrap());
    });
    let seen = list.take();
    assert_eq!(seen.iter().filter(|x| **x < 0).count(), 499);
    assert_eq!(
        seen.iter().filter(|x| (0..500).contains(*x)).count(),
        500 + 400 - 1
    );
    sink.destroy();
}
