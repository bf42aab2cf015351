//! An interval of zero means no wait, in every operator that has one.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use thalweg::ops::{List, PartitionOptions};
use thalweg::{OnError, Retry, Stream, VirtualClock};

type Build = fn(&Stream<u64>) -> List<Vec<u64>>;

/// Each emits an element alone or together with those of the same time.
const OPERATORS: [(&str, Build); 9] = [
    ("rate_limit", |s| {
        s.rate_limit(0).map(|x| vec![x]).sink_to_list()
    }),
    ("delay", |s| s.delay("0s").map(|x| vec![x]).sink_to_list()),
    ("shift", |s| s.shift(0.0).map(|x| vec![x]).sink_to_list()),
    ("throttle", |s| {
        s.throttle(0).map(|x| vec![x]).sink_to_list()
    }),
    ("debounce", |s| {
        s.debounce(Duration::ZERO).map(|x| vec![x]).sink_to_list()
    }),
    ("sample", |s| s.sample(0).map(|x| vec![x]).sink_to_list()),
    ("timed_window", |s| s.timed_window(0).sink_to_list()),
    ("timed_window_unique", |s| {
        s.timed_window_unique("0s").sink_to_list()
    }),
    ("partition", |s| {
        s.apply(PartitionOptions::of(100).timeout(0)).sink_to_list()
    }),
];

#[test]
fn zero_intervals_do_not_wait_and_make_no_empty_windows() {
    for (name, build) in OPERATORS {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let list = build(&source);
        source.check().unwrap();
        for x in 0..5 {
            clock.block_on(source.emit(x)).unwrap();
            clock.advance(Duration::from_micros(2));
        }
        let got: Vec<_> = list.to_vec().into_iter().flatten().collect();
        assert_eq!(got, [0, 1, 2, 3, 4], "{name}");
        // An hour without elements costs nothing.
        clock.advance(Duration::from_secs(3600));
        assert_eq!(list.len(), 5, "{name}");
        clock.block_on(source.drain("1s")).unwrap();
    }
}

#[test]
fn retries_without_a_pause_are_made_at_once() {
    let source = Stream::new();
    let mut calls = 0;
    let list = source
        .try_map(move |x: &u64| {
            calls += 1;
            if calls < 4 { Err("not yet") } else { Ok(*x) }
        })
        .on_error(OnError::from(Retry::times(5).backoff(0).at_most("0s")))
        .sink_to_list();
    source.emit(1).wait().unwrap();
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn a_source_calls_again_once_its_element_is_accepted() {
    let clock = VirtualClock::new();
    let mut calls = 0;
    let source = Stream::from_periodic_on(&clock, 0, move || {
        calls += 1;
        calls
    });
    let list = source.rate_limit("1s").sink_to_list();
    source.start().unwrap();
    clock.advance(Duration::from_millis(4_500));
    assert_eq!(list.to_vec(), [1, 2, 3, 4, 5]);
    source.stop();
    clock.block_on(source.drain("1min")).unwrap();
}

#[test]
fn other_tasks_on_the_event_loop_are_not_starved() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let sources = ["a", "b"].map(|name| Stream::from_periodic("0s", move || name));
        let lists = sources.each_ref().map(Stream::sink_to_list);
        sources.iter().for_each(|source| source.start().unwrap());
        while lists.iter().any(|list| list.len() < 10) {
            tokio::task::yield_now().await;
        }
        for source in &sources {
            source.drain("1min").await.unwrap();
        }
    });
}

#[test]
fn a_drain_with_timeout_zero_delivers_what_needs_no_wait() {
    let source = Stream::new();
    let list = source.partition(2).sink_to_list();
    source.emit_many([1, 2, 3]).wait().unwrap();
    source.drain("0s").wait().unwrap();
    assert_eq!(list.to_vec(), [vec![1, 2], vec![3]]);

    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.shift("1s").sink_to_list();
    source.emit_many([1, 2, 3]).wait().unwrap();
    let error = clock.block_on(source.drain(0)).unwrap_err();
    assert_eq!(error.undelivered()[0].elements, 3);
    assert!(list.is_empty());
    assert_eq!(clock.now(), Duration::ZERO);
}
