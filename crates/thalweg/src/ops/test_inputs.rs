//! Inputs and helpers shared by the operators' tests.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use proptest::prelude::*;

pub(super) use crate::testing::Bench;
use crate::{Element, Stream, VirtualClock};

/// A key that differs from itself.
#[derive(Clone)]
pub(super) struct Nan;

impl PartialEq for Nan {
    fn eq(&self, _: &Self) -> bool {
        false
    }
}

impl Eq for Nan {}

impl Hash for Nan {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Outputs of an operator that passes everything at once.
pub(super) fn outputs<T: Element, U: Element>(
    xs: impl IntoIterator<Item = T>,
    build: impl FnOnce(&Stream<T>) -> Stream<U>,
) -> Vec<U> {
    let source = Stream::new();
    let list = build(&source).sink_to_list();
    source
        .emit_many(xs)
        .wait()
        .expect("everything gets through");
    list.take()
}

/// The same, and the outputs of the drain.
pub(super) fn outputs_and_rest<T: Element, U: Element>(
    xs: impl IntoIterator<Item = T>,
    build: impl FnOnce(&Stream<T>) -> Stream<U>,
) -> (Vec<U>, Vec<U>) {
    let source = Stream::new();
    let list = build(&source).sink_to_list();
    source
        .emit_many(xs)
        .wait()
        .expect("everything gets through");
    let outputs = list.take();
    source.drain("1s").wait().expect("everything is delivered");
    (outputs, list.take())
}

/// Error text for an operator's arguments.
pub(super) fn build_error<U: Element>(build: impl FnOnce(&Stream<i32>) -> Stream<U>) -> String {
    let error = build(&Stream::on(VirtualClock::new())).check();
    error.expect_err("an argument is wrong").to_string()
}

/// Numbered elements with arrival times in milliseconds: inputs of property tests about time.
pub(super) fn schedules() -> impl Strategy<Value = Vec<(u64, usize)>> {
    let gaps = prop::collection::vec(prop_oneof![Just(0), 1..400_u64, 1..3000_u64], 0..40);
    gaps.prop_map(|gaps| {
        let times = gaps.into_iter().scan(0, |at, gap| {
            *at += gap;
            Some(*at)
        });
        times.enumerate().map(|(x, at)| (at, x)).collect()
    })
}

/// Outputs of an operator and their times, if nothing downstream delays them. An element that arrives at the time of a
/// tick comes after it.
pub(super) fn in_time<T: Element, U: Element>(
    schedule: &[(u64, T)],
    build: impl FnOnce(&Stream<T>) -> Stream<U>,
) -> Vec<(u64, U)> {
    let bench = Bench::new(build);
    for (at, x) in schedule {
        bench.advance_to(*at);
        // Elements that have to wait do so in the operator.
        drop(bench.source.emit(x.clone()));
    }
    // Longer than any interval, and any queue.
    bench.clock.advance(Duration::from_secs(10_000));
    bench.take()
}
