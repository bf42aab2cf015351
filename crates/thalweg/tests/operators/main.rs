//! Properties of every operator, checked on one table of them all: element 3 of 10
//! fails in its function or downstream, by an error or by a panic, under every policy; and every
//! acknowledgement fires once, and not before everything derived from its element has reached a sink, with
//! every kind of sink.
//!
//! A new operator is one line in `cases.rs`.

#![allow(missing_docs, clippy::unwrap_used)]

mod cases;

use thalweg::testing::Case;

#[test]
fn a_token_fires_once_after_all_results_of_its_element_reach_a_sink() {
    each(Case::check_acks);
}

#[test]
fn a_dropped_pipeline_releases_held_elements() {
    each(Case::check_drop);
}

#[test]
fn a_function_failing_on_element_3_does_not_affect_others() {
    each(Case::check_policies);
}

#[test]
fn a_downstream_function_failing_on_element_3_does_not_affect_others() {
    each(Case::check_policies_behind);
}

/// Runs a test on every operator, and lists those that failed.
fn each(test: impl Fn(&Case)) {
    let fails = |case: &Case| {
        let run = std::panic::AssertUnwindSafe(|| test(case));
        std::panic::catch_unwind(run).is_err()
    };
    let cases = cases::all();
    let failed = cases.iter().filter(|case| fails(case)).map(Case::name);
    let failed: Vec<_> = failed.collect();
    assert!(failed.is_empty(), "failed: {failed:?}");
}
