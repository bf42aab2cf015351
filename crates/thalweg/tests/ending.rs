//! Draining, what it reports, and feedback in constant stack.

#![allow(missing_docs, clippy::unwrap_used)]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::time::Duration;

use thalweg::{Ack, Outcome, Stream, VirtualClock};

#[test]
fn a_drain_delivers_everything_from_upstream_to_downstream() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source
        .partition(4)
        .buffer(2)
        .rate_limit("1s")
        .map(|group| group.len())
        .partition(2)
        .sink_to_list();
    clock.block_on(async {
        for x in 0..10 {
            source.emit(x).await.unwrap();
        }
        source.drain("1min").await.unwrap();
    });
    assert_eq!(list.to_vec(), [vec![4, 4], vec![2]]);
    let error = source.emit(10).wait().unwrap_err();
    assert!(error.is_closed(), "{error}");
}

#[test]
fn a_drain_that_misses_its_deadline_reports_what_is_left_and_where() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source
        .buffer(10)
        .named("waiting room")
        .rate_limit("1s")
        .sink_to_list();
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    for x in 0..6 {
        let outcomes = outcomes.clone();
        let ack = Ack::new(move |outcome| outcomes.lock().unwrap().push(outcome));
        assert!(source.emit_with(x, ack).is_ready());
    }
    let drained = clock.block_on(source.drain("2500ms"));
    assert_eq!(clock.now(), Duration::from_millis(2500));
    assert_eq!(list.to_vec(), [0, 1, 2]);
    let error = drained.unwrap_err();
    let left: usize = error.undelivered().iter().map(|left| left.elements).sum();
    // The element before the rate limit counts for both nodes.
    assert_eq!(error.undelivered()[0].node, "waiting room");
    assert!((3..=4).contains(&left), "{error}");
    drop(source);
    assert_eq!(outcomes.lock().unwrap()[..3], [Outcome::Delivered; 3]);
}

#[test]
fn a_drain_reports_failures_nobody_waited_for() {
    let source = Stream::new();
    source
        .partition(2)
        .try_map(|group: &Vec<i32>| match group.len() {
            2 => Ok(2),
            _ => Err("an odd one"),
        })
        .named("pairs")
        .sink(drop);
    source.emit_many([1, 2, 3]).wait().unwrap();
    let error = source.drain("1s").wait().unwrap_err();
    assert_eq!(error.failures()[0].node(), "pairs");
    assert_eq!(error.failures()[0].element::<Vec<i32>>(), Some(vec![3]));
}

#[test]
fn a_drain_reports_unpaired_elements() {
    let (left, right) = (Stream::new(), Stream::<i32>::new());
    left.zip(&right).named("pair").sink(drop);
    left.emit_many([1, 2]).wait().unwrap();
    let error = left.drain("1s").wait().unwrap_err();
    assert_eq!(
        (
            error.undelivered()[0].node.as_str(),
            error.undelivered()[0].elements
        ),
        ("pair", 2)
    );
}

#[test]
fn a_failure_after_a_buffer_is_reported_by_the_next_emit_which_still_succeeds() {
    let source = Stream::new();
    let list = source
        .buffer(5)
        .try_map(|x: &i32| if *x == 1 { Err("one") } else { Ok(*x) })
        .sink_to_list();
    let error = source.emit(1).wait().unwrap_err();
    assert!(error.is_behind());
    source.emit(2).wait().unwrap();
    assert_eq!(list.to_vec(), [2]);
    source.drain("1s").wait().unwrap();
}

#[test]
fn on_unhandled_gets_failures_nobody_waits_for() {
    let source = Stream::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = heard.clone();
    source.on_unhandled(move |failure| log.lock().unwrap().push(failure.element::<i32>()));
    source
        .buffer(5)
        .try_map(|x: &i32| if x % 3 == 0 { Err("a third") } else { Ok(*x) })
        .sink(drop);
    source.emit_many(1..=9).wait().unwrap();
    assert_eq!(*heard.lock().unwrap(), [Some(3), Some(6), Some(9)]);
    source.drain("1s").wait().unwrap();
}

#[test]
fn sources_stop_resume_and_drain() {
    let clock = VirtualClock::new();
    let mut next = 0;
    let ticks = Stream::from_periodic_on(&clock, "1s", move || {
        next += 1;
        next
    });
    let list = ticks.sink_to_list();
    ticks.start().unwrap();
    clock.advance(Duration::from_millis(2500));
    assert_eq!(list.to_vec(), [1, 2, 3]);
    ticks.stop();
    clock.advance(Duration::from_secs(10));
    assert_eq!(list.len(), 3);
    ticks.start().unwrap();
    clock.advance(Duration::from_millis(500));
    assert_eq!(list.to_vec(), [1, 2, 3, 4]);
    clock.block_on(ticks.drain("1s")).unwrap();
    clock.advance(Duration::from_secs(10));
    assert_eq!(list.len(), 4);
}

#[test]
fn a_million_steps_of_feedback_take_no_more_stack_than_one() {
    // Two megabytes of stack could not hold a million frames of one word each.
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let steps = thread.spawn(|| {
        let numbers = Stream::new();
        let mut steps = 0_u64;
        let counted = numbers.map(move |x: u64| {
            steps += 1;
            (x, steps)
        });
        let last = counted.filter(|(x, _)| *x == 0).sink_to_list();
        counted
            .filter(|(x, _)| *x > 0)
            .map(|(x, _)| x - 1)
            .connect(&numbers)
            .unwrap();
        numbers.emit(1_000_000).wait().unwrap();
        last.to_vec()
    });
    assert_eq!(steps.unwrap().join().unwrap(), [(0, 1_000_001)]);
}

#[test]
fn a_million_steps_through_an_emitting_function() {
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let steps = thread.spawn(|| {
        let numbers = Stream::new();
        let again = numbers.clone();
        let sink = numbers.sink(move |x: u64| {
            if x > 0 {
                again.emit(x - 1).wait().unwrap();
            }
        });
        numbers.emit(1_000_000).wait().unwrap();
        let steps = numbers.counters().sent;
        sink.destroy();
        steps
    });
    assert_eq!(steps.unwrap().join().unwrap(), 1_000_001);
}

#[test]
fn an_element_fed_back_waits_for_the_current_one() {
    let numbers = Stream::new();
    // Two feedback edges with a sink between them: the order shows who waited for whom.
    numbers
        .filter(|x| *x == 1)
        .map(|_| 10)
        .connect(&numbers)
        .unwrap();
    let list = numbers.sink_to_list();
    numbers
        .filter(|x| *x == 1)
        .map(|_| 20)
        .connect(&numbers)
        .unwrap();
    numbers.emit(1).wait().unwrap();
    numbers.emit(2).wait().unwrap();
    assert_eq!(list.to_vec(), [1, 10, 20, 2]);
}

#[test]
fn after_a_complete_drain_every_token_reports_delivery() {
    type Build = fn(&Stream<i32>);
    let builds: [(&str, Build); 22] = [
        ("slice", |s| drop(s.slice(.., 1).sink(drop))),
        ("partition", |s| drop(s.partition(3).sink(drop))),
        ("partition_unique", |s| {
            drop(s.partition_unique(3).sink(drop))
        }),
        ("sliding_window", |s| drop(s.sliding_window(3).sink(drop))),
        ("timed_window", |s| drop(s.timed_window("1s").sink(drop))),
        ("delay", |s| drop(s.delay("1s").sink(drop))),
        ("shift", |s| drop(s.shift("1s").sink(drop))),
        ("rate_limit", |s| drop(s.rate_limit("1s").sink(drop))),
        ("throttle", |s| drop(s.throttle("1s").sink(drop))),
        ("debounce", |s| drop(s.debounce("1s").sink(drop))),
        ("sample", |s| drop(s.sample("1s").sink(drop))),
        ("buffer", |s| drop(s.buffer(2).sink(drop))),
        ("latest", |s| drop(s.latest().sink(drop))),
        ("zip", |s| drop(s.zip(s).sink(drop))),
        ("combine_latest", |s| drop(s.combine_latest(s).sink(drop))),
        ("zip_latest", |s| drop(s.zip_latest(s).sink(drop))),
        ("union", |s| drop(s.union(s).sink(drop))),
        ("unique", |s| drop(s.unique().sink(drop))),
        ("scan", |s| drop(s.scan(0, |sum, x| sum + x).sink(drop))),
        ("frequencies", |s| drop(s.frequencies().sink(drop))),
        ("map_async", |s| {
            drop(s.map_async(2, |x| async move { x }).sink(drop))
        }),
        ("sink_async", |s| drop(s.sink_async(|_| async {}))),
    ];
    for (operator, build) in builds {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        build(&source);
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        for x in 0..5 {
            let outcomes = outcomes.clone();
            let ack = Ack::new(move |outcome| outcomes.lock().unwrap().push(outcome));
            drop(source.emit_with(x, ack));
        }
        clock.block_on(source.drain("1min")).unwrap();
        let outcomes = outcomes.lock().unwrap();
        assert_eq!(*outcomes, [Outcome::Delivered; 5], "{operator}");
    }
}

#[test]
fn a_drain_with_an_invalid_timeout_loses_nothing() {
    let source = Stream::new();
    let list = source.partition(4).sink_to_list();
    source.emit_many([1, 2]).wait().unwrap();
    for bad in ["soon", "-1s"] {
        let error = source.drain(bad).wait().unwrap_err();
        assert!(
            error.is_build() && error.to_string().contains("`drain`"),
            "{error}"
        );
    }
    source.emit(3).wait().unwrap();
    source.drain("5s").wait().unwrap();
    assert_eq!(list.to_vec(), [[1, 2, 3]]);
}

#[test]
fn a_drain_cuts_cycles_and_finishes_elements_in_flight() {
    type Build = fn(&Stream<u64>) -> Stream<u64>;
    let loops: [(&str, Build); 6] = [
        ("buffer", |s| s.buffer(5).rate_limit("1s")),
        ("delay", |s| s.delay("1s")),
        ("shift", |s| s.shift("1s")),
        ("rate_limit", |s| s.rate_limit("1s")),
        ("map_async", |s| {
            s.map_async(2, |x| async move { x }).rate_limit("1s")
        }),
        ("latest", |s| s.latest().rate_limit("1s")),
    ];
    for (name, build) in loops {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let slow = build(&source);
        let list = slow.sink_to_list();
        slow.map(|x| x + 1).connect(&source).unwrap();
        drop(source.emit(0));
        clock.advance(Duration::from_millis(5500));
        let (before, rounds) = (clock.now(), list.len());
        assert!(rounds > 1, "{name}");
        clock.block_on(source.drain("1h")).unwrap();
        assert!(clock.now() - before <= Duration::from_secs(3), "{name}");
        assert!(list.len() > rounds, "{name}: the round was finished");
        assert!(clock.block_on(source.drain("1h")).is_ok(), "{name}");
    }
}

#[test]
fn numbers_of_fibonacci_end_with_the_drain() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let pairs = source
        .sliding_window(2)
        .filter(|pair: &Vec<u64>| pair.len() == 2);
    let sums = pairs.map(|pair| pair[0] + pair[1]);
    sums.delay("1s").connect(&source).unwrap();
    let list = source.sink_to_list();
    for x in [0_u64, 1] {
        drop(source.emit(x));
    }
    clock.advance(Duration::from_millis(4500));
    clock.block_on(source.drain("1h")).unwrap();
    assert_eq!(list.to_vec(), [0, 1, 1, 2, 3, 5, 8]);
}

#[test]
fn a_drain_joins_the_one_under_way() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.partition(2).rate_limit("1s").sink_to_list();
    for x in 0..7 {
        drop(source.emit(x));
    }
    let (first, second) = (source.drain("1min"), source.drain("1min"));
    let both = clock.block_on(futures_util::future::join(first, second));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(list.len(), 4);
    let at = clock.now();
    assert!(clock.block_on(source.drain("1min")).is_ok());
    assert_eq!(clock.now(), at);
}

#[test]
fn a_drain_continues_where_a_dropped_one_stopped() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.partition(2).rate_limit("1s").sink_to_list();
    for x in 0..7 {
        drop(source.emit(x));
    }
    let (mut first, second) = (source.drain("1min"), source.drain("1min"));
    let mut second = second;
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
    assert!(Pin::new(&mut second).poll(&mut cx).is_pending());
    drop(first);
    clock.block_on(second).unwrap();
    assert_eq!(list.len(), 4);
}

#[test]
fn a_drain_after_a_timed_out_one_does_not_wait_again() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    source.buffer(10).rate_limit("1s").sink(drop);
    for x in 0..9 {
        drop(source.emit(x));
    }
    assert!(clock.block_on(source.drain("2s")).is_err());
    let at = clock.now();
    let again = clock.block_on(source.drain("1h")).unwrap_err();
    assert!(!again.undelivered().is_empty());
    assert_eq!(clock.now(), at);
}

/// A sink that records its number when closed.
struct Closing<const CLOSES: bool>(u32, Arc<Mutex<Vec<u32>>>);

impl<const CLOSES: bool> thalweg::Transform for Closing<CLOSES> {
    type In = u32;
    type Out = thalweg::Never;
    const KIND: &'static str = "closing";
    const SINK: bool = true;
    const CLOSES: bool = CLOSES;

    fn apply(&mut self, _: u32) -> Result<Option<thalweg::Never>, thalweg::OperatorError<u32>> {
        Ok(None)
    }

    fn close(&mut self) -> Result<(), thalweg::BoxError> {
        self.1.lock().unwrap().push(self.0);
        Ok(())
    }
}

#[test]
fn a_drain_closes_nodes_from_upstream_to_downstream() {
    let log = Arc::new(Mutex::new(Vec::new()));
    // The downstream part is built first, so that the order is not the order of construction.
    let below = Stream::new();
    below.transform(Closing::<true>(2, log.clone()));
    below.transform(Closing::<false>(3, log.clone()));
    let above = Stream::new();
    above.transform(Closing::<true>(1, log.clone()));
    let gone = above.transform(Closing::<true>(4, log.clone()));
    above.partition(2).map(|xs| xs[0]).connect(&below).unwrap();
    gone.destroy();
    drop(gone);
    let list = below.sink_to_list();
    above.emit(7).wait().unwrap();
    above.drain("1min").wait().unwrap();
    assert_eq!(list.to_vec(), [7]);
    assert_eq!(*log.lock().unwrap(), [1, 2]);
}

#[test]
fn elements_emitted_by_functions_during_a_drain_are_delivered() {
    let source = Stream::new();
    let again = source.clone();
    let list = source
        .partition(4)
        .inspect(move |xs: &Vec<u32>| {
            if xs[0] < 3 {
                drop(again.emit(xs[0] + 1));
            }
        })
        .sink_to_list();
    source.emit(0).wait().unwrap();
    source.drain("1min").wait().unwrap();
    assert_eq!(list.to_vec(), [[0], [1], [2], [3]]);
    // A call that never ends is eventually abandoned.
    let source = Stream::new();
    let again = source.clone();
    let sink = source
        .partition(4)
        .sink(move |xs: Vec<u32>| drop(again.emit(xs[0])));
    source.emit(0).wait().unwrap();
    let error = source.drain("1min").wait().unwrap_err();
    assert_eq!(error.undelivered()[0].elements, 1);
    sink.destroy();
}
