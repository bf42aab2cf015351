//! What the operators' own tests have in common.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;

use crate::sync::lock;
use crate::{Ack, Element, Emit, Outcome, Stream, VirtualClock};

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// What comes out of an operator that everything goes through at once.
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

/// The same, and what comes out in the drain.
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

/// What is wrong with an operator's arguments.
pub(super) fn build_error<U: Element>(build: impl FnOnce(&Stream<i32>) -> Stream<U>) -> String {
    let error = build(&Stream::on(VirtualClock::new())).check();
    error.expect_err("an argument is wrong").to_string()
}

/// When elements come, in milliseconds, each with its number: the source of property tests in
/// time.
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

/// What comes out of an operator, and when, if nothing behind it holds it up. An element that comes
/// at the time of a tick comes after it.
pub(super) fn in_time<T: Element, U: Element>(
    schedule: &[(u64, T)],
    build: impl FnOnce(&Stream<T>) -> Stream<U>,
) -> Vec<(u64, U)> {
    let bench = Bench::new(build);
    for (at, x) in schedule {
        bench.advance_to(*at);
        // Those that have to wait do so in the operator.
        drop(bench.source.emit(x.clone()));
    }
    // Longer than any interval, and any queue.
    bench.clock.advance(Duration::from_secs(10_000));
    bench.take()
}

/// An operator on a virtual clock between a source and a sink.
pub(super) struct Bench<T, U> {
    pub(super) clock: VirtualClock,
    pub(super) source: Stream<T>,
    out: Arc<Mutex<Vec<(u64, U)>>>,
    acked: Arc<Mutex<Vec<(T, Outcome)>>>,
}

impl<T: Element, U: Element> Bench<T, U> {
    /// With a sink that takes everything at once.
    pub(super) fn new(build: impl FnOnce(&Stream<T>) -> Stream<U>) -> Self {
        let bench = Self::without_sink();
        let (out, clock) = (bench.out.clone(), bench.clock.clone());
        build(&bench.source).sink(move |y| lock(&out).push((millis(&clock), y)));
        bench
    }

    /// With an asynchronous sink that takes that long for each element.
    pub(super) fn with_slow_sink(
        work: Duration,
        build: impl FnOnce(&Stream<T>) -> Stream<U>,
    ) -> Self {
        let bench = Self::without_sink();
        let (out, clock) = (bench.out.clone(), bench.clock.clone());
        build(&bench.source).sink_async(move |y| {
            let (out, clock) = (out.clone(), clock.clone());
            async move {
                clock.sleep(work).await;
                lock(&out).push((millis(&clock), y));
            }
        });
        bench
    }

    fn without_sink() -> Self {
        let clock = VirtualClock::new();
        Self {
            source: Stream::on(&clock),
            clock,
            out: Arc::default(),
            acked: Arc::default(),
        }
    }

    /// Emits with a token that [`acked`](Self::acked) tells of.
    pub(super) fn emit(&self, x: T) -> Emit {
        let (acked, name) = (self.acked.clone(), x.clone());
        let ack = Ack::new(move |outcome| lock(&acked).push((name, outcome)));
        self.source.emit_with(x, ack)
    }

    /// The elements whose tokens have fired, in order.
    pub(super) fn acked(&self) -> Vec<T> {
        let acked = lock(&self.acked);
        assert!(acked.iter().all(|(_, o)| *o == Outcome::Delivered));
        acked.iter().map(|(x, _)| x.clone()).collect()
    }

    pub(super) fn advance_to(&self, at: u64) {
        let now = self.clock.now();
        self.clock.advance(ms(at).saturating_sub(now));
    }

    /// What has come out since the last look, and when.
    pub(super) fn take(&self) -> Vec<(u64, U)> {
        std::mem::take(&mut lock(&self.out))
    }

    pub(super) fn block_on<R>(&self, future: impl Future<Output = R>) -> R {
        self.clock.block_on(future)
    }

    /// Drains, and returns what came out meanwhile.
    pub(super) fn drain(&self) -> Vec<(u64, U)> {
        let drained = self.block_on(self.source.drain("1h"));
        drained.expect("everything is delivered");
        self.take()
    }
}

fn millis(clock: &VirtualClock) -> u64 {
    clock.now().as_millis() as u64
}
