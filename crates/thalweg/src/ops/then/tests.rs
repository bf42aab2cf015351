use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::SinkAsync;
use super::super::test_inputs::{Bench, ms};
use super::*;
use crate::sync::lock;
use crate::{OnError, Retry, Sink, VirtualClock};

type Pending<U> = Pin<Box<dyn Future<Output = Result<Option<U>, &'static str>> + Send>>;
type Steps<U> = Result<Step<Option<U>, Pending<U>>, &'static str>;

/// Odd numbers are ready at once, even ones take that many milliseconds; fails on multiples of 5, and
/// sends nothing for multiples of 7.
fn mixed(clock: &VirtualClock) -> impl FnMut(&u64) -> Steps<u64> + Send + use<> {
    let clock = clock.clone();
    move |x| {
        let x = *x;
        let result = match x {
            x if x % 5 == 0 => Err("five"),
            x => Ok((x % 7 != 0).then_some(x)),
        };
        if x % 2 == 1 {
            return Ok(Step::Done(result?));
        }
        let sleep = clock.sleep(ms(x));
        Ok(Step::Pending(Box::pin(async move {
            sleep.await;
            result
        })))
    }
}

proptest! {
    #[test]
    fn calls_run_one_after_another_and_failures_reach_their_emitters(
        xs in prop::collection::vec(1..100_u64, 0..30),
        on_demand: bool,
    ) {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let node = Then::new(mixed(&clock));
        let node = if on_demand { node.runtime_on_demand() } else { node };
        let out = Arc::<Mutex<Vec<(u64, u64)>>>::default();
        let (log, timer) = (out.clone(), clock.clone());
        source.apply(node).sink(move |x| lock(&log).push((timer.now().as_millis() as u64, x)));
        let emitted: Vec<_> = xs.iter().map(|x| source.emit(*x)).collect();
        let (mut now, mut expected) = (0, Vec::new());
        for (x, emit) in xs.iter().zip(emitted) {
            let result = clock.block_on(emit);
            now += if x % 2 == 0 { *x } else { 0 };
            prop_assert_eq!(result.is_err(), x % 5 == 0);
            if let Err(error) = result {
                prop_assert_eq!(error.failures()[0].element::<u64>(), Some(*x));
            } else if x % 7 != 0 {
                expected.push((now, *x));
            }
        }
        prop_assert_eq!(&*lock(&out), &expected);
    }
}

#[test]
fn elements_arriving_during_a_call_wait_with_their_emitter() {
    let bench = Bench::with_slow_sink(ms(50), |s: &Stream<u64>| {
        let runtime = s.graph().runtime().expect("built on one").clone();
        s.then(move |x| {
            let sleep = runtime.sleep(ms(100));
            async move {
                sleep.await;
                x
            }
        })
    });
    let emitted = [1, 2].map(|x| bench.emit(x));
    let ready = || emitted.each_ref().map(|emitted| emitted.is_ready());
    bench.advance_to(100);
    // The call has ended, but the sink has not accepted the result.
    assert_eq!((ready(), bench.acked()), ([false, false], vec![]));
    bench.advance_to(150);
    assert_eq!((ready(), bench.acked()), ([true, false], vec![1]));
    assert_eq!(bench.drain(), [(150, 1), (250, 2)]);
    assert_eq!(bench.acked(), [1, 2]);
}

#[test]
fn a_drain_waits_for_the_running_call_and_the_waiting_elements() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.apply(Then::new(mixed(&clock))).sink_to_list();
    let _emitted = [2, 4, 3].map(|x| source.emit(x));
    assert_eq!(source.graph_view().nodes[1].counters.held, 3);
    clock.block_on(source.drain("1s")).expect("delivered");
    assert_eq!(list.to_vec(), [2, 4, 3]);
}

#[test]
fn no_runtime_is_needed_until_a_future_is_pending() {
    let clock = VirtualClock::new();
    let source = Stream::new();
    let list = source
        .apply(Then::new(mixed(&clock)).runtime_on_demand())
        .sink_to_list();
    source.emit(3).wait().expect("done at once");
    assert!(source.graph().runtime().is_none());
    assert_eq!(list.to_vec(), [3]);
}

#[cfg(feature = "tokio")]
#[test]
fn a_runtime_is_found_when_a_future_is_pending() {
    let source = Stream::new();
    let node = Then::new(|x: &i32| {
        let x = *x;
        Ok::<_, &str>(Step::Pending(async move { Ok(Some(x)) }))
    });
    let list = source.apply(node.runtime_on_demand()).sink_to_list();
    source.emit(1).wait().expect("the shared loop runs it");
    assert!(source.graph().runtime().is_some());
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn immediate_and_late_failures_count_as_attempts_alike() {
    for limit in 0..4 {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        // Fails at once, then later, then at once, and then succeeds.
        let node = Then::new(move |x: &u64| match count.fetch_add(1, Ordering::Relaxed) {
            0 | 2 => Err("at once"),
            1 => Ok(Step::Pending(
                Box::pin(async { Err("later") }) as Pending<u64>
            )),
            _ => Ok(Step::Done(Some(*x))),
        });
        let list = source
            .apply(node)
            .on_error(Retry::times(limit).backoff("1s"))
            .sink_to_list();
        let emitted = clock.block_on(source.emit(8));
        assert_eq!(emitted.is_ok(), limit == 3, "{limit}");
        assert_eq!(calls.load(Ordering::Relaxed), limit as usize + 1);
        assert_eq!(list.len(), usize::from(limit == 3));
        assert_eq!(clock.now().as_secs(), (1 << limit) - 1);
    }
}

#[test]
fn retries_without_a_pause_need_no_runtime() {
    let source = Stream::new();
    let mut tries = 0;
    let node = Then::new(move |x: &u64| {
        tries += 1;
        match tries {
            1 | 2 => panic!("on purpose"),
            _ => Ok(Step::<_, Pending<u64>>::Done(Some(*x))),
        }
    });
    let list = source
        .apply(node.runtime_on_demand())
        .on_error(Retry::times(2))
        .sink_to_list();
    source.emit(1).wait().expect("the third attempt succeeds");
    assert!(source.graph().runtime().is_none());
    assert_eq!(list.to_vec(), [1]);
}

#[test]
fn a_panic_under_a_policy_is_handled_once() {
    let source = Stream::on(VirtualClock::new());
    let letters = Stream::new();
    let dead = letters.sink_to_list();
    let node = Then::new(|x: &u64| {
        assert!(*x != 2, "two");
        Ok::<_, &str>(Step::<_, Pending<u64>>::Done(Some(*x)))
    });
    let node = source.apply(node);
    let list = node.clone().sink_to_list();
    let node = node.on_error(Retry::times(1));
    assert!(source.emit(2).wait().is_err());
    assert_eq!(node.counters().failed, 1);
    let node = node.on_error(OnError::Route(letters));
    source.emit(2).wait().expect("routed");
    source.emit(3).wait().expect("taken");
    assert_eq!((node.counters().failed, dead.len()), (2, 1));
    assert_eq!(list.to_vec(), [3]);
}

#[test]
fn an_element_fed_back_is_queued() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let timer = clock.clone();
    let halves = source.apply(Then::new(move |x: &u64| {
        let (x, sleep) = (*x, timer.sleep(ms(1)));
        if x % 2 == 1 {
            return Ok(Step::Done(Some(x / 2)));
        }
        Ok(Step::Pending(Box::pin(async move {
            sleep.await;
            Ok::<_, &str>(Some(x / 2))
        }) as Pending<u64>))
    }));
    halves.filter(|x| *x > 0).connect(&source).expect("fits");
    let list = halves.sink_to_list();
    clock.block_on(source.emit(1_000_000)).expect("taken");
    assert_eq!(list.len(), 20);
}

#[test]
fn destroying_the_node_during_a_call_releases_its_emitters() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let node = source.apply(Then::new(mixed(&clock)));
    let sink = node.sink(drop);
    let outcome = Arc::new(Mutex::new(None));
    let log = outcome.clone();
    let ack = crate::Ack::new(move |o| *lock(&log) = Some(o));
    let (_running, waiting) = (source.emit(2), source.emit_with(4, ack));
    node.destroy();
    sink.destroy();
    drop((node, sink));
    clock.advance(ms(1000));
    assert!(waiting.is_ready());
    assert!(lock(&outcome).is_some());
}

#[test]
fn a_stepwise_sink_holds_only_pending_elements() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let mut f = mixed(&clock);
    let sink = SinkAsync::stepwise(move |x: &u64| match f(x)? {
        Step::Done(_) => Ok(Step::Done(())),
        Step::Pending(call) => Ok(Step::Pending(async move { call.await.map(drop) })),
    });
    let sink = Sink::from(source.apply(sink.runtime_on_demand()));
    let emitted = [8, 3, 6, 10, 4, 5].map(|x| source.emit(x));
    let ready = || emitted.each_ref().map(|emitted| emitted.is_ready());
    // They run at the same time, and each emitter waits for its own.
    assert_eq!(ready(), [false, true, false, false, false, true]);
    clock.advance(ms(6));
    assert_eq!(ready(), [false, true, true, false, true, true]);
    let results = emitted.map(|emitted| clock.block_on(emitted).is_ok());
    assert_eq!(results, [true, true, true, false, true, false]);
    assert_eq!(sink.stream().counters().failed, 2);
}

#[test]
fn a_then_is_named_after_its_function() {
    async fn fetch(x: i32) -> i32 {
        x
    }
    let source = Stream::on(VirtualClock::new());
    assert_eq!(source.then(fetch).name(), "then(fetch)#2");
}

proptest! {
    #[test]
    fn concurrent_calls_are_bounded_and_each_emitter_gets_its_own_outcome(
        xs in prop::collection::vec(1..100_u64, 0..30),
        limit in 1..5_usize,
    ) {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let node = Then::new(mixed(&clock)).at_most(limit).expect("it is not zero");
        let out = Arc::<Mutex<Vec<(u64, u64)>>>::default();
        let (log, timer) = (out.clone(), clock.clone());
        source.apply(node).sink(move |x| lock(&log).push((timer.now().as_millis() as u64, x)));
        let emitted: Vec<_> = xs.iter().map(|x| source.emit(*x)).collect();
        let (mut start, mut ends, mut expected) = (0, Vec::new(), Vec::new());
        for (x, emit) in xs.iter().zip(emitted) {
            let result = clock.block_on(emit);
            prop_assert_eq!(result.is_err(), x % 5 == 0);
            ends.retain(|end| *end > start);
            if ends.len() == limit {
                start = *ends.iter().min().expect("it is full");
                ends.retain(|end| *end > start);
            }
            let takes = if x % 2 == 0 { *x } else { 0 };
            if takes > 0 {
                ends.push(start + takes);
            }
            if x % 5 != 0 && x % 7 != 0 {
                expected.push((start + takes, *x));
            }
        }
        expected.sort_unstable();
        let mut found = lock(&out).clone();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_parallelism_of_zero_is_a_build_error() {
    let clock = VirtualClock::new();
    assert!(Then::new(mixed(&clock)).at_most(0).is_err());
}
