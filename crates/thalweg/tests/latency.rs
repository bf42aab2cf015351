//! Latency of elements, by the pipeline's clock.

#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use thalweg::view::Latency;
use thalweg::{Element, OnError, RuntimeHandle, Stream, VirtualClock};

const SECOND: Duration = Duration::from_secs(1);

/// Number of timed elements at a node, and their maximum latency.
fn of<T: Element>(stream: &Stream<T>) -> Option<(u64, Duration)> {
    let found = stream.latency();
    found.map(|latency| (latency.count(), latency.max()))
}

#[test]
fn latency_grows_along_the_pipeline() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let early = source.map(|x: u32| x);
    let shifted = early.shift("3s");
    let late = shifted.map(|x| x);
    let sink = late.sink(drop);
    assert_eq!(of(&late), None);
    for x in 0..5 {
        source.emit(x).wait().unwrap();
        clock.advance(SECOND);
    }
    clock.advance(10 * SECOND);
    assert_eq!(of(&early), Some((5, Duration::ZERO)));
    assert_eq!(of(&shifted), Some((5, Duration::ZERO)));
    assert_eq!(of(&late), Some((5, 3 * SECOND)));
    assert_eq!(of(sink.stream()), Some((5, 3 * SECOND)));
    assert_eq!(of(&source), None);
}

#[test]
fn elements_waiting_for_a_slow_sink_have_growing_latency() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let buffer = source.buffer(9);
    let timer = RuntimeHandle::from(&clock);
    let sink = buffer.sink_async(move |_: u32| timer.sleep(2 * SECOND));
    sink.stream().latency();
    for x in 0..4 {
        source.emit(x).wait().unwrap();
        clock.advance(Duration::from_millis(20));
    }
    clock.advance(60 * SECOND);
    assert_eq!(of(&buffer), Some((4, Duration::ZERO)));
    // The last one was emitted at 0.06 s and done at 8 s; the end counts.
    assert_eq!(of(sink.stream()), Some((4, Duration::from_millis(7940))));
}

#[test]
fn a_window_has_the_latency_of_its_newest_element() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let windows = source.sliding_window(3);
    let sink = windows.map(|window| window.len()).sink(drop);
    sink.stream().latency();
    for x in 0..6 {
        source.emit(x).wait().unwrap();
        clock.advance(SECOND);
    }
    assert_eq!(of(sink.stream()), Some((6, Duration::ZERO)));
}

#[test]
fn filtered_and_failed_elements_are_not_timed_further() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let odd = source.filter(|x: &u32| x % 2 == 1);
    let fallible = odd
        .try_map(|x: &u32| if *x == 3 { Err("three") } else { Ok(*x) })
        .on_error(OnError::Skip);
    let sink = fallible.sink(drop);
    sink.stream().latency();
    for x in 0..6 {
        source.emit(x).wait().unwrap();
        clock.advance(SECOND);
    }
    let counts = [of(&odd), of(&fallible), of(sink.stream())].map(|of| of.map(|(count, _)| count));
    assert_eq!(counts, [Some(6), Some(3), Some(2)]);
}

#[test]
fn latency_is_measured_for_the_requested_time() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    source.sink(|_: u32| ());
    source.measure_latency("10s").unwrap();
    for x in 0..20 {
        source.emit(x).wait().unwrap();
        clock.advance(SECOND);
    }
    let view = source.graph_view();
    let count = view.nodes[1].latency.as_deref().map(Latency::count);
    assert_eq!(count, Some(11));
    assert!(source.measure_latency("soon").is_err());
}

#[test]
fn at_most_a_hundred_elements_per_second_are_timed() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.map(|x: u32| x).sink_to_list();
    source.measure_latency("1h").unwrap();
    for x in 0..100_000 {
        source.emit(x).wait().unwrap();
        clock.advance(Duration::from_micros(100));
    }
    let view = source.graph_view();
    let count = view.nodes[1].latency.as_deref().map_or(0, Latency::count);
    assert!((500..=2000).contains(&count), "{count} in ten seconds");
    assert_eq!(list.to_vec(), (0..100_000).collect::<Vec<_>>());
}

#[test]
fn timed_batches_lose_nothing_and_keep_their_order() {
    let source = Stream::new();
    let both = source.map(|x: u32| 2 * x).union(&source);
    let list = both.sliding_window(2).sink_to_list();
    source.measure_latency("1h").unwrap();
    source.emit_many(0..10_000).wait().unwrap();
    let timed = list.to_vec();

    let source = Stream::new();
    let both = source.map(|x: u32| 2 * x).union(&source);
    let list = both.sliding_window(2).sink_to_list();
    for x in 0..10_000 {
        source.emit(x).wait().unwrap();
    }
    assert_eq!(timed, list.to_vec());
}

#[test]
fn joined_pipelines_are_timed_as_one() {
    let clock = VirtualClock::new();
    let (numbers, others) = (Stream::on(&clock), Stream::on(&clock));
    numbers.measure_latency("1h").unwrap();
    others.emit(1).wait().unwrap();
    let pairs = numbers.zip(&others);
    let sink = pairs.sink(|_: (u32, u32)| ());
    others.emit(1).wait().unwrap();
    clock.advance(SECOND);
    numbers.emit(1).wait().unwrap();
    assert_eq!(
        of(sink.stream()).map(|(_, latest)| latest),
        Some(Duration::ZERO)
    );
    clock.advance(SECOND);
    numbers.emit(2).wait().unwrap();
    clock.advance(SECOND);
    others.emit(2).wait().unwrap();
    assert_eq!(of(sink.stream()), Some((2, Duration::ZERO)));
}

#[test]
fn feedback_is_timed_from_its_origin() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let shifted = source.shift("1s");
    let again = shifted.filter(|x: &u32| *x < 3).map(|x| x + 1);
    let sink = shifted.sink(drop);
    again.connect(&source).unwrap();
    sink.stream().latency();
    source.emit(0).wait().unwrap();
    clock.advance(10 * SECOND);
    assert_eq!(of(sink.stream()), Some((4, 4 * SECOND)));
}
