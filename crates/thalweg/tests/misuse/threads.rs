//! Threads, and functions that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thalweg::{Ack, EventLoop, Outcome, Stream, VirtualClock};

use crate::{Log, outcomes};

#[test]
fn waiting_in_an_acknowledgement_blocks_no_other_element() {
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
fn waiting_in_a_function_delays_only_its_own_element() {
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

#[test]
fn many_threads_emit_on_a_multi_threaded_runtime() {
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
fn starting_and_stopping_a_source_from_many_threads_loses_nothing() {
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
fn two_pipelines_referring_to_each_other_can_be_joined_from_functions() {
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
