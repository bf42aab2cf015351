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
    /// How many of the events came before the drain.
    pub(super) settled: usize,
    /// Failures that emitters were told of.
    pub raised: Vec<Failure>,
    /// Failures that no emitter waited for.
    pub unhandled: Vec<Failure>,
    /// How the drain ended.
    pub drained: Result<(), Error>,
    /// How many failures the operator's counter shows.
    pub failed: u64,
}

impl Report {
    /// The outputs in order, each as the elements it was made of.
    pub fn outputs(&self) -> Vec<Vec<i32>> {
        let outputs = self.events.iter().filter_map(|(_, event)| match event {
            Event::Sunk(xs) => Some(xs.clone()),
            Event::Acked(..) => None,
        });
        outputs.collect()
    }

    /// The one failure that was reported.
    ///
    /// # Panics
    /// When there is none, or more than one.
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

    /// Checks that every token fired once: not before everything made of its element was sunk, and as failed for the
    /// elements in `failed` only.
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
                // A pulled element is acknowledged when it is taken, just before it can be dealt with.
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
