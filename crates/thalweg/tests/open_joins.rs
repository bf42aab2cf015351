//! Joins whose inlets are attached and detached.

#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use proptest::prelude::*;
use thalweg::ops::{CombineLatest, List, OpenLanes, Zip, ZipLatest};
use thalweg::{
    Ack, Arrival, Context, Element, EmitResult, InletKey, Never, OpenJoin, Operator, Outcome,
    Stream, VirtualClock,
};

type Rows<T> = (OpenJoin<T, Vec<T>>, List<Vec<T>>);

fn zip<T: Element>(bound: usize, first: &Stream<T>) -> Rows<T> {
    let join = OpenJoin::new(Zip::new(OpenLanes::new(), bound).unwrap(), first);
    let rows = join.stream().sink_to_list();
    (join, rows)
}

fn combine_latest<T: Element>(emit_on: Option<&[usize]>, first: &Stream<T>) -> Rows<T> {
    let emit_on = emit_on.map(|numbers| numbers.iter().copied().collect());
    let join = OpenJoin::new(
        CombineLatest::new(OpenLanes::new(), emit_on).unwrap(),
        first,
    );
    let rows = join.stream().sink_to_list();
    (join, rows)
}

fn streams<const N: usize>() -> [Stream<i32>; N] {
    [(); N].map(|()| Stream::new())
}

#[test]
fn elements_waiting_for_a_removed_inlet_are_released() {
    let [a, b, c] = streams();
    let (join, rows) = zip(2, &a);
    for stream in [&a, &b, &c] {
        join.attach(stream).unwrap();
    }
    let outcome = Arc::new(Mutex::new(None));
    let log = outcome.clone();
    let ack = Ack::new(move |outcome| *log.lock().unwrap() = Some(outcome));
    let emitted = [1, 2, 3, 4].map(|x| a.emit(x));
    let beside = [10, 20, 30].map(|x| b.emit(x));
    let lost = c.emit_with(100, ack);
    assert!(lost.is_ready() && !emitted[3].is_ready());
    assert_eq!(rows.take(), [[1, 10, 100]]);
    assert_eq!(*outcome.lock().unwrap(), Some(Outcome::Delivered));
    join.detach(&c).unwrap();
    assert_eq!(rows.take(), [[2, 20], [3, 30]]);
    assert!(
        emitted
            .iter()
            .chain(&beside)
            .all(|emitted| emitted.is_ready())
    );
    // They are emitted as a pair.
    b.emit(40).wait().unwrap();
    assert_eq!(rows.take(), [[4, 40]]);
}

#[test]
fn elements_waiting_at_a_removed_inlet_fail() {
    let [a, b] = streams();
    let (join, rows) = zip(1, &a);
    join.attach(&a).unwrap();
    join.attach(&b).unwrap();
    let outcomes = Arc::<Mutex<Vec<_>>>::default();
    let emitted = [1, 2].map(|x| {
        let log = outcomes.clone();
        a.emit_with(
            x,
            Ack::new(move |outcome| log.lock().unwrap().push(outcome)),
        )
    });
    assert!(!emitted[1].is_ready());
    join.detach(&a).unwrap();
    assert!(emitted[1].is_ready());
    assert_eq!(*outcomes.lock().unwrap(), [Outcome::Failed; 2]);
    b.emit(10).wait().unwrap();
    assert_eq!(rows.take(), [[10]]);
    assert!(join.detach(&a).is_err(), "it is not attached any more");
}

#[test]
fn a_stream_attached_twice_has_two_inlets() {
    let a = Stream::new();
    let (join, rows) = zip(10, &a);
    let keys = [join.attach(&a).unwrap(), join.attach(&a).unwrap()];
    assert_eq!(keys.map(InletKey::number), [0, 1]);
    a.emit_many([1, 2]).wait().unwrap();
    assert_eq!(rows.take(), [[1, 1], [2, 2]]);
    join.detach(&a).unwrap();
    a.emit(3).wait().unwrap();
    assert!(rows.is_empty());
    join.attach(&a).unwrap();
    a.emit(4).wait().unwrap();
    assert_eq!(rows.take(), [[4]]);
}

#[test]
fn emitting_inlets_keep_their_role_when_others_are_removed() {
    let [a, b, c] = streams();
    let (join, rows) = combine_latest(Some(&[2]), &a);
    let keys = [&a, &b, &c].map(|stream| join.attach(stream).unwrap());
    assert_eq!(keys[2].number(), 2);
    a.emit(1).wait().unwrap();
    b.emit(10).wait().unwrap();
    c.emit(100).wait().unwrap();
    assert_eq!(rows.take(), [[1, 10, 100]]);
    join.detach(&a).unwrap();
    b.emit(20).wait().unwrap();
    assert!(rows.is_empty(), "the third makes it send, not the second");
    c.emit(200).wait().unwrap();
    assert_eq!(rows.take(), [[20, 200]]);
    // A reattached inlet is a new one.
    join.attach(&a).unwrap();
    c.emit(300).wait().unwrap();
    assert!(rows.is_empty(), "it has no latest yet");
    a.emit(2).wait().unwrap();
    c.emit(400).wait().unwrap();
    assert_eq!(rows.take(), [[20, 400, 2]]);
}

#[test]
fn emitting_inlets_can_be_chosen_in_advance_but_not_none() {
    assert!(CombineLatest::new(OpenLanes::<i32>::new(), Some([7].into())).is_ok());
    assert!(CombineLatest::new(OpenLanes::<i32>::new(), Some([].into())).is_err());
}

#[test]
fn the_first_inlet_of_a_zip_latest_is_the_lossless_one() {
    let [a, b, c] = streams();
    let join = OpenJoin::new(ZipLatest::new(OpenLanes::new()), &a);
    let rows = join.stream().sink_to_list();
    join.attach(&a).unwrap();
    join.attach(&b).unwrap();
    join.attach(&c).unwrap();
    a.emit_many([1, 2]).wait().unwrap();
    b.emit_many([10, 20]).wait().unwrap();
    assert!(rows.is_empty());
    join.detach(&c).unwrap();
    assert_eq!(rows.take(), [[1, 20], [2, 20]]);
    join.attach_literal(0);
    a.emit(3).wait().unwrap();
    assert_eq!(rows.take(), [[3, 20, 0]]);
}

#[test]
fn literals_alone_produce_no_row() {
    let a = Stream::new();
    let (join, rows) = zip(10, &a);
    join.attach_literal(1);
    join.attach(&a).unwrap();
    join.attach_literal(3);
    a.emit(2).wait().unwrap();
    assert_eq!(rows.take(), [[1, 2, 3]]);
    join.detach(&a).unwrap();
    join.attach(&a).unwrap();
    a.emit(2).wait().unwrap();
    assert_eq!(rows.take(), [[1, 3, 2]]);
}

#[test]
fn attaching_from_a_function_takes_effect_after_the_pass() {
    let [a, b] = streams();
    let (join, rows) = zip(10, &a);
    join.attach(&a).unwrap();
    let (handle, from) = (join.clone(), b.clone());
    a.sink(move |x| match x {
        1 => drop(handle.attach(&from).unwrap()),
        2 => handle.detach(&from).unwrap(),
        _ => {}
    });
    a.emit(1).wait().unwrap();
    assert_eq!(rows.take(), [[1]]);
    b.emit(10).wait().unwrap();
    a.emit(2).wait().unwrap();
    assert_eq!(rows.take(), [[2, 10]]);
    a.emit(3).wait().unwrap();
    assert_eq!(rows.take(), [[3]]);
    a.destroy();
}

#[test]
fn a_join_that_is_destroyed_has_no_inlets() {
    let [a, b] = streams();
    let (join, rows) = zip(10, &a);
    join.attach(&a).unwrap();
    join.attach(&b).unwrap();
    a.emit(1).wait().unwrap();
    join.stream().destroy();
    assert_eq!(join.stream().counters().held, 0);
    assert!(a.downstream_ids().is_empty());
    b.emit(2).wait().unwrap();
    assert!(rows.is_empty());
    // The join can be used again.
    join.attach(&b).unwrap();
    b.emit(3).wait().unwrap();
    assert_eq!(rows.take(), [[3]]);
}

#[test]
fn elements_of_a_dropped_stream_are_still_paired() {
    let [a, b] = streams();
    let (join, rows) = zip(10, &a);
    join.attach(&a).unwrap();
    join.attach(&b).unwrap();
    a.emit(1).wait().unwrap();
    drop(a);
    b.emit_many([2, 3]).wait().unwrap();
    assert_eq!(rows.take(), [[1, 2]]);
}

#[test]
fn attaching_and_detaching_inlets_is_not_counted() {
    let [a, b] = streams();
    let (join, _rows) = zip(10, &a);
    join.attach(&a).unwrap();
    join.attach_literal(0);
    join.attach(&b).unwrap();
    join.detach(&b).unwrap();
    a.emit(1).wait().unwrap();
    let counters = join.stream().counters();
    assert_eq!((counters.received, counters.sent), (1, 1));
}

#[test]
fn pipelines_on_different_loops_cannot_be_joined() {
    let [a, b] = [(); 2].map(|()| Stream::<i32>::on(VirtualClock::new()));
    let (join, _rows) = zip(10, &a);
    assert!(join.attach(&b).unwrap_err().is_different_runtimes());
    assert_eq!(
        join.attach(&a).unwrap().number(),
        0,
        "no number was used up"
    );
}

#[test]
fn a_join_handle_keeps_no_more_alive_than_a_stream() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Flag(dropped.clone());
    let a = Stream::new();
    let mapped = a.map(move |x: i32| {
        let _ = &flag;
        x
    });
    let (join, rows) = zip(10, &mapped);
    join.attach(&mapped).unwrap();
    let again = join.clone();
    drop((mapped, join));
    a.emit(1).wait().unwrap();
    assert_eq!(rows.take(), [[1]]);
    drop(a);
    assert!(
        !dropped.load(Ordering::Relaxed),
        "it is fed, as far as is known"
    );
    drop((again, rows));
    assert!(dropped.load(Ordering::Relaxed));
}

#[test]
fn inlets_are_attached_and_detached_while_others_emit() {
    let [a, b] = streams();
    let (join, rows) = combine_latest(None, &a);
    join.attach(&a).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| (0..5_000).for_each(|x| a.emit(x).wait().unwrap()));
        scope.spawn(|| (0..5_000).for_each(|x| b.emit(-x).wait().unwrap()));
        scope.spawn(|| {
            for _ in 0..500 {
                join.attach(&b).unwrap();
                join.detach(&b).unwrap();
            }
        });
    });
    let from_a = rows.take().into_iter().map(|row| row[0]);
    let mut from_a = Vec::from_iter(from_a);
    from_a.dedup();
    assert!(from_a.is_sorted());
    assert_eq!(a.downstream_ids().len(), 1);
    assert_eq!(b.downstream_ids().len(), 0);
}

/// Forwards everything.
struct Log;

impl Operator for Log {
    type In = Arrival<i32>;
    type Out = Arrival<i32>;
    type Event = Never;
    const KIND: &'static str = "log";

    fn update(&mut self, x: Arrival<i32>, cx: &mut Context<'_, Self>) -> EmitResult {
        cx.emit(x)
    }
}

#[test]
fn an_operator_is_notified_of_every_inlet_once() {
    let [a, b] = streams();
    let join = OpenJoin::new(Log, &a);
    let list = join.stream().sink_to_list();
    let first = join.attach(&a).unwrap();
    let second = join.attach(&b).unwrap();
    let third = join.attach(&a).unwrap();
    b.emit(1).wait().unwrap();
    a.disconnect(join.stream()).unwrap();
    a.emit(2).wait().unwrap();
    join.stream().destroy();
    let expected = [
        Arrival::Joined(first),
        Arrival::Joined(second),
        Arrival::Joined(third),
        Arrival::Element(second, 1),
        Arrival::Left(first),
        Arrival::Left(third),
        Arrival::Left(second),
    ];
    assert_eq!(list.take(), expected);
}

#[derive(Clone, Debug)]
enum Deed {
    Attach(usize),
    Detach(usize),
    Literal(i32),
    Emit(usize, i32),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        2 => (0..4_usize).prop_map(Deed::Attach),
        1 => (0..4_usize).prop_map(Deed::Detach),
        1 => any::<i32>().prop_map(Deed::Literal),
        8 => (0..4_usize, any::<i32>()).prop_map(|(from, x)| Deed::Emit(from, x)),
    ];
    prop::collection::vec(deed, 0..60)
}

/// An inlet of the plain model: a stream with its waiting elements, or a literal.
type Inlet = Result<(usize, VecDeque<i32>), i32>;

fn rows_of(inlets: &mut [Inlet], takes: bool) -> Option<Vec<i32>> {
    if !inlets.iter().any(Result::is_ok) {
        return None;
    }
    let row = inlets.iter().map(|inlet| match inlet {
        Ok((_, waiting)) => waiting.front().copied(),
        Err(literal) => Some(*literal),
    });
    let row: Option<Vec<i32>> = row.collect();
    if takes && row.is_some() {
        inlets
            .iter_mut()
            .flatten()
            .for_each(|(_, waiting)| _ = waiting.pop_front());
    }
    row
}

fn expected(deeds: &[Deed], zips: bool) -> Vec<Vec<i32>> {
    let (mut inlets, mut rows) = (Vec::<Inlet>::new(), Vec::new());
    for deed in deeds {
        match *deed {
            Deed::Attach(from) => inlets.push(Ok((from, VecDeque::new()))),
            Deed::Literal(x) => inlets.push(Err(x)),
            Deed::Detach(from) => {
                inlets.retain(|inlet| !matches!(inlet, Ok((other, _)) if *other == from));
                while zips && let Some(row) = rows_of(&mut inlets, true) {
                    rows.push(row);
                }
            }
            Deed::Emit(from, x) => {
                for place in 0..inlets.len() {
                    let Ok((other, waiting)) = &mut inlets[place] else {
                        continue;
                    };
                    if *other != from {
                        continue;
                    }
                    if !zips {
                        waiting.clear();
                    }
                    waiting.push_back(x);
                    rows.extend(rows_of(&mut inlets, zips));
                }
            }
        }
    }
    rows
}

proptest! {
    #[test]
    fn rows_match_a_plain_model(deeds in deeds(), zips: bool) {
        let streams = streams::<4>();
        let (join, rows) = if zips {
            zip(1000, &streams[0])
        } else {
            combine_latest(None, &streams[0])
        };
        for deed in &deeds {
            match *deed {
                Deed::Attach(from) => drop(join.attach(&streams[from]).unwrap()),
                Deed::Detach(from) => drop(join.detach(&streams[from])),
                Deed::Literal(x) => drop(join.attach_literal(x)),
                Deed::Emit(from, x) => streams[from].emit(x).wait().unwrap(),
            }
        }
        prop_assert_eq!(rows.take(), expected(&deeds, zips));
    }
}
