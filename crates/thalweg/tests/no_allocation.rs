//! The synchronous path allocates nothing, counted by the allocator.

#![allow(missing_docs, clippy::unwrap_used)]

use std::future::Ready;

use thalweg::ops::{SinkAsync, Step, Then};
use thalweg::{OnError, Sink, Stream};

fn allocations(f: impl FnOnce()) -> u64 {
    allocation_counter::measure(f).count_total
}

#[test]
fn an_emit_through_synchronous_nodes_allocates_nothing() {
    let source = Stream::new();
    source
        .map(|x: u64| x + 1)
        .filter(|x| x % 2 == 0)
        .scan(0, |sum, x| sum + x)
        .sink(drop);
    source
        .try_map(|x| if *x > 5 { Err("large") } else { Ok(*x) })
        .on_error(OnError::Skip)
        .sink(drop);
    source.union(&source.map(|x| x + 2)).sink(drop);
    source.combine_latest(&source.map(|x| x + 3)).sink(drop);
    source.emit(0).wait().unwrap();
    assert_eq!(
        allocations(|| (0..5).for_each(|x| source.emit(x).wait().unwrap())),
        0
    );
}

#[test]
fn a_batch_allocates_once_and_not_per_element() {
    let source = Stream::new();
    source.map(|x: u64| x + 1).filter(|x| x % 2 == 0).sink(drop);
    source.emit_many(0..1000).wait().unwrap();
    let few = allocations(|| source.emit_many(0..10).wait().unwrap());
    let many = allocations(|| source.emit_many(0..100_000).wait().unwrap());
    assert!(few == many && few <= 2, "{few} and {many} allocations");
}

#[test]
fn a_buffer_with_a_fast_sink_allocates_nothing() {
    let source = Stream::new();
    source.buffer(100).sink(drop);
    source.emit(0).wait().unwrap();
    assert_eq!(
        allocations(|| (1..1000).for_each(|x| source.emit(x).wait().unwrap())),
        0
    );
}

#[test]
fn an_async_call_that_is_ready_at_once_allocates_nothing() {
    type Pending<R> = Ready<Result<R, &'static str>>;
    let source = Stream::new();
    let then = Then::new(|x: &u64| Ok(Step::<_, Pending<_>>::Done(Some(x + 1))));
    let sink = SinkAsync::stepwise(|_: &u64| Ok(Step::<_, Pending<_>>::Done(())));
    let _sink = Sink::from(source.apply(then).apply(sink));
    source.emit(0).wait().unwrap();
    assert_eq!(
        allocations(|| (1..1000).for_each(|x| assert!(source.emit(x).is_ready()))),
        0
    );
}
