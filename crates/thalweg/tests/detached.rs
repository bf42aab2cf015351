//! Detached, unreferenced branches are freed.

#![allow(missing_docs, clippy::unwrap_used)]

use thalweg::{Ack, Sink, Stream};

const ROUNDS: usize = 300;

type Detach = fn(&Stream<i32>);

/// Bytes leaked per round, after the first rounds.
fn left_of(source: &Stream<i32>, detach: impl Fn(&Stream<i32>)) -> i64 {
    let rounds = || (0..ROUNDS).for_each(|_| detach(source));
    rounds();
    allocation_counter::measure(rounds).bytes_current / ROUNDS as i64
}

#[test]
fn detached_branches_are_freed_with_their_last_handle() {
    let ways: [(&str, Detach); 9] = [
        ("destroyed", |s| {
            let n = s.map(|x| x + 1);
            n.sink(drop);
            n.destroy();
        }),
        ("disconnected", |s| {
            let n = s.map(|x| x + 1);
            n.map(|x| x + 1).sink(drop);
            s.disconnect(&n).unwrap();
        }),
        ("sink dropped first", |s| {
            let n = s.map(|x| x + 1);
            let sink = n.sink(drop);
            n.destroy();
            drop(sink);
        }),
        ("sink dropped last", |s| {
            let n = s.map(|x| x + 1);
            let sink = n.sink(drop);
            n.destroy();
            drop(n);
            drop(sink);
        }),
        ("sink destroyed", |s| {
            s.map(|x| x + 1).sink(drop).destroy();
        }),
        ("on a loop", |s| {
            let n = s.map(|x| x + 1);
            let back = n.filter(|x| *x > 0).map(|x| x - 1);
            back.connect(&n).unwrap();
            n.sink(drop);
            s.disconnect(&n).unwrap();
        }),
        ("a loop below", |s| {
            let n = s.map(|x| x + 1);
            let m = n.map(|x| x + 1);
            m.filter(|x| *x > 0).connect(&m).unwrap();
            m.sink(drop);
            n.destroy();
        }),
        ("a join with an element waiting", |s| {
            let other = Stream::new();
            let joined = s.zip(&other);
            joined.sink(drop);
            other.emit(1).wait().unwrap();
            joined.destroy();
        }),
        ("a partition with elements waiting", |s| {
            let n = s.map(|x| x + 1);
            n.partition(3).sink(drop);
            n.emit_with(1, Ack::new(drop)).wait().unwrap();
            n.destroy();
        }),
    ];
    for (name, detach) in ways {
        let source = Stream::new();
        let list = source.map(|x| x * 2).sink_to_list();
        assert_eq!(left_of(&source, detach), 0, "{name}");
        assert_eq!(source.graph_view().nodes.len(), 3, "{name}");
        source.emit(1).wait().unwrap();
        assert_eq!(list.to_vec(), [2], "{name}");
    }
}

#[test]
fn a_referenced_sink_keeps_a_detached_branch() {
    let source = Stream::<i32>::new();
    let n = source.map(|x| x + 1);
    let sink: Sink = n.sink(drop);
    n.destroy();
    drop(n);
    assert_eq!(source.graph_view().nodes.len(), 3);
    drop(sink);
    assert_eq!(source.graph_view().nodes.len(), 1);
}
