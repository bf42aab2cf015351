//! Cost per node in large pipelines: the same as in small ones.

use std::time::{Duration, Instant};

use thalweg::Stream;

use crate::measure::median;
use crate::report::Line;

const FEW: usize = 1_000;
const MANY: usize = 100_000;

/// Shape of a pipeline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A chain.
    Deep,
    /// Branches of two nodes each.
    Wide,
    /// Branches of two nodes each, of which the first may keep elements that a drain has to send on.
    Windows,
}

/// Phases of a pipeline's life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Build,
    Emit,
    Drain,
    Drop,
}

struct Pipeline {
    source: Stream<u64>,
    /// Dropped with the pipeline.
    _handles: Vec<Stream<u64>>,
}

impl Pipeline {
    fn build(shape: Shape, nodes: usize) -> Self {
        let source = Stream::new();
        let mut handles: Vec<Stream<u64>> = Vec::new();
        match shape {
            Shape::Deep => {
                for _ in 1..nodes {
                    let next = handles.last().unwrap_or(&source).map(|x| x + 1);
                    handles.push(next);
                }
                handles.last().unwrap_or(&source).sink(drop);
            }
            Shape::Wide => {
                for _ in 0..nodes / 2 {
                    let branch = source.map(|x| x + 1);
                    branch.sink(drop);
                    handles.push(branch);
                }
            }
            Shape::Windows => {
                for _ in 0..nodes / 2 {
                    source.partition(2).sink(drop);
                }
            }
        }
        Self {
            source,
            _handles: handles,
        }
    }

    /// Nanoseconds per node of one phase, of a hundred thousand nodes in pipelines of `nodes`: always as
    /// many, so that the processor's caches hold as few of them.
    fn phase(shape: Shape, phase: Phase, nodes: usize) -> f64 {
        let start = Instant::now();
        let pipelines: Vec<_> = (0..MANY / nodes)
            .map(|_| Self::build(shape, nodes))
            .collect();
        let built = start.elapsed();
        let spent = match phase {
            Phase::Build => built,
            Phase::Emit => timed(|| {
                for pipeline in &pipelines {
                    pipeline.source.emit(1).wait().expect("nothing fails here");
                }
            }),
            Phase::Drain => timed(|| {
                for pipeline in &pipelines {
                    let drained = pipeline.source.drain(Duration::from_secs(60)).wait();
                    drained.expect("nothing fails here");
                }
            }),
            Phase::Drop => return per_node(timed(|| drop(pipelines))),
        };
        per_node(spent)
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn per_node(spent: Duration) -> f64 {
    spent.as_secs_f64() * 1e9 / MANY as f64
}

/// A node in a pipeline of a hundred thousand, compared with one in a thousand.
pub(crate) fn per_node_of_many(
    case: &'static str,
    shape: Shape,
    phase: Phase,
    rounds: usize,
) -> Line {
    let few = (0..rounds).map(|_| Pipeline::phase(shape, phase, FEW));
    let few = median(few.collect());
    let many = median(
        (0..rounds)
            .map(|_| Pipeline::phase(shape, phase, MANY))
            .collect(),
    );
    let ratio = many / few;
    Line {
        case,
        ours: format!("{many:.1} ns a node of {MANY}"),
        peer: format!("{few:.1} ns a node of {FEW}"),
        ratio: format!("{ratio:.2}"),
        target: "≤ 1.5",
        met: Some(ratio <= 1.5),
    }
}
