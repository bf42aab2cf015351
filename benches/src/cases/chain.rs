//! Elements through synchronous nodes.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt;
use rxrust::prelude::*;
use thalweg::Stream;

use crate::instructions::Counted;
use crate::measure::{Pair, per_element};
use crate::report::Line;

const NODES: u64 = 10;

/// A total that the optimiser cannot remove.
#[derive(Clone, Default)]
struct Total(Arc<AtomicU64>);

impl Total {
    fn add(&self, x: u64) {
        let total = self.0.load(Ordering::Relaxed);
        self.0.store(total.wrapping_add(x), Ordering::Relaxed);
    }
}

fn ten_maps() -> (Stream<u64>, Total) {
    let (source, total) = (Stream::new(), Total::default());
    let mut end = source.clone();
    for k in 0..NODES {
        end = end.map(move |x: u64| x.wrapping_add(k));
    }
    let sum = total.clone();
    end.sink(move |x| sum.add(x));
    (source, total)
}

fn boxed_streams(elements: u64) -> f64 {
    let mut stream = futures_util::stream::iter(0..elements).boxed();
    for k in 0..NODES {
        stream = stream.map(move |x| x.wrapping_add(k)).boxed();
    }
    let (stream, total) = (black_box(stream), Total::default());
    per_element(elements, || {
        pollster::block_on(stream.for_each(|x| {
            total.add(x);
            std::future::ready(())
        }));
    })
}

fn emit_all(source: &Stream<u64>, elements: u64) -> f64 {
    per_element(elements, || {
        source
            .emit_many(0..elements)
            .wait()
            .expect("nothing fails here");
    })
}

fn emit_each(source: &Stream<u64>, elements: u64) -> f64 {
    per_element(elements, || {
        for x in 0..elements {
            source.emit(x).wait().expect("nothing fails here");
        }
    })
}

pub(crate) fn one_by_one(rounds: usize, elements: u64) -> Line {
    let (source, _total) = ten_maps();
    let pair = Pair::measure(
        rounds,
        || emit_each(black_box(&source), elements) / NODES as f64,
        || boxed_streams(elements) / NODES as f64,
    );
    Line {
        case: "one element through ten `map` nodes, per node",
        ours: format!("{:.2} ns", pair.ours),
        peer: format!("boxed `futures` streams {:.2} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "at most 1.3 times",
        met: Some(pair.ratio <= 1.3),
    }
}

pub(crate) fn batched(rounds: usize, elements: u64) -> Line {
    let (source, _total) = ten_maps();
    let pair = Pair::measure(
        rounds,
        || emit_all(black_box(&source), elements) / NODES as f64,
        || boxed_streams(elements) / NODES as f64,
    );
    Line {
        case: "the same through `emit_many`, per node",
        ours: format!("{:.2} ns", pair.ours),
        peer: format!("boxed `futures` streams {:.2} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "at most 1 ns",
        met: Some(pair.ours <= 1.0),
    }
}

fn mixed() -> Stream<u64> {
    let (source, total) = (Stream::new(), Total::default());
    source
        .map(|x: u64| x.wrapping_mul(3))
        .filter(|x| x % 2 == 0)
        .scan(0_u64, |sum, x| sum.wrapping_add(*x))
        .sink(move |x| total.add(x));
    source
}

pub(crate) fn mixed_shared(rounds: usize, elements: u64) -> Line {
    let source = mixed();
    let pair = Pair::measure(
        rounds,
        || emit_each(black_box(&source), elements),
        || shared_subject(elements),
    );
    Line {
        case: "map → filter → accumulate → sink, usable from any thread",
        ours: format!("{:.1} ns", pair.ours),
        peer: format!("rxRust `Shared::subject` {:.1} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "faster",
        met: Some(pair.ratio < 1.0),
    }
}

fn shared_subject(elements: u64) -> f64 {
    let (subject, total) = (
        Shared::subject::<u64, std::convert::Infallible>(),
        Total::default(),
    );
    subject
        .clone()
        .map(|x: u64| x.wrapping_mul(3))
        .filter(|x| x % 2 == 0)
        .scan(0_u64, |sum, x| sum.wrapping_add(x))
        .subscribe(move |x| total.add(x));
    let mut subject = black_box(subject);
    per_element(elements, || (0..elements).for_each(|x| subject.next(x)))
}

fn loop_by_hand(elements: u64) -> f64 {
    let total = black_box(Total::default());
    let mut sum = 0_u64;
    per_element(elements, || {
        for x in 0..black_box(elements) {
            let x = x.wrapping_mul(3);
            if x % 2 == 0 {
                sum = sum.wrapping_add(x);
                total.add(black_box(sum));
            }
        }
    })
}

/// The same functions after a single-threaded subject.
fn local_subject(elements: u64) -> f64 {
    let (subject, total) = (
        Local::subject::<u64, std::convert::Infallible>(),
        Total::default(),
    );
    subject
        .clone()
        .map(|x: u64| x.wrapping_mul(3))
        .filter(|x| x % 2 == 0)
        .scan(0_u64, |sum, x| sum.wrapping_add(x))
        .subscribe(move |x| total.add(x));
    let mut subject = black_box(subject);
    per_element(elements, || (0..elements).for_each(|x| subject.next(x)))
}

pub(crate) fn mixed_local(rounds: usize, elements: u64) -> Line {
    let source = mixed();
    let pair = Pair::measure(
        rounds,
        || emit_each(black_box(&source), elements),
        || local_subject(elements),
    );
    Line {
        case: "the same beside a subject that one thread alone may use",
        ours: format!("{:.1} ns", pair.ours),
        peer: format!("rxRust `Local::subject` {:.1} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "for comparison",
        met: None,
    }
}

/// The same functions as one node.
fn chained() -> Stream<u64> {
    let (source, total) = (Stream::new(), Total::default());
    source
        .chain(|x| {
            x.map(|x: u64| x.wrapping_mul(3))
                .filter(|x| x % 2 == 0)
                .scan(0_u64, |sum, x| sum.wrapping_add(x))
        })
        .sink(move |x| total.add(x));
    source
}

pub(crate) fn chained_local(rounds: usize, elements: u64) -> Line {
    let source = chained();
    let pair = Pair::measure(
        rounds,
        || emit_each(black_box(&source), elements),
        || local_subject(elements),
    );
    Line {
        case: "the same as one `chain`, one element at a time",
        ours: format!("{:.1} ns", pair.ours),
        peer: format!("rxRust `Local::subject` {:.1} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "faster",
        met: Some(pair.ratio < 1.0),
    }
}

pub(crate) fn chained_loop(rounds: usize, elements: u64) -> Line {
    let source = chained();
    let pair = Pair::measure(
        rounds,
        || emit_all(black_box(&source), elements),
        || loop_by_hand(elements),
    );
    Line {
        case: "the same `chain` through `emit_many`",
        ours: format!("{:.2} ns", pair.ours),
        peer: format!("a loop by hand {:.2} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "at most 1.2 times",
        met: Some(pair.ratio <= 1.2),
    }
}

/// The case counted in instructions.
pub(crate) const COUNTED: [Counted; 6] = [
    Counted {
        case: "one element through ten `map` nodes",
        ours: |elements| emit_each(black_box(&ten_maps().0), elements),
        peer: "boxed `futures` streams",
        by_peer: boxed_streams,
    },
    Counted {
        case: "the same through `emit_many`",
        ours: |elements| emit_all(black_box(&ten_maps().0), elements),
        peer: "boxed `futures` streams",
        by_peer: boxed_streams,
    },
    Counted {
        case: "map → filter → accumulate → sink, usable from any thread",
        ours: |elements| emit_each(black_box(&mixed()), elements),
        peer: "rxRust `Shared::subject`",
        by_peer: shared_subject,
    },
    Counted {
        case: "the same through `emit_many`",
        ours: |elements| emit_all(black_box(&mixed()), elements),
        peer: "rxRust `Shared::subject`",
        by_peer: shared_subject,
    },
    Counted {
        case: "the same as one `chain`, one element at a time",
        ours: |elements| emit_each(black_box(&chained()), elements),
        peer: "rxRust `Local::subject`",
        by_peer: local_subject,
    },
    Counted {
        case: "the same `chain` through `emit_many`",
        ours: |elements| emit_all(black_box(&chained()), elements),
        peer: "a loop by hand",
        by_peer: loop_by_hand,
    },
];
