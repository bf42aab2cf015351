//! An interval of zero means not to wait, in every operator that has one.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use thalweg::ops::{List, Partition};
use thalweg::{OnError, Retry, Stream, VirtualClock};

type Build = fn(&Stream<u64>) -> List<Vec<u64>>;

/// Each sends what has come, alone or together with what came at the same time.
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
        s.apply(Partition::of(100).timeout(0)).sink_to_list()
    }),
];

#[test]
fn nothing_waits_and_nothing_is_made_of_nothing() {
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
        // An hour in which nothing comes costs nothing.
        clock.advance(Duration::from_secs(3600));
        assert_eq!(list.len(), 5, "{name}");
        clock.block_on(source.drain("1s")).unwrap();
    }
}

#[test]
fn another_attempt_is_made_at_once() {
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
