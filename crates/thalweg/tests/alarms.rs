//! A pipeline asks its runtime once for each time at which it is to be called, and may be asked itself meanwhile.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::{Alarm, Runtime, RuntimeHandle, Stream, Task, VirtualClock};

/// A virtual clock that records the times of its alarms. At each it asks a pipeline for failures, if there is one, as a
/// host does that finds its loop closed.
#[derive(Clone, Default)]
struct Recording {
    clock: VirtualClock,
    alarms: Arc<Mutex<Vec<Duration>>>,
    asked: Arc<Mutex<Option<Stream<u32>>>>,
}

impl Runtime for Recording {
    fn now(&self) -> Duration {
        self.clock.now()
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        self.alarms.lock().unwrap().push(at);
        if let Some(pipeline) = &*self.asked.lock().unwrap() {
            assert!(pipeline.take_failures().is_empty());
        }
        self.clock.wake_at(at, alarm);
    }

    fn spawn(&self, task: Task) {
        self.clock.spawn(task);
    }

    fn identity(&self) -> usize {
        self.clock.identity()
    }
}

#[test]
fn a_node_that_waits_long_costs_nothing_while_others_tick() {
    let recording = Recording::default();
    let source = Stream::<u32>::on(RuntimeHandle::new(recording.clone()));
    let windows = source.timed_window("1h").sink_to_list();
    let ticks = source.rate_limit("1s").sink_to_list();
    for x in 0..1000 {
        drop(source.emit(x));
    }
    recording.clock.advance(Duration::from_secs(3599));
    assert_eq!((windows.to_vec().len(), ticks.to_vec().len()), (0, 1000));
    let hour = Duration::from_secs(3600);
    let asked = |alarms: &[Duration]| alarms.iter().filter(|at| **at == hour).count();
    assert_eq!(asked(&recording.alarms.lock().unwrap()), 1);
    recording.clock.advance(Duration::from_secs(1));
    assert_eq!(windows.to_vec().len(), 1);
}

#[test]
fn a_runtime_may_ask_the_pipeline_that_sets_a_timer() {
    let recording = Recording::default();
    let source = Stream::<u32>::on(RuntimeHandle::new(recording.clone()));
    *recording.asked.lock().unwrap() = Some(source.clone());
    let shifted = source.shift("1s").sink_to_list();
    // Made while the runtime is asking, and joined with a pipeline that has a timer.
    let windows = source.union(&source.timed_window("1h").map(|_| 0));
    drop(source.emit(1));
    recording.clock.advance(Duration::from_secs(1));
    drop((windows, recording.asked.lock().unwrap().take()));
    assert_eq!(shifted.to_vec(), [1]);
}
