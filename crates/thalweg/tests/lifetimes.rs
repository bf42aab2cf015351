//! References that keep a pipeline alive; nothing else does.

#![allow(missing_docs, clippy::unwrap_used)]

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use thalweg::{Ack, Outcome, Stream, VirtualClock};

/// A function that holds an object whose drop can be observed.
fn holding(alive: &Arc<()>) -> impl FnMut(i32) -> i32 + Send + use<> {
    let alive = alive.clone();
    move |x| {
        let _ = &alive;
        x
    }
}

fn witness() -> (Arc<()>, Weak<()>) {
    let alive = Arc::new(());
    let weak = Arc::downgrade(&alive);
    (alive, weak)
}

#[test]
fn an_unreferenced_branch_is_freed_unless_it_leads_to_a_sink() {
    let source = Stream::new();
    let (alive, seen) = witness();
    drop(source.map(holding(&alive)).map(|x| x + 1));
    drop(alive);
    assert!(seen.upgrade().is_none());

    let (alive, seen) = witness();
    let list = source.map(holding(&alive)).sink_to_list();
    drop(alive);
    source.emit(1).wait().unwrap();
    assert_eq!(list.to_vec(), [1]);
    assert!(seen.upgrade().is_some());
    drop(source);
    assert!(seen.upgrade().is_none());
}

#[test]
fn a_referenced_branch_is_freed_with_its_last_handle() {
    let source = Stream::new();
    let (alive, seen) = witness();
    let middle = source.map(holding(&alive));
    drop(alive);
    let end = middle.map(|x| x + 1);
    drop(middle);
    assert!(seen.upgrade().is_some());
    drop(end);
    assert!(seen.upgrade().is_none());
    assert_eq!(source.graph_view().nodes.len(), 1);
}

#[test]
fn a_handle_at_the_end_keeps_the_whole_pipeline() {
    let (alive, seen) = witness();
    let end = {
        let source = Stream::new();
        source.map(holding(&alive))
    };
    drop(alive);
    assert!(seen.upgrade().is_some());
    assert_eq!(end.graph_view().nodes.len(), 2);
    drop(end);
    assert!(seen.upgrade().is_none());
}

#[test]
fn feedback_loops_are_freed() {
    let (alive, seen) = witness();
    {
        let source = Stream::new();
        source
            .filter(|x| *x > 0)
            .map(holding(&alive))
            .map(|x| x - 1)
            .connect(&source)
            .unwrap();
        source.sink(drop);
        source.emit(5).wait().unwrap();
    }
    drop(alive);
    assert!(seen.upgrade().is_none());
}

#[test]
fn dropping_a_function_frees_the_pipeline_it_holds() {
    let (alive, seen) = witness();
    {
        let other = Stream::new();
        other.map(holding(&alive)).sink(drop);
        let source = Stream::new();
        source.sink(move |x| other.emit(x).wait().unwrap());
        source.emit(1).wait().unwrap();
    }
    drop(alive);
    assert!(seen.upgrade().is_none());
}

#[test]
fn elements_in_flight_arrive_in_an_unreferenced_pipeline() {
    let clock = VirtualClock::new();
    let (alive, seen) = witness();
    let list = {
        let source = Stream::on(&clock);
        let list = source
            .buffer(10)
            .rate_limit("1s")
            .map(holding(&alive))
            .sink_to_list();
        for x in 0..5 {
            assert!(source.emit(x).is_ready());
        }
        list
    };
    drop(alive);
    assert!(seen.upgrade().is_some());
    clock.advance(Duration::from_secs(10));
    assert_eq!(list.to_vec(), [0, 1, 2, 3, 4]);
    assert!(seen.upgrade().is_none());
}

#[test]
fn elements_held_by_a_dropped_pipeline_have_failed() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let source = Stream::new();
    source.partition(3).sink(drop);
    for x in 0..4 {
        let outcomes = outcomes.clone();
        let ack = Ack::new(move |outcome| outcomes.lock().unwrap().push((x, outcome)));
        source.emit_with(x, ack).wait().unwrap();
    }
    drop(source);
    let delivered = |x| (x, Outcome::Delivered);
    assert_eq!(
        *outcomes.lock().unwrap(),
        [
            delivered(0),
            delivered(1),
            delivered(2),
            (3, Outcome::Failed)
        ]
    );
}

#[test]
fn a_function_may_destroy_its_own_node() {
    let source = Stream::new();
    let slot: Arc<Mutex<Option<Stream<i32>>>> = Arc::default();
    let own = slot.clone();
    let branch = source.map(move |x| {
        if x == 2
            && let Some(own) = own.lock().unwrap().take()
        {
            own.destroy();
        }
        x
    });
    let list = branch.sink_to_list();
    *slot.lock().unwrap() = Some(branch);
    source.emit_many([1, 2, 3]).wait().unwrap();
    assert_eq!(list.to_vec()[..2], [1, 2]);
    source.emit(4).wait().unwrap();
    assert!(!list.to_vec().contains(&4));
    assert_eq!(source.graph_view().nodes.len(), 1);
}

#[test]
fn a_function_may_build_on_its_own_pipeline() {
    let source = Stream::new();
    let lists = Arc::new(Mutex::new(Vec::new()));
    let (weaker, kept) = (source.clone(), lists.clone());
    let growing = source.sink(move |x: i32| {
        if x == 1 {
            kept.lock()
                .unwrap()
                .push(weaker.map(|x| x * 10).sink_to_list());
        }
    });
    source.emit(1).wait().unwrap();
    source.emit(2).wait().unwrap();
    assert_eq!(lists.lock().unwrap()[0].to_vec(), [20]);
    growing.destroy();
}
