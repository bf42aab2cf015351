//! Counters are right, whatever happens to elements.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use thalweg::{
    Context, EmitResult, Never, OnError, Operator, Retry, Stream, UpdateMany, VirtualClock,
};

fn counted<T: thalweg::Element>(stream: &Stream<T>) -> [u64; 4] {
    let counters = stream.counters();
    [
        counters.received,
        counters.sent,
        counters.failed,
        counters.held,
    ]
}

fn odd_fails(x: &i32) -> Result<i32, &'static str> {
    if x % 2 == 0 { Ok(*x) } else { Err("odd") }
}

#[test]
fn a_retried_element_is_counted_once() {
    for policy in [OnError::Raise, OnError::Skip] {
        let mut calls = 0;
        let source = Stream::new();
        let tried = source
            .try_map(move |x: &i32| {
                calls += 1;
                match (calls % 3, x) {
                    (_, 9) => Err("never"),
                    (0, x) => Ok(*x),
                    _ => Err("not yet"),
                }
            })
            .on_error(Retry::times(2).then(policy));
        tried.sink(drop);
        source.emit_many([1, 2]).wait().unwrap();
        assert_eq!(counted(&tried), [2, 2, 0, 0]);
        let _ = source.emit(9).wait();
        assert_eq!(counted(&tried), [3, 2, 1, 0]);
    }
}

#[test]
fn an_element_whose_function_panics_is_not_counted_as_sent() {
    for (batch, policy) in [
        (false, OnError::Raise),
        (false, OnError::Skip),
        (true, OnError::Raise),
        (true, OnError::Skip),
    ] {
        let source = Stream::new();
        let node = source
            .map(|x: i32| {
                assert_ne!(x, 2, "on purpose");
                x
            })
            .on_error(policy.clone());
        let list = node.sink_to_list();
        if batch {
            let _ = source.emit_many([1, 2, 3]).wait();
        } else {
            (1..=3).for_each(|x| drop(source.emit(x)));
        }
        assert_eq!(list.to_vec(), [1, 3]);
        assert_eq!(counted(&node), [3, 2, 1, 0], "{batch} {policy:?}");
    }
}

#[test]
fn all_policies_count_alike() {
    for batch in [false, true] {
        for policy in [
            OnError::Raise,
            OnError::Skip,
            OnError::from(Retry::times(2)),
        ] {
            let source = Stream::new();
            let node = source.try_map(odd_fails).on_error(policy.clone());
            node.sink(drop);
            if batch {
                let _ = source.emit_many(1..=4).wait();
            } else {
                (1..=4).for_each(|x| drop(source.emit(x)));
            }
            assert_eq!(counted(&node), [4, 2, 2, 0], "{batch} {policy:?}");
        }
    }
    let source = Stream::new();
    let node = source.try_map(odd_fails);
    let errors = node.errors();
    errors.sink(drop);
    source.emit_many(1..=4).wait().unwrap();
    assert_eq!(counted(&node), [4, 2, 2, 0]);
    assert_eq!(counted(&errors), [2, 2, 0, 0]);
}

#[test]
fn nodes_report_what_they_hold_and_for_how_long() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let buffer = source.buffer(5);
    let limit = buffer.rate_limit("1s");
    limit.sink(drop);
    (0..4).for_each(|x: i32| drop(source.emit(x)));
    assert_eq!(counted(&source), [4, 4, 0, 0]);
    assert_eq!(buffer.counters().received, 4);
    assert_eq!(buffer.counters().sent, 2);
    assert_eq!(limit.counters().held, 1);
    clock.advance(std::time::Duration::from_secs(10));
    assert_eq!(counted(&buffer), [4, 4, 0, 0]);
    assert_eq!(counted(&limit), [4, 4, 0, 0]);
    assert_eq!(limit.counters().waited.as_secs(), 3);
}

#[test]
fn joins_and_branches_count_every_input_and_output() {
    let (left, right) = (Stream::new(), Stream::new());
    let pairs = left.zip(&right);
    let all = left.union(&right);
    pairs.sink(drop);
    all.sink(drop);
    left.emit_many([1, 2]).wait().unwrap();
    right.emit(3).wait().unwrap();
    assert_eq!(counted(&left), [2, 2, 0, 0]);
    assert_eq!(counted(&pairs), [3, 1, 0, 1]);
    assert_eq!(counted(&all), [3, 3, 0, 0]);
    let view = left.graph_view();
    assert_eq!((view.nodes.len(), view.edges.len()), (6, 6));
}

/// Keeps elements, and the numbers of those that came together.
#[derive(Clone, Default)]
struct Keep(Arc<Mutex<(Vec<i32>, Vec<usize>)>>);

impl Operator for Keep {
    type In = i32;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "keep";
    const SINK: bool = true;
    const UPDATE_MANY: Option<UpdateMany<Self>> = Some(|keep, xs, _| {
        let (elements, batches) = &mut *keep.0.lock().unwrap();
        batches.push(xs.len());
        elements.extend(xs.inspect(|x| assert_ne!(*x, 7, "on purpose")));
    });

    fn update(&mut self, x: i32, _: &mut Context<'_, Self>) -> EmitResult {
        self.0.lock().unwrap().0.push(x);
        Ok(())
    }
}

#[test]
fn elements_that_an_operator_takes_together_are_all_counted() {
    let source = Stream::new();
    let keep = Keep::default();
    let node = source.map(|x| x + 1).apply(keep.clone());
    source.emit(0).wait().unwrap();
    source.emit_many([1, 2, 3]).wait().unwrap();
    source.emit(4).wait().unwrap();
    let (elements, batches) = std::mem::take(&mut *keep.0.lock().unwrap());
    assert_eq!(elements, [1, 2, 3, 4, 5]);
    assert_eq!(batches.iter().sum::<usize>(), 3);
    assert_eq!(counted(&node), [5, 0, 0, 0]);
}

#[test]
fn a_panic_of_an_operator_that_takes_elements_together_is_a_failure() {
    let source = Stream::new();
    let keep = Keep::default();
    let node = source.apply(keep);
    let failed = source.emit_many([6, 7, 8]).wait().unwrap_err();
    assert_eq!(failed.failures().len(), 1);
    assert!(failed.to_string().contains("on purpose"), "{failed}");
    assert_eq!(counted(&node), [3, 0, 1, 0]);
}
