//! Random graphs against a model that is plain recursion over a table.

#![allow(missing_docs, clippy::unwrap_used)]

use std::any::Any;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::sample::Index;
use thalweg::ops::union;
use thalweg::trace::{Span, TraceContext, TracedNode, Tracer};
use thalweg::{OnError, Stream};

/// A node, and the earlier nodes it is attached to.
#[derive(Clone, Debug)]
enum Node {
    Source,
    Add(usize, i64),
    Multiples(usize, i64),
    Sum(usize),
    /// Fails on multiples of a number, and skips them.
    Divide(usize, i64),
    PartitionOptions(usize, usize),
    Union(usize, usize),
    Zip(usize, usize),
    CombineLatest(usize, usize),
    ZipLatest(usize, usize),
    Buffer(usize),
}

impl Node {
    fn upstreams(&self) -> Vec<usize> {
        match *self {
            Node::Source => vec![],
            Node::Add(a, _)
            | Node::Multiples(a, _)
            | Node::Sum(a)
            | Node::Divide(a, _)
            | Node::PartitionOptions(a, _)
            | Node::Buffer(a) => vec![a],
            // A union of a stream with itself adds nothing.
            Node::Union(a, b) if a == b => vec![a],
            Node::Union(a, b)
            | Node::Zip(a, b)
            | Node::CombineLatest(a, b)
            | Node::ZipLatest(a, b) => vec![a, b],
        }
    }
}

fn pair(a: i64, b: i64) -> i64 {
    a.wrapping_mul(31).wrapping_add(b)
}

/// Sinks with the elements they got, in order.
type Log = Vec<(usize, i64)>;

/// The model: every node's state in a table, elements passed on by recursion.
struct Model {
    nodes: Vec<Node>,
    below: Vec<Vec<(usize, usize)>>,
    sums: Vec<i64>,
    waiting: Vec<[Vec<i64>; 2]>,
    buffered: std::collections::VecDeque<(usize, i64)>,
    log: Log,
}

impl Model {
    fn new(nodes: &[Node]) -> Self {
        let mut below = vec![Vec::new(); nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            for (inlet, up) in node.upstreams().into_iter().enumerate() {
                below[up].push((id, inlet));
            }
        }
        Self {
            nodes: nodes.to_vec(),
            below,
            sums: vec![0; nodes.len()],
            waiting: vec![Default::default(); nodes.len()],
            buffered: Default::default(),
            log: Log::new(),
        }
    }

    fn emit(&mut self, id: usize, x: i64) {
        self.send(id, x);
        // Buffered elements move on when the current one has been everywhere.
        while let Some((id, x)) = self.buffered.pop_front() {
            self.send(id, x);
        }
    }

    /// Every node has its own sink, attached after everything else.
    fn send(&mut self, id: usize, x: i64) {
        for (below, inlet) in self.below[id].clone() {
            self.receive(below, inlet, x);
        }
        self.log.push((id, x));
    }

    fn receive(&mut self, id: usize, inlet: usize, x: i64) {
        match self.nodes[id] {
            Node::Source => unreachable!(),
            Node::Add(_, k) => self.send(id, x.wrapping_add(k)),
            Node::Multiples(_, k) => {
                if x % k == 0 {
                    self.send(id, x);
                }
            }
            Node::Sum(_) => {
                self.sums[id] = self.sums[id].wrapping_add(x);
                self.send(id, self.sums[id]);
            }
            Node::Divide(_, k) => {
                if x % k != 0 {
                    self.send(id, x / k);
                }
            }
            Node::PartitionOptions(_, n) => {
                self.waiting[id][0].push(x);
                if self.waiting[id][0].len() == n {
                    let group = std::mem::take(&mut self.waiting[id][0]);
                    self.send(id, group.into_iter().fold(0, pair));
                }
            }
            Node::Union(..) => self.send(id, x),
            Node::Zip(..) => {
                self.waiting[id][inlet].push(x);
                if self.waiting[id].iter().all(|lane| !lane.is_empty()) {
                    let [a, b] = [0, 1].map(|lane| self.waiting[id][lane].remove(0));
                    self.send(id, pair(a, b));
                }
            }
            Node::CombineLatest(..) => {
                self.waiting[id][inlet] = vec![x];
                if let [Some(&a), Some(&b)] = [0, 1].map(|lane| self.waiting[id][lane].first()) {
                    self.send(id, pair(a, b));
                }
            }
            Node::ZipLatest(..) => {
                if inlet == 0 {
                    self.waiting[id][0].push(x);
                } else {
                    self.waiting[id][1] = vec![x];
                }
                while let [Some(&a), Some(&b)] = [0, 1].map(|lane| self.waiting[id][lane].first()) {
                    self.waiting[id][0].remove(0);
                    self.send(id, pair(a, b));
                }
            }
            Node::Buffer(_) => self.buffered.push_back((id, x)),
        }
    }
}

/// The same with streams.
fn build(nodes: &[Node]) -> (Vec<Stream<i64>>, Arc<Mutex<Log>>) {
    let mut streams: Vec<Stream<i64>> = Vec::new();
    for node in nodes {
        let stream = match *node {
            Node::Source => Stream::new(),
            Node::Add(a, k) => streams[a].map(move |x: i64| x.wrapping_add(k)),
            Node::Multiples(a, k) => streams[a].filter(move |x| x % k == 0),
            Node::Sum(a) => streams[a].scan(0, |sum: &i64, x| sum.wrapping_add(*x)),
            Node::Divide(a, k) => streams[a]
                .try_map(move |x| {
                    if x % k == 0 {
                        Err("a multiple")
                    } else {
                        Ok(x / k)
                    }
                })
                .on_error(OnError::Skip),
            Node::PartitionOptions(a, n) => streams[a]
                .partition(n)
                .map(|group: Vec<i64>| group.into_iter().fold(0, pair)),
            Node::Union(a, b) => union([&streams[a], &streams[b]]),
            Node::Zip(a, b) => thalweg::ops::zip_bounded(10_000, (&streams[a], &streams[b]))
                .map(|(a, b)| pair(a, b)),
            Node::CombineLatest(a, b) => streams[a]
                .combine_latest(&streams[b])
                .map(|(a, b)| pair(a, b)),
            Node::ZipLatest(a, b) => streams[a].zip_latest(&streams[b]).map(|(a, b)| pair(a, b)),
            Node::Buffer(a) => streams[a].buffer(10_000),
        };
        streams.push(stream);
    }
    let log = Arc::new(Mutex::new(Log::new()));
    for (id, stream) in streams.iter().enumerate() {
        let log = log.clone();
        stream.sink(move |x| log.lock().unwrap().push((id, x)));
    }
    (streams, log)
}

fn graphs(with_buffers: bool) -> impl Strategy<Value = Vec<Node>> {
    let kinds = if with_buffers { 11_u8 } else { 10 };
    let node = (0..kinds, any::<Index>(), any::<Index>(), 1_i64..5);
    prop::collection::vec(node, 1..14).prop_map(|specs| {
        let mut nodes = vec![Node::Source];
        for (kind, a, b, k) in specs {
            let (a, b) = (a.index(nodes.len()), b.index(nodes.len()));
            nodes.push(match kind {
                0 => Node::Source,
                1 => Node::Add(a, k),
                2 => Node::Multiples(a, k),
                3 => Node::Sum(a),
                4 => Node::Divide(a, k + 1),
                5 => Node::PartitionOptions(a, k as usize),
                6 => Node::Union(a, b),
                7 => Node::Zip(a, b),
                8 => Node::CombineLatest(a, b),
                9 => Node::ZipLatest(a, b),
                _ => Node::Buffer(a),
            });
        }
        nodes
    })
}

/// Sources with the numbers they emit.
fn inputs() -> impl Strategy<Value = Vec<(Index, i64)>> {
    prop::collection::vec((any::<Index>(), -50_i64..50), 0..30)
}

fn sources(nodes: &[Node]) -> Vec<usize> {
    (0..nodes.len())
        .filter(|&id| matches!(nodes[id], Node::Source))
        .collect()
}

/// A tracer that records nothing.
struct Silent;

impl Tracer for Silent {
    fn begin(&self, _: &TracedNode<'_>, _: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
        Some(Arc::new(Self))
    }
}

impl Span for Silent {
    fn visit(&self, _: &TracedNode<'_>) -> Arc<dyn Span> {
        Arc::new(Self)
    }

    fn run(&self, _: &str) -> Arc<dyn Span> {
        Arc::new(Self)
    }

    fn enter(&self) -> Box<dyn Any> {
        Box::new(())
    }

    fn context(&self) -> Option<TraceContext> {
        None
    }

    fn fail(&self, _: &str) {}
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_graphs_match_plain_recursion(
        nodes in graphs(true),
        inputs in prop::collection::vec((any::<Index>(), -50_i64..50, any::<bool>()), 0..30),
        one_in in prop::option::of(1_u32..4),
    ) {
        let sources = sources(&nodes);
        let mut model = Model::new(&nodes);
        let (streams, log) = build(&nodes);
        if let (Some(one_in), Some(stream)) = (one_in, streams.first()) {
            stream.trace(Silent, one_in);
        }
        for (source, x, is_timed) in inputs {
            let source = *source.get(&sources);
            if is_timed {
                streams[source].measure_latency("1h").unwrap();
            }
            model.emit(source, x);
            streams[source].emit(x).wait().unwrap();
        }
        prop_assert_eq!(&*log.lock().unwrap(), &model.log);
    }

    #[test]
    fn batches_match_single_emits(
        nodes in graphs(true),
        batches in prop::collection::vec((any::<Index>(), prop::collection::vec(-50_i64..50, 0..20)), 0..6),
        is_timed in any::<bool>(),
        one_in in prop::option::of(1_u32..4),
    ) {
        let sources = sources(&nodes);
        let (single, single_log) = build(&nodes);
        let (batched, batched_log) = build(&nodes);
        if let (Some(one_in), Some(stream)) = (one_in, batched.first()) {
            stream.trace(Silent, one_in);
        }
        for (source, batch) in batches {
            let source = *source.get(&sources);
            for &x in &batch {
                single[source].emit(x).wait().unwrap();
            }
            if is_timed {
                batched[source].measure_latency("1h").unwrap();
            }
            batched[source].emit_many(batch).wait().unwrap();
        }
        prop_assert_eq!(&*single_log.lock().unwrap(), &*batched_log.lock().unwrap());
        let counters = |streams: &[Stream<i64>]| -> Vec<_> {
            streams.iter().map(|s| s.counters()).map(|c| (c.received, c.sent, c.failed, c.held)).collect()
        };
        prop_assert_eq!(counters(&single), counters(&batched));
    }

    #[test]
    fn a_dropped_graph_is_freed(nodes in graphs(true), inputs in inputs()) {
        let alive = Arc::new(());
        let sources = sources(&nodes);
        {
            let (streams, _log) = build(&nodes);
            for stream in &streams {
                let alive = alive.clone();
                stream.sink(move |_| drop(alive.clone()));
            }
            for (source, x) in inputs {
                streams[*source.get(&sources)].emit(x).wait().unwrap();
            }
        }
        prop_assert_eq!(Arc::strong_count(&alive), 1);
    }
}
