//! Policies in unusual places.

use std::sync::Arc;

use thalweg::{OnError, Retry, Stream, VirtualClock};

use crate::{Log, odd_fails};

#[test]
fn failures_of_a_batch_nobody_awaits_are_reported() {
    let source = Stream::new();
    source.try_map(odd_fails).sink(drop);
    drop(source.emit_many([1, 2, 3]));
    let error = source.emit(2).wait().unwrap_err();
    assert!(error.is_behind());
    assert_eq!(error.failures().len(), 2);
}

#[test]
fn failures_routed_to_a_dropped_stream_are_still_reported() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    drop(parsed.errors());
    parsed.sink(drop);
    assert_eq!(source.emit(1).wait().unwrap_err().failures().len(), 1);
}

#[test]
fn a_second_policy_replaces_the_first() {
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
fn both_of_two_error_streams_get_the_failures() {
    let source = Stream::new();
    let parsed = source.try_map(odd_fails);
    let lists = [parsed.errors(), parsed.errors()].map(|errors| errors.sink_to_list());
    source.emit_many(1..=3).wait().unwrap();
    for list in lists {
        assert_eq!(list.len(), 2);
    }
}

#[test]
fn an_element_emitted_during_a_retry_has_all_its_attempts() {
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
fn a_handler_may_emit_the_failed_element_again() {
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
fn zip_latest_continues_after_a_failure() {
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
fn retries_on_a_cycle_keep_their_order() {
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
