//! Feedback loops through operators that hold elements: they never deadlock.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use thalweg::ops::{PartitionOptions, TimedWindowOptions};
use thalweg::{Stream, VirtualClock};

type Build = fn(&Stream<u32>) -> Stream<u32>;

const OPERATORS: [(&str, Build); 12] = [
    ("timed_window", |s| s.timed_window("1s").flatten()),
    ("timed_window without empty ones", |s| {
        s.apply(TimedWindowOptions::every("1s").skip_empty())
            .flatten()
    }),
    ("timed_window_unique", |s| {
        s.timed_window_unique("1s").flatten()
    }),
    ("timed_window, in the middle", |s| {
        s.map(|x| x).timed_window("1s").map(|w| w).flatten()
    }),
    ("partition", |s| s.partition(1).flatten()),
    ("partition with a time limit", |s| {
        s.apply(PartitionOptions::of(3).timeout("1s")).flatten()
    }),
    ("sliding_window", |s| {
        s.sliding_window(1).map(|window| window[0])
    }),
    ("buffer", |s| s.buffer(1)),
    ("delay", |s| s.delay("1s")),
    ("shift", |s| s.shift("1s")),
    ("rate_limit", |s| s.rate_limit("1s")),
    ("map_async", |s| s.map_async(1, async |x: u32| x)),
];

/// Each element causes two in the next round.
fn rounds(build: Build, entry: fn(&Stream<u32>) -> Stream<u32>) -> (VirtualClock, Vec<u32>) {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.sink_to_list();
    let twice = build(&entry(&source))
        .filter(|x| *x < 6)
        .map(|x| vec![x + 1; 2]);
    twice.flatten().connect(&source).unwrap();
    let emit = source.emit(1);
    for _ in 0..1000 {
        clock.advance(Duration::from_millis(500));
    }
    assert!(emit.is_ready());
    clock.block_on(emit).unwrap();
    let mut got = list.to_vec();
    got.sort_unstable();
    clock.block_on(source.drain("1h")).unwrap();
    (clock, got)
}

#[test]
fn no_feedback_loop_stalls() {
    for (name, build) in OPERATORS {
        for entry in [|s: &Stream<u32>| s.clone(), |s: &Stream<u32>| s.map(|x| x)] {
            let (_, got) = rounds(build, entry);
            let count = |round| got.iter().filter(|x| **x == round).count();
            let counts: Vec<_> = (1..=6).map(count).collect();
            if name == "timed_window_unique" {
                assert_eq!(counts, [1, 2, 2, 2, 2, 2], "{name}");
            } else {
                assert_eq!(counts, [1, 2, 4, 8, 16, 32], "{name}");
            }
        }
    }
}
