//! Late wakes of a busy loop do not delay later ones.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::ops::TimedWindowOptions;
use thalweg::{Alarm, Element, Runtime, RuntimeHandle, Stream, Task, VirtualClock};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A virtual clock whose alarms are late: the first ones by their listed delays, the others by the last of
/// these.
#[derive(Clone)]
struct Late {
    clock: VirtualClock,
    by: Arc<Mutex<VecDeque<Duration>>>,
}

impl Runtime for Late {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        let mut by = self.by.lock().unwrap();
        let late = by.pop_front().unwrap();
        if by.is_empty() {
            by.push_back(late);
        }
        self.clock.wake_at(at + late, alarm);
    }

    fn spawn(&self, task: Task) {
        self.clock.spawn(task);
    }

    fn identity(&self) -> usize {
        self.clock.identity()
    }
}

/// Times of outputs within ten seconds, in milliseconds.
fn times<U: Element>(by: &[u64], build: impl FnOnce(&RuntimeHandle) -> Stream<U>) -> Vec<u64> {
    let clock = VirtualClock::new();
    let late = Late {
        clock: clock.clone(),
        by: Arc::new(Mutex::new(by.iter().copied().map(ms).collect())),
    };
    let times = Arc::<Mutex<Vec<u64>>>::default();
    let (log, now) = (times.clone(), clock.clone());
    let outputs = build(&RuntimeHandle::new(late));
    outputs.sink(move |_| log.lock().unwrap().push(now.now().as_millis() as u64));
    outputs.start().unwrap();
    clock.advance(ms(10_000));
    let times = times.lock().unwrap();
    times.clone()
}

/// Elements emitted all at once into a node on that runtime. Immediate outputs occur before the log is
/// attached.
fn burst<U: Element>(
    runtime: &RuntimeHandle,
    build: impl FnOnce(&Stream<u32>) -> Stream<U>,
) -> Stream<U> {
    let source = Stream::on(runtime);
    let outputs = build(&source);
    for x in 0..20 {
        drop(source.emit(x));
    }
    outputs
}

/// One element, and another for each output: there is always one to send.
fn steady<U: Element>(
    runtime: &RuntimeHandle,
    build: impl FnOnce(&Stream<u32>) -> Stream<U>,
) -> Stream<U> {
    let source = Stream::on(runtime);
    let outputs = build(&source);
    source.emit(0).wait().unwrap();
    let again = source.clone();
    outputs.sink(move |_| drop(again.emit(1)));
    outputs
}

fn rate_limited(runtime: &RuntimeHandle) -> Stream<u32> {
    burst(runtime, |s| s.rate_limit("1s"))
}

fn delayed(runtime: &RuntimeHandle) -> Stream<u32> {
    burst(runtime, |s| s.delay("1s"))
}

fn windows(runtime: &RuntimeHandle) -> Stream<Vec<u32>> {
    burst(runtime, |s| s.timed_window("1s"))
}

fn full_windows(runtime: &RuntimeHandle) -> Stream<Vec<u32>> {
    steady(runtime, |s| {
        s.apply(TimedWindowOptions::every("1s").skip_empty())
    })
}

fn samples(runtime: &RuntimeHandle) -> Stream<u32> {
    steady(runtime, |s| s.sample("1s"))
}

fn periodic(runtime: &RuntimeHandle) -> Stream<u32> {
    Stream::from_periodic_on(runtime, "1s", || 1)
}

#[test]
fn lateness_does_not_accumulate() {
    let ticks: Vec<u64> = (1..=9).map(|tick| tick * 1000 + 300).collect();
    for (name, times) in [
        ("rate_limit", times(&[300], rate_limited)),
        ("delay", times(&[300], delayed)),
        ("timed_window", times(&[300], windows)),
        ("timed_window, full", times(&[300], full_windows)),
        ("sample", times(&[300], samples)),
    ] {
        assert_eq!(times, ticks, "{name}");
    }
    assert_eq!(times(&[300], periodic), [&[0], &ticks[..]].concat());
}

#[test]
fn a_stall_does_not_shift_later_elements() {
    // The second alarm, for 2000, is 1500 late.
    let stalled = [0, 1500, 0];
    let ticks = [1000, 3500, 4000, 5000, 6000, 7000, 8000, 9000, 10_000];
    for (name, times) in [
        ("rate_limit", times(&stalled, rate_limited)),
        ("delay", times(&stalled, delayed)),
        ("timed_window", times(&stalled, windows)),
        ("timed_window, full", times(&stalled, full_windows)),
        ("sample", times(&stalled, samples)),
    ] {
        assert_eq!(times, ticks, "{name}");
    }
    assert_eq!(times(&stalled, periodic), [&[0], &ticks[..]].concat());
}
