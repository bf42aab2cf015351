//! Report of a trial.

use std::time::Duration;

use super::ELEMENTS;
use super::trial::{Event, TrialSink};
use crate::{Error, Failure, Outcome};

/// Report of one run of a [`Trial`](super::Trial).
#[derive(Debug)]
#[non_exhaustive]
pub struct Report {
    pub(super) events: Vec<(Duration, Event)>,
    /// Number of events before the drain.
    pub(super) settled: usize,
    /// Failures received by emitters.
    pub raised: Vec<Failure>,
    /// Failures without a waiting emitter.
    pub unhandled: Vec<Failure>,
    /// The result of the drain.
    pub drained: Result<(), Error>,
    /// Failures by the operator's counter.
    pub failed: u64,
}

impl Report {
    /// The outputs in order, each as the elements it was derived from.
    pub fn outputs(&self) -> Vec<Vec<i32>> {
        let outputs = self.events.iter().filter_map(|(_, event)| match event {
            Event::Sunk(xs) => Some(xs.clone()),
            Event::Acked(..) => None,
        });
        outputs.collect()
    }

    /// The only reported failure.
    ///
    /// # Panics
    /// There is none, or more than one.
    pub fn failure(&self) -> &Failure {
        match (self.raised.as_slice(), self.unhandled.as_slice()) {
            ([failure], []) | ([], [failure]) => failure,
            (raised, unhandled) => panic!("not one failure: {raised:?} and {unhandled:?}"),
        }
    }

    /// The elements whose tokens had not fired before the drain.
    pub(super) fn unacked_before_drain(&self) -> Vec<i32> {
        let before = &self.events[..self.settled];
        let is_acked = |x: &i32| {
            let mut events = before.iter();
            events.any(|(_, event)| matches!(event, Event::Acked(y, _) if x == y))
        };
        ELEMENTS.filter(|x| !is_acked(x)).collect()
    }

    /// Checks that every token fired once: after everything derived from its element reached a sink, and as failed only
    /// for the elements in `failed`.
    pub(super) fn check_acks(&self, failed: &[i32], sink: TrialSink) {
        for x in ELEMENTS {
            let acked: Vec<_> = self
                .events
                .iter()
                .enumerate()
                .filter_map(|(place, (at, event))| match event {
                    Event::Acked(y, outcome) if *y == x => Some((place, *at, *outcome)),
                    _ => None,
                })
                .collect();
            let [(place, at, outcome)] = acked[..] else {
                panic!("the token of {x} fires {} times", acked.len());
            };
            let expected = if failed.contains(&x) {
                Outcome::Failed
            } else {
                Outcome::Delivered
            };
            assert_eq!(outcome, expected, "of {x}");
            for (later, (sunk_at, event)) in self.events.iter().enumerate().skip(place) {
                let is_late = matches!(event, Event::Sunk(xs) if xs.contains(&x));
                // A pulled element is acknowledged when it is taken, just before it can be recorded.
                let is_pulled = sink == TrialSink::Pull && *sunk_at == at;
                assert!(
                    !is_late || is_pulled,
                    "the token of {x} fires before event {later}: {:?}",
                    self.events
                );
            }
        }
    }
}
