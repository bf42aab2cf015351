//! Pipelines of many nodes, wide and deep, are built, used and dropped without regard to
//! their size.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thalweg::{Sink, Stream};

const NODES: usize = 100_000;

/// A line of maps, one in four of them another kind of node, and what counts at its end.
fn line(nodes: usize) -> (Vec<Stream<u64>>, Arc<AtomicUsize>, Sink) {
    let mut line = vec![Stream::new()];
    for at in 0..nodes {
        let last = &line[line.len() - 1];
        line.push(match at % 4 {
            0 => last.flatten_one(),
            1 => last.filter(|_| true),
            _ => last.map(|x| x + 1),
        });
    }
    let arrived = Arc::<AtomicUsize>::default();
    let count = arrived.clone();
    let sink = line[nodes].sink(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
    });
    (line, arrived, sink)
}

trait FlattenOne {
    fn flatten_one(&self) -> Self;
}

impl FlattenOne for Stream<u64> {
    /// An `Operator`, which calls the next node on its own stack.
    fn flatten_one(&self) -> Self {
        self.map(|x| [x]).flatten()
    }
}

#[test]
fn an_element_passes_a_line_too_deep_for_the_stack() {
    let (line, arrived, _sink) = line(NODES);
    line[0].emit(1).wait().expect("taken");
    line[0].emit(2).wait().expect("taken");
    line[0].emit_many(0..3).wait().expect("taken");
    assert_eq!(arrived.load(Ordering::Relaxed), 5);
    line[0].drain("60s").wait().expect("everything arrived");
}

#[test]
fn an_element_passes_a_long_line_on_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(256 * 1024);
    let arrived = thread.spawn(|| {
        let (line, arrived, _sink) = line(10_000);
        line[0].emit(1).wait().expect("taken");
        line[0].emit_many(0..3).wait().expect("taken");
        line[0].drain("60s").wait().expect("everything arrived");
        arrived.load(Ordering::Relaxed)
    });
    let arrived = arrived.expect("it starts").join();
    assert_eq!(arrived.expect("no overflow"), 4);
}

#[test]
fn order_is_kept_where_recursion_is_cut() {
    let source = Stream::new();
    let mut last = source.clone();
    for _ in 0..NODES / 10 {
        last = last.map(|x: u64| [x]).flatten();
    }
    let list = last.sink_to_list();
    source.emit_many(0..100).wait().expect("taken");
    for x in 100..200 {
        source.emit(x).wait().expect("taken");
    }
    assert_eq!(list.to_vec(), (0..200).collect::<Vec<_>>());
}

#[test]
fn failures_far_downstream_reach_the_emitter() {
    let (line, ..) = line(10_000);
    line[10_000]
        .try_map(|x| {
            if *x > 10_000 {
                Err("too large")
            } else {
                Ok(*x)
            }
        })
        .sink(drop);
    assert!(line[0].emit(0).wait().is_ok());
    let error = line[0].emit(9_000).wait().expect_err("it is too large");
    assert_eq!(error.failures().len(), 1);
}

#[test]
fn a_line_can_be_dropped_from_either_end_or_the_middle() {
    for order in [false, true] {
        let (mut line, ..) = line(NODES);
        if order {
            line.reverse();
        }
        line.drain(1..).for_each(drop);
        drop(line);
        let (mut line, ..) = self::line(NODES);
        let mut at = 0;
        while line.len() > 1 {
            at = (at + 7_919) % line.len();
            drop(line.swap_remove(at));
        }
    }
}

#[test]
fn lines_can_be_joined_from_either_end() {
    for order in [false, true] {
        let nodes: Vec<_> = (0..NODES).map(|_| Stream::<u64>::new()).collect();
        let mut pairs: Vec<_> = nodes.windows(2).collect();
        if order {
            pairs.reverse();
        }
        for pair in pairs {
            pair[0].connect(&pair[1]).expect("the types fit");
        }
        let list = nodes[NODES - 1].sink_to_list();
        nodes[0].emit(7).wait().expect("taken");
        assert_eq!(list.to_vec(), [7]);
    }
}

#[test]
fn branches_are_added_and_removed_one_by_one() {
    for order in [false, true] {
        let source = Stream::new();
        let mut branches: Vec<_> = (0..NODES).map(|x| source.map(move |_: u64| x)).collect();
        source.emit(1).wait().expect("taken");
        if order {
            branches.reverse();
        }
        for branch in branches.drain(..NODES / 2) {
            branch.destroy();
        }
        assert_eq!(source.downstream_ids().len(), NODES / 2);
        drop(branches);
        assert!(source.downstream_ids().is_empty());
    }
}

#[test]
fn many_streams_flow_into_one() {
    let all = Stream::<usize>::new();
    let list = all.sink_to_list();
    let sources: Vec<_> = (0..NODES).map(|_| Stream::new()).collect();
    for source in &sources {
        source.connect(&all).expect("the types fit");
    }
    for (x, source) in sources.iter().enumerate().step_by(1000) {
        source.emit(x).wait().expect("taken");
    }
    assert_eq!(list.len(), NODES / 1000);
    for source in &sources[..NODES / 2] {
        source.disconnect(&all).expect("connected");
    }
    drop(sources);
}

#[test]
fn branches_outlive_their_source() {
    for order in [false, true] {
        for sources in [1, 20] {
            let hub = Stream::<usize>::new();
            let sources: Vec<Stream<usize>> = (0..sources).map(|_| Stream::new()).collect();
            for source in &sources {
                source.connect(&hub).expect("the types fit");
            }
            let mut branches: Vec<_> = (0..NODES / 4)
                .map(|at| {
                    let branch = hub.map(|x| x + 1);
                    if at % 2 == 0 {
                        branch.sink(drop);
                    }
                    branch
                })
                .collect();
            drop(hub);
            drop(sources);
            if order {
                branches.reverse();
            }
            branches.drain(1..).for_each(drop);
        }
    }
}
