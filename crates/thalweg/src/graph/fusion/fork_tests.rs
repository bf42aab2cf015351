use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::{AtWork, Fused, FusedContext, FusedPart, Progress};
use crate::{EmitResult, Stream};

/// A source with two ways, a zip of them, and the sums of its pairs. Multiples of five go the first way only.
struct Ways {
    source: Stream<i32>,
    nodes: [Stream<i32>; 3],
    pairs: Stream<(i32, i32)>,
    seen: Arc<Mutex<Vec<i32>>>,
}

fn is_missing(x: i32) -> bool {
    x % 5 == 0
}

impl Ways {
    fn new(first: impl Fn(i32) -> i32 + Send + 'static) -> Self {
        let source = Stream::new();
        let one = source.map(first);
        let two = source.filter(|x| !is_missing(*x));
        let pairs = one.zip(&two);
        let sums = pairs.map(|(x, y)| x + y);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let list = seen.clone();
        sums.sink(move |x| list.lock().expect("not poisoned").push(x));
        Self {
            source,
            nodes: [one, two, sums],
            pairs,
            seen,
        }
    }

    fn fused(first: impl Fn(i32) -> i32 + Send + Sync + Clone + 'static) -> (Self, Arc<AtomicU64>) {
        let ways = Self::new(first.clone());
        let calls = Arc::new(AtomicU64::new(0));
        let body = Body {
            first: Box::new(first),
            calls: calls.clone(),
            counts: Default::default(),
            is_first: AtomicU64::new(0),
        };
        let part = |id, downstream| FusedPart {
            id,
            downstream,
            may_skip: false,
        };
        let of = |node: &Stream<i32>| part(node.node_id(), node.downstream_ids());
        let [one, two, sums] = &ways.nodes;
        let zip = part(ways.pairs.node_id(), ways.pairs.downstream_ids());
        let exits = vec![(1, zip.id), (2, zip.id), (4, sums.downstream_ids()[0])];
        let parts = vec![of(&ways.source), of(one), of(two), zip, of(sums)];
        assert!(ways.source.fuse_behind(parts, exits, body));
        (ways, calls)
    }

    fn seen(&self) -> Vec<i32> {
        self.seen.lock().expect("not poisoned").clone()
    }

    /// Received and sent elements.
    fn counters(&self) -> Vec<(u64, u64)> {
        let of = |node: &Stream<i32>| node.counters();
        let zip = self.pairs.counters();
        let nodes = self.nodes.iter().map(of).chain([of(&self.source), zip]);
        nodes.map(|it| (it.received, it.sent)).collect()
    }
}

/// Runs all of it.
struct Body {
    first: Box<dyn Fn(i32) -> i32 + Send + Sync>,
    calls: Arc<AtomicU64>,
    /// Elements of the source, and pairs.
    counts: [AtomicU64; 3],
    /// Whether the first node's function is running.
    is_first: AtomicU64,
}

impl Fused<i32> for Body {
    fn run(&self, x: i32, cx: &mut FusedContext<'_, i32>) -> EmitResult {
        self.calls.fetch_add(1, Relaxed);
        self.counts[0].fetch_add(1, Relaxed);
        self.is_first.store(1, Relaxed);
        let first = (self.first)(x);
        self.is_first.store(0, Relaxed);
        let by_itself = !cx.is_empty(3);
        if is_missing(x) || by_itself {
            cx.send(0, first)?;
        }
        if is_missing(x) {
            return Ok(());
        }
        self.counts[1].fetch_add(1, Relaxed);
        if by_itself {
            return cx.send(1, x);
        }
        self.counts[2].fetch_add(1, Relaxed);
        cx.send_last(2, first + x)
    }

    fn progress(&self) -> Vec<Progress> {
        let [all, two, pairs] = [0, 1, 2].map(|at| self.counts[at].load(Relaxed));
        let of = |received, made| Progress { received, made };
        vec![
            of(all, all),
            of(all, all),
            of(all, two),
            of(2 * pairs, pairs),
            of(pairs, pairs),
        ]
    }

    fn at_work(&self) -> AtWork {
        let is_first = self.is_first.load(Relaxed) == 1;
        AtWork {
            busy: is_first.then_some(1).into_iter().collect(),
            handing_around: vec![0],
        }
    }
}

#[test]
fn ways_and_joins_that_run_as_one_act_as_the_nodes_do() {
    let numbers = [1, 2, 5, 6, 7, 10, 11];
    let alone = Ways::new(|x| x + 1);
    let (ways, calls) = Ways::fused(|x| x + 1);
    for x in numbers {
        for it in [&alone, &ways] {
            it.source.emit(x).wait().expect("taken");
        }
    }
    assert_eq!(ways.seen(), alone.seen());
    assert_eq!(ways.counters(), alone.counters());
    assert_eq!(calls.load(Relaxed), numbers.len() as u64);
}

#[test]
fn a_batch_goes_all_ways_element_by_element() {
    let (ways, calls) = Ways::fused(|x| x + 1);
    ways.source.emit_many([1, 2, 3]).wait().expect("taken");
    assert_eq!(ways.seen(), [3, 5, 7]);
    assert_eq!(calls.load(Relaxed), 3);
    assert_eq!(ways.source.counters().sent, 3);
}

#[test]
fn an_element_that_its_function_emits_waits_until_it_has_been_all_ways() {
    let log = |fuse: bool| {
        let back: Arc<Mutex<Option<Stream<i32>>>> = Arc::default();
        let way = back.clone();
        let first = move |x| {
            let source = way.lock().expect("not poisoned").clone();
            if let Some(source) = source.filter(|_| x < 3) {
                drop(source.emit(x + 1));
            }
            x
        };
        let ways = if fuse {
            Ways::fused(first).0
        } else {
            Ways::new(first)
        };
        *back.lock().expect("not poisoned") = Some(ways.source.clone());
        ways.source.emit(1).wait().expect("taken");
        *back.lock().expect("not poisoned") = None;
        (ways.seen(), ways.counters())
    };
    assert_eq!(log(true), log(false));
    assert_eq!(log(true).0, [2, 4, 6]);
}

#[test]
fn an_edge_that_changes_ends_the_run() {
    let (ways, calls) = Ways::fused(|x| x);
    let list = ways.source.sink_to_list();
    ways.source.emit_many([1, 2]).wait().expect("taken");
    assert_eq!(calls.load(Relaxed), 0);
    assert_eq!((list.to_vec(), ways.seen()), (vec![1, 2], vec![2, 4]));
}

#[test]
fn tokens_are_not_separated_from_what_waits_at_a_join() {
    let (ways, calls) = Ways::fused(|x| x);
    let acked = Arc::new(AtomicU64::new(0));
    for x in [5, 6] {
        let acked = acked.clone();
        let ack = crate::Ack::new(move |_| {
            acked.fetch_add(1, Relaxed);
        });
        drop(ways.source.emit_with(x, ack));
    }
    // The first pair is of 5 and 6; the other 6 waits.
    assert_eq!((calls.load(Relaxed), ways.seen()), (0, vec![11]));
    assert_eq!(acked.load(Relaxed), 1);
}
