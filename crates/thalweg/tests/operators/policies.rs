use std::sync::{Arc, Mutex};

use thalweg::{Failure, OnError, Retry, Stream};

use crate::cases::{CASES, Case, Function};
use crate::trial::{ELEMENTS, Manner, Report, TROUBLED, Trial, Trouble};

/// A policy, how often the function fails, and whether element 3 gets through.
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

/// Runs the operator with trouble in its function, or behind it, under a policy.
fn run(case: &Case, policy: Policy, manner: Manner, behind: bool) -> (Report, Vec<Failure>) {
    let mut trial = Trial::new();
    let dead_letters = Stream::on(&trial.clock);
    let dead = Arc::new(Mutex::new(Vec::new()));
    let (letters, log, clock) = (dead.clone(), trial.log.clone(), trial.clock.clone());
    // A sink that takes its time: what is routed is on its way until it has been dealt with.
    dead_letters.sink_async(move |failure: Failure| {
        let (letters, log) = (letters.clone(), log.clone());
        let sleep = clock.sleep(crate::trial::WORK);
        async move {
            sleep.await;
            log.sunk(vec![TROUBLED, i32::MAX]);
            letters.lock().unwrap().push(failure);
        }
    });
    let (trouble, on_error) = (
        Trouble::new(manner, policy.times()),
        policy.on_error(&dead_letters),
    );
    if behind {
        trial.behind = Some((trouble, on_error));
    } else {
        (trial.trouble, trial.policy) = (trouble, on_error);
    }
    let report = trial.run(None, case.build);
    let dead = dead.lock().unwrap().clone();
    (report, dead)
}

/// What is the same whoever fails.
fn check(report: &Report, dead: &[Failure], policy: Policy, node: &str, manner: Manner) {
    match policy {
        Policy::Raise => {
            let failure = report.failure();
            assert_eq!(failure.node(), node);
            assert_eq!(failure.is_panic(), manner == Manner::Panic);
        }
        _ => {
            let reported = [&report.raised[..], &report.unhandled[..]].concat();
            assert!(reported.is_empty(), "{reported:?}");
        }
    }
    assert_eq!(dead.len(), usize::from(policy == Policy::Route));
    report.drained.as_ref().unwrap();
}

fn without_letters(report: &Report) -> Vec<Vec<i32>> {
    let mut outputs = report.outputs();
    outputs.retain(|xs| !xs.contains(&i32::MAX));
    outputs
}

#[test]
fn a_function_that_fails_on_element_3_leaves_the_others_alone() {
    each(|case| {
        if case.function == Function::None {
            return;
        }
        let clean = Trial::new().run(None, case.build).outputs();
        let spared = Trial::new().run(Some(TROUBLED), case.build).outputs();
        for &manner in case.function.manners() {
            for policy in Policy::ALL {
                println!("{} {manner:?} {policy:?}", case.name);
                let (report, dead) = run(case, policy, manner, false);
                check(&report, &dead, policy, "under test", manner);
                if policy == Policy::Raise {
                    assert_eq!(report.failure().ordinal(), 3);
                    assert_eq!(report.unhandled.len(), usize::from(case.detached));
                }
                if manner == Manner::Error {
                    let failure = dead.first().or(report.raised.first());
                    let failure = failure.or(report.unhandled.first());
                    let element = failure.map(|failure| failure.element::<i32>());
                    assert!(element.is_none_or(|element| element == Some(TROUBLED)));
                }
                let failed = u64::from(policy != Policy::Retry);
                assert_eq!(report.failed, failed, "as the counter says");
                let expected = if policy == Policy::Retry {
                    &clean
                } else {
                    &spared
                };
                assert_eq!(without_letters(&report), *expected);
                let lost: &[i32] = match policy {
                    Policy::Raise => &[TROUBLED],
                    _ => &[],
                };
                report.check_acks(ELEMENTS, lost, crate::trial::Sink::Function);
            }
        }
    });
}

#[test]
fn a_function_behind_that_fails_on_element_3_leaves_the_others_alone() {
    each(|case| {
        let clean = Trial::new().run(None, case.build).outputs();
        let Some(first) = clean.iter().position(|xs| xs.contains(&TROUBLED)) else {
            return;
        };
        if case.name.contains("sink") {
            return;
        }
        for manner in [Manner::Error, Manner::Panic] {
            for policy in Policy::ALL {
                println!("{} {manner:?} {policy:?}", case.name);
                let (report, dead) = run(case, policy, manner, true);
                check(&report, &dead, policy, "behind", manner);
                let mut expected = clean.clone();
                if policy != Policy::Retry {
                    expected.remove(first);
                }
                if policy == Policy::Raise {
                    expected.retain(|xs| !xs.iter().any(|x| case.not_sent.contains(x)));
                }
                assert_eq!(without_letters(&report), expected);
                let lost: &[i32] = match policy {
                    Policy::Raise => &clean[first],
                    _ => &[],
                };
                report.check_acks(ELEMENTS, lost, crate::trial::Sink::Function);
            }
        }
    });
}

/// Runs a test on every operator, and says in the end which ones have not passed.
pub fn each(test: impl Fn(&Case) + std::panic::RefUnwindSafe) {
    let failed: Vec<_> = CASES
        .iter()
        .filter(|case| std::panic::catch_unwind(|| test(case)).is_err())
        .map(|case| case.name)
        .collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}
