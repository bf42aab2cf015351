use std::any::Any;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use super::{AtWork, Fused, FusedContext, FusedPart, Progress};
use crate::{EmitResult, HostBatches, OnError, Stream};

/// A body of two functions that replaces two nodes and records its calls.
struct Pair {
    first: Box<dyn Fn(i32) -> Result<i32, String> + Send + Sync>,
    second: Box<dyn Fn(i32) -> Result<i32, String> + Send + Sync>,
    received: AtomicU64,
    handed_on: AtomicU64,
    /// Index of the node whose function is running, plus one.
    running: AtomicU64,
    calls: Arc<AtomicU64>,
    batches: Arc<AtomicU64>,
}

/// Numbers in a host's list.
struct Numbers(Range<i32>);

impl IntoIterator for Numbers {
    type Item = i32;
    type IntoIter = Range<i32>;

    fn into_iter(self) -> Range<i32> {
        self.0
    }
}

/// The same, as a sendable batch.
struct Host(Range<i32>);

impl Iterator for Host {
    type Item = i32;

    fn next(&mut self) -> Option<i32> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl HostBatches for Host {
    type Batch = Numbers;

    fn next_batch(&mut self, size: usize) -> Option<(Numbers, usize)> {
        let end = self.0.end.min(self.0.start + size as i32);
        let batch = self.0.start..end;
        self.0.start = end;
        (!batch.is_empty()).then(|| (Numbers(batch.clone()), batch.len()))
    }
}

impl Fused<i32> for Pair {
    fn run(&self, x: i32, cx: &mut FusedContext<'_, i32>) -> EmitResult {
        self.calls.fetch_add(1, Relaxed);
        self.received.fetch_add(1, Relaxed);
        self.running.store(1, Relaxed);
        let first = (self.first)(x);
        self.running.store(0, Relaxed);
        let y = match first {
            Ok(y) => y,
            Err(error) => return cx.fail(0, x, error),
        };
        self.handed_on.fetch_add(1, Relaxed);
        self.running.store(2, Relaxed);
        let second = (self.second)(y);
        self.running.store(0, Relaxed);
        match second {
            Ok(z) => cx.send(0, z),
            Err(error) => cx.fail(1, y, error),
        }
    }

    fn takes(&self, batch: &dyn Any) -> bool {
        batch.is::<Numbers>()
    }

    fn run_host_batch(&self, batch: &mut dyn Any, cx: &mut FusedContext<'_, i32>) {
        self.batches.fetch_add(1, Relaxed);
        for x in batch.downcast_ref::<Numbers>().expect("numbers").0.clone() {
            let result = self.run(x, cx);
            cx.keep_failure(result);
        }
    }

    fn progress(&self) -> Vec<Progress> {
        let counts = [self.received.load(Relaxed), self.handed_on.load(Relaxed)];
        let progress = counts.map(|count| Progress {
            received: count,
            made: count,
        });
        progress.to_vec()
    }

    fn at_work(&self) -> AtWork {
        let running = self.running.load(Relaxed);
        let busy = running.checked_sub(1).map(|node| node as usize);
        AtWork {
            busy: busy.into_iter().collect(),
            handing_around: Vec::new(),
        }
    }
}

type Step = fn(i32) -> Result<i32, String>;

struct Pipeline {
    source: Stream<i32>,
    nodes: [Stream<i32>; 2],
    seen: Arc<Mutex<Vec<i32>>>,
    calls: Arc<AtomicU64>,
    batches: Arc<AtomicU64>,
}

impl Pipeline {
    fn new(
        first: impl Fn(i32) -> Result<i32, String> + Send + Sync + 'static,
        second: Step,
    ) -> Self {
        let source = Stream::new();
        let first = Arc::new(first);
        let by_itself = first.clone();
        let one = source.try_map(move |x: &i32| by_itself(*x));
        let two = one.try_map(move |x: &i32| second(*x));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        two.sink(move |x| sink.lock().expect("not poisoned").push(x));
        let pipeline = Self {
            source,
            nodes: [one, two],
            seen,
            calls: Arc::default(),
            batches: Arc::default(),
        };
        assert!(pipeline.fuse(move |x| first(x), second));
        pipeline
    }

    fn fuse(
        &self,
        first: impl Fn(i32) -> Result<i32, String> + Send + Sync + 'static,
        second: Step,
    ) -> bool {
        let part = |node: &Stream<i32>| FusedPart {
            id: node.node_id(),
            downstream: node.downstream_ids().into_iter().take(1).collect(),
            may_skip: true,
        };
        let exits = vec![(1, self.nodes[1].downstream_ids()[0])];
        let body = Pair {
            first: Box::new(first),
            second: Box::new(second),
            received: AtomicU64::new(0),
            handed_on: AtomicU64::new(0),
            running: AtomicU64::new(0),
            calls: self.calls.clone(),
            batches: self.batches.clone(),
        };
        self.source
            .fuse(self.nodes.iter().map(part).collect(), exits, body)
    }

    fn seen(&self) -> Vec<i32> {
        self.seen.lock().expect("not poisoned").clone()
    }

    fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    fn batches(&self) -> u64 {
        self.batches.load(Relaxed)
    }
}

const ADD: Step = |x| Ok(x + 1);
const ODD: Step = |x| {
    if x % 2 == 1 {
        Ok(x)
    } else {
        Err(format!("{x} is even"))
    }
};

#[test]
fn elements_go_through_the_body_and_are_counted_at_the_nodes() {
    let pipeline = Pipeline::new(ADD, ADD);
    pipeline.source.emit(1).wait().expect("taken");
    pipeline.source.emit_many([2, 3]).wait().expect("taken");
    assert_eq!(pipeline.seen(), [3, 4, 5]);
    assert_eq!(pipeline.calls(), 3);
    for node in &pipeline.nodes {
        let counters = node.counters();
        assert_eq!((counters.received, counters.sent), (3, 3));
    }
}

#[test]
fn an_exit_leads_to_a_body_that_was_there_before() {
    /// Adds a number, in place of a node; counts calls.
    struct Adds(i32, Arc<AtomicU64>);

    impl Fused<i32> for Adds {
        fn run(&self, x: i32, cx: &mut FusedContext<'_, i32>) -> EmitResult {
            self.1.fetch_add(1, Relaxed);
            cx.send_last(0, x + self.0)
        }

        fn progress(&self) -> Vec<Progress> {
            let count = self.1.load(Relaxed);
            vec![Progress {
                received: count,
                made: count,
            }]
        }
    }

    let source = Stream::new();
    let one = source.map(|x| x + 1);
    let both = source.union(&one);
    let list = both.sink_to_list();
    let fuse = |node: &Stream<i32>, adds| {
        let part = FusedPart {
            id: node.node_id(),
            downstream: node.downstream_ids(),
            may_skip: true,
        };
        let calls = Arc::new(AtomicU64::new(0));
        let exits = vec![(0, node.downstream_ids()[0])];
        assert!(source.fuse(vec![part], exits, Adds(adds, calls.clone())));
        calls
    };
    let calls = [fuse(&both, 0), fuse(&one, 1)];
    source.emit_many([1, 5]).wait().expect("taken");
    assert_eq!(list.to_vec(), [2, 1, 6, 5]);
    assert_eq!(calls.map(|calls| calls.load(Relaxed)), [4, 2]);
}

#[test]
fn a_host_batch_is_run_without_unpacking() {
    let pipeline = Pipeline::new(ADD, ODD);
    let many = pipeline.source.emit_host_batches(Host(1..601)).wait();
    assert_eq!(many.expect_err("half are even").failures().len(), 300);
    // A single element first, then 256 at a time.
    assert_eq!((pipeline.batches(), pipeline.calls()), (4, 600));
    assert_eq!(pipeline.seen(), (3..602).step_by(2).collect::<Vec<_>>());
    let counters = pipeline.nodes[1].counters();
    assert_eq!((counters.received, counters.failed), (600, 300));
    assert_eq!(pipeline.source.counters().sent, 600);
}

#[test]
fn a_host_batch_is_unpacked_for_nodes_that_take_elements() {
    let pipeline = Pipeline::new(ADD, ADD);
    let beside = pipeline.source.sink_to_list();
    pipeline
        .source
        .emit_host_batches(Host(0..300))
        .wait()
        .expect("taken");
    assert_eq!((pipeline.batches(), pipeline.seen().len()), (0, 300));
    assert_eq!(beside.to_vec(), (0..300).collect::<Vec<_>>());
    // An element that waits for room delays the ones after it.
    let clock = crate::VirtualClock::new();
    let source = Stream::on(&clock);
    let list = source.rate_limit("1s").sink_to_list();
    let many = source.emit_host_batches(Host(0..3));
    clock.block_on(many).expect("taken");
    assert_eq!(list.to_vec(), [0, 1, 2]);
}

#[test]
fn a_pipeline_that_takes_no_batches_is_seldom_sent_one() {
    /// Counts batches.
    struct Counting(Host, Arc<AtomicU64>);

    impl Iterator for Counting {
        type Item = i32;

        fn next(&mut self) -> Option<i32> {
            self.0.next()
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            self.0.size_hint()
        }
    }

    impl HostBatches for Counting {
        type Batch = Numbers;

        fn next_batch(&mut self, size: usize) -> Option<(Numbers, usize)> {
            self.1.fetch_add(1, Relaxed);
            self.0.next_batch(size)
        }
    }

    let source = Stream::new();
    let list = source.map(|x: i32| -x).zip(&source).sink_to_list();
    let batches = Arc::new(AtomicU64::new(0));
    let many = source.emit_host_batches(Counting(Host(0..10_000), batches.clone()));
    many.wait().expect("taken");
    assert_eq!(
        list.to_vec(),
        (0..10_000).map(|x| (-x, x)).collect::<Vec<_>>()
    );
    // After 1, 2, 4 … 256 elements, and then after every 256.
    assert_eq!(
        batches.load(Relaxed),
        9 + (10_000 - 511 - 9_u64).div_ceil(257)
    );
}

#[test]
fn a_batch_that_waits_for_another_thread_stays_whole() {
    /// Records when a batch is requested.
    struct Telling(Host, std::sync::mpsc::Sender<()>);

    impl Iterator for Telling {
        type Item = i32;

        fn next(&mut self) -> Option<i32> {
            self.0.next()
        }

        fn size_hint(&self) -> (usize, Option<usize>) {
            self.0.size_hint()
        }
    }

    impl HostBatches for Telling {
        type Batch = Numbers;

        fn next_batch(&mut self, size: usize) -> Option<(Numbers, usize)> {
            self.1.send(()).ok();
            self.0.next_batch(size)
        }
    }

    let (tell, told) = std::sync::mpsc::channel();
    let (begun, inside) = std::sync::mpsc::channel();
    let (told, begun) = (Mutex::new(told), Mutex::new(begun));
    let pipeline = Pipeline::new(
        move |x| {
            if x == -1 {
                begun.lock().expect("not poisoned").send(()).expect("heard");
                let told = told.lock().expect("not poisoned");
                told.recv().expect("another thread sends a batch");
            }
            Ok(x)
        },
        ADD,
    );
    std::thread::scope(|scope| {
        scope.spawn(|| pipeline.source.emit(-1).wait());
        inside.recv().expect("the first is inside");
        let many = Telling(Host(0..300), tell);
        pipeline
            .source
            .emit_host_batches(many)
            .wait()
            .expect("taken");
    });
    assert_eq!(pipeline.batches(), 3);
    assert_eq!(pipeline.seen(), (0..301).collect::<Vec<_>>());
}

#[test]
fn a_timed_element_visits_the_nodes_and_others_the_body() {
    let pipeline = Pipeline::new(ADD, ADD);
    assert_eq!(pipeline.nodes[1].latency(), None);
    for x in 1..4 {
        pipeline.source.emit(x).wait().expect("taken");
    }
    assert_eq!(pipeline.seen(), [3, 4, 5]);
    let timed = pipeline.nodes[1]
        .latency()
        .map_or(0, |latency| latency.count());
    assert!(timed >= 1);
    assert_eq!(pipeline.calls(), 3 - timed);
    for node in &pipeline.nodes {
        assert_eq!(node.counters().received, 3);
    }
}

#[test]
fn a_failure_names_node_and_element_and_the_batch_continues() {
    let pipeline = Pipeline::new(ADD, ODD);
    let many = pipeline.source.emit_many([2, 3, 4]).wait();
    let error = many.expect_err("4 is even");
    let failure = &error.failures()[0];
    assert_eq!(failure.node_id(), pipeline.nodes[1].node_id());
    assert_eq!((failure.ordinal(), failure.element::<i32>()), (2, Some(4)));
    assert_eq!(pipeline.seen(), [3, 5]);
    let counters = pipeline.nodes[1].counters();
    assert_eq!((counters.received, counters.failed), (3, 1));
}

#[test]
fn a_failure_at_a_node_by_itself_counts_the_elements_of_the_body() {
    let pipeline = Pipeline::new(ADD, ODD);
    pipeline.source.emit_many([2, 4]).wait().expect("odd");
    let error = pipeline.nodes[0].emit(6).wait().expect_err("6 is even");
    assert_eq!(error.failures()[0].ordinal(), 3);
    assert_eq!(pipeline.calls(), 2);
}

#[test]
fn a_policy_is_followed_and_a_new_one_ends_the_run() {
    let pipeline = Pipeline::new(ADD, ODD);
    drop(pipeline.nodes[1].clone().on_error(OnError::Skip));
    pipeline.source.emit_many([2, 3]).wait().expect("skipped");
    assert_eq!((pipeline.calls(), pipeline.seen()), (0, vec![3]));
    assert!(pipeline.fuse(ADD, ODD));
    pipeline.source.emit_many([3, 4]).wait().expect("skipped");
    assert_eq!((pipeline.calls(), pipeline.seen()), (2, vec![3, 5]));
    let counters = pipeline.nodes[1].counters();
    assert_eq!((counters.received, counters.sent), (4, 2));
}

#[test]
fn an_edge_that_changes_ends_the_run() {
    let pipeline = Pipeline::new(ADD, ADD);
    let list = pipeline.nodes[0].sink_to_list();
    pipeline.source.emit(1).wait().expect("taken");
    assert_eq!(pipeline.calls(), 0);
    assert_eq!((list.to_vec(), pipeline.seen()), (vec![2], vec![3]));
}

#[test]
fn an_element_emitted_at_an_inner_node_visits_it_and_its_downstreams() {
    let pipeline = Pipeline::new(ADD, ADD);
    pipeline.nodes[0].emit(5).wait().expect("taken");
    pipeline.source.emit(1).wait().expect("taken");
    assert_eq!((pipeline.calls(), pipeline.seen()), (1, vec![6, 3]));
    assert_eq!(pipeline.nodes[1].counters().received, 2);
}

#[test]
fn an_emit_into_the_calling_node_is_queued() {
    let back: Arc<Mutex<Option<Stream<i32>>>> = Arc::default();
    let way = back.clone();
    let pipeline = Pipeline::new(
        move |x| {
            let source = way.lock().expect("not poisoned").clone();
            if let Some(source) = source.filter(|_| x < 3) {
                source
                    .emit(x + 1)
                    .wait()
                    .map_err(|error| error.to_string())?;
            }
            Ok(x)
        },
        ADD,
    );
    *back.lock().expect("not poisoned") = Some(pipeline.source.clone());
    pipeline.source.emit(1).wait().expect("taken");
    assert_eq!(pipeline.seen(), [2, 3, 4]);
    assert_eq!(pipeline.nodes[0].counters().received, 3);
    *back.lock().expect("not poisoned") = None;
}

#[test]
fn nodes_that_do_not_match_the_description_are_not_fused() {
    let pipeline = Pipeline::new(ADD, ADD);
    // The nodes are already fused.
    assert!(!pipeline.fuse(ADD, ADD));
    pipeline.source.unfuse();
    drop(pipeline.nodes[0].clone().on_error(crate::Retry::times(1)));
    assert!(!pipeline.fuse(ADD, ADD));
    drop(pipeline.nodes[0].clone().on_error(OnError::Raise));
    assert!(pipeline.fuse(ADD, ADD));
    pipeline.source.emit(1).wait().expect("taken");
    assert_eq!(pipeline.calls(), 1);
}
