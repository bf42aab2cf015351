//! A function that fails on element 3, under each policy.

use std::sync::{Arc, Mutex};

use super::trial::{DOWNSTREAM, TrialSink, UNDER_TEST, WORK};
use super::trouble::Manner;
use super::{Case, Report, TROUBLED, Trial, Trouble};
use crate::sync::lock;
use crate::{Failure, OnError, Retry, Stream};

/// A policy, with the number of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Raise,
    Skip,
    Retry,
    RetryInVain,
    Route,
}

impl Policy {
    const ALL: [Self; 5] = [
        Self::Raise,
        Self::Skip,
        Self::Retry,
        Self::RetryInVain,
        Self::Route,
    ];

    fn times(self) -> u32 {
        match self {
            Self::Retry => 2,
            Self::RetryInVain => 3,
            _ => 1,
        }
    }

    fn on_error(self, dead_letters: &Stream<Failure>) -> OnError {
        match self {
            Self::Raise => OnError::Raise,
            Self::Skip => OnError::Skip,
            Self::Retry => Retry::times(2).into(),
            Self::RetryInVain => Retry::times(2).then(OnError::Skip).into(),
            Self::Route => dead_letters.into(),
        }
    }
}

/// The function that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    UnderTest,
    Downstream,
}

/// Runs the operator with trouble in its function, or downstream, under a policy.
fn run(case: &Case, policy: Policy, manner: Manner, place: Place) -> (Report, Vec<Failure>) {
    let mut trial = Trial::new();
    let dead_letters = Stream::on(&trial.clock);
    let dead = Arc::new(Mutex::new(Vec::new()));
    let (letters, log, clock) = (dead.clone(), trial.log.clone(), trial.clock.clone());
    // A slow sink: routed failures are in flight until it is done with them.
    dead_letters.sink_async(move |failure: Failure| {
        let (letters, log) = (letters.clone(), log.clone());
        let sleep = clock.sleep(WORK);
        async move {
            sleep.await;
            log.sunk(vec![TROUBLED, i32::MAX]);
            lock(&letters).push(failure);
        }
    });
    let trouble = Trouble::new(manner, policy.times());
    let on_error = policy.on_error(&dead_letters);
    match place {
        Place::Downstream => trial.downstream = Some((trouble, on_error)),
        Place::UnderTest => (trial.trouble, trial.policy) = (trouble, on_error),
    }
    let report = case.run(&trial, None);
    let dead = lock(&dead).clone();
    (report, dead)
}

/// Checks what is the same whichever function fails.
fn check(report: &Report, dead: &[Failure], policy: Policy, node: &str, manner: Manner) {
    if policy == Policy::Raise {
        let failure = report.failure();
        assert_eq!(failure.node(), node);
        assert_eq!(failure.is_panic(), manner == Manner::Panic);
    } else {
        let reported = [&report.raised[..], &report.unhandled[..]].concat();
        assert!(reported.is_empty(), "{reported:?}");
    }
    assert_eq!(dead.len(), usize::from(policy == Policy::Route));
    if let Err(error) = &report.drained {
        panic!("the drain fails: {error}");
    }
}

fn without_letters(report: &Report) -> Vec<Vec<i32>> {
    let mut outputs = report.outputs();
    outputs.retain(|xs| !xs.contains(&i32::MAX));
    outputs
}

pub(super) fn check_function(case: &Case) {
    let clean = case.run(&Trial::new(), None).outputs();
    let spared = case.run(&Trial::new(), Some(TROUBLED)).outputs();
    for &manner in case.manners() {
        for policy in Policy::ALL {
            let context = format!("{}: {manner:?} under {policy:?}", case.name());
            let (report, dead) = run(case, policy, manner, Place::UnderTest);
            check(&report, &dead, policy, UNDER_TEST, manner);
            if policy == Policy::Raise {
                assert_eq!(report.failure().ordinal(), 3, "{context}");
                let unhandled = usize::from(case.is_detached());
                assert_eq!(report.unhandled.len(), unhandled, "{context}");
            }
            if manner == Manner::Error {
                let failure = dead.first().or(report.raised.first());
                let failure = failure.or(report.unhandled.first());
                let element = failure.map(|failure| failure.element::<i32>());
                let is_named = element.is_none_or(|element| element == Some(TROUBLED));
                assert!(is_named, "{context}: {element:?}");
            }
            let failed = u64::from(policy != Policy::Retry);
            assert_eq!(report.failed, failed, "{context}, as the counter says");
            let expected = if policy == Policy::Retry {
                &clean
            } else {
                &spared
            };
            assert_eq!(without_letters(&report), *expected, "{context}");
            let lost: &[i32] = match policy {
                Policy::Raise => &[TROUBLED],
                _ => &[],
            };
            report.check_acks(lost, TrialSink::Function);
        }
    }
}

pub(super) fn check_downstream(case: &Case) {
    let clean = case.run(&Trial::new(), None).outputs();
    let Some(first) = clean.iter().position(|xs| xs.contains(&TROUBLED)) else {
        return;
    };
    for manner in [Manner::Error, Manner::Panic] {
        for policy in Policy::ALL {
            let (report, dead) = run(case, policy, manner, Place::Downstream);
            if report.outputs() == clean
                && report.raised.is_empty()
                && dead.is_empty()
                && policy != Policy::Retry
            {
                // Nothing is downstream of a sink.
                return;
            }
            let context = format!(
                "{}: {manner:?} downstream of it under {policy:?}",
                case.name()
            );
            check(&report, &dead, policy, DOWNSTREAM, manner);
            let mut expected = clean.clone();
            if policy != Policy::Retry {
                expected.remove(first);
            }
            if policy == Policy::Raise {
                expected.retain(|xs| !xs.iter().any(|x| case.not_sent.contains(x)));
            }
            assert_eq!(without_letters(&report), expected, "{context}");
            let lost: &[i32] = match policy {
                Policy::Raise => &clean[first],
                _ => &[],
            };
            report.check_acks(lost, TrialSink::Function);
        }
    }
}
