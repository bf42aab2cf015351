//! Several threads in one pipeline, and pipelines that are joined while running.

#![allow(missing_docs, clippy::unwrap_used)]

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use thalweg::{Alarm, EventLoop, Runtime, RuntimeHandle, Stream, Task, VirtualClock};

#[test]
fn two_pipelines_emit_into_each_other_from_two_threads() {
    const EACH: usize = 100_000;
    let (left, right) = (Stream::new(), Stream::new());
    let counts = [(); 2].map(|()| Arc::new(AtomicUsize::new(0)));
    for ((this, other), count) in [(&left, &right), (&right, &left)].into_iter().zip(&counts) {
        let (other, count) = (other.clone(), count.clone());
        this.sink(move |hops: usize| {
            count.fetch_add(1, Ordering::Relaxed);
            if hops > 0 {
                other.emit(hops - 1).wait().unwrap();
            }
        });
    }
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for stream in [&left, &right] {
            scope.spawn(|| {
                start.wait();
                for _ in 0..EACH {
                    stream.emit(1).wait().unwrap();
                }
            });
        }
    });
    assert_eq!(
        counts.map(|count| count.load(Ordering::Relaxed)),
        [2 * EACH; 2]
    );
    // The sinks hold the streams, which hold the sinks.
    left.sink(drop);
}

#[test]
fn only_one_thread_is_inside_at_a_time() {
    const EACH: usize = 20_000;
    let source = Stream::new();
    let inside = Arc::new(AtomicBool::new(false));
    let mut total = 0_usize;
    let flag = inside.clone();
    let totals = source
        .map(move |x: usize| {
            assert!(!flag.swap(true, Ordering::SeqCst), "two threads are inside");
            total += x;
            flag.store(false, Ordering::SeqCst);
            total
        })
        .sink_to_list();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..EACH).for_each(|_| source.emit(1).wait().unwrap()));
        }
    });
    assert_eq!(totals.to_vec(), (1..=4 * EACH).collect::<Vec<_>>());
}

#[test]
fn pipelines_are_joined_while_others_emit() {
    for _ in 0..50 {
        let streams: Vec<Stream<usize>> = (0..4).map(|_| Stream::new()).collect();
        let all = Stream::<usize>::new();
        let list = all.sink_to_list();
        let start = Barrier::new(streams.len() + 1);
        thread::scope(|scope| {
            for stream in &streams {
                scope.spawn(|| {
                    start.wait();
                    (0..200).for_each(|x| stream.emit(x).wait().unwrap());
                });
            }
            start.wait();
            for stream in &streams {
                stream.connect(&all).unwrap();
            }
        });
        for stream in &streams {
            stream.emit(1000).wait().unwrap();
        }
        let seen = list.take();
        assert_eq!(seen.iter().filter(|&&x| x == 1000).count(), streams.len());
        // Elements emitted before a stream was connected went nowhere; the rest is complete.
        let tails: usize = (0..200).filter(|x| seen.contains(x)).count();
        assert!(tails == 0 || seen.contains(&199));
    }
}

#[test]
fn pipelines_are_joined_from_two_threads_at_once() {
    for _ in 0..200 {
        let (a, b) = (Stream::<u32>::new(), Stream::<u32>::new());
        let start = Barrier::new(2);
        thread::scope(|scope| {
            for (from, to) in [(&a, &b), (&b, &a)] {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    from.filter(|x| *x > 0).map(|x| x - 1).connect(to).unwrap();
                });
            }
        });
        let list = a.sink_to_list();
        a.emit(10).wait().unwrap();
        assert_eq!(list.to_vec(), [10, 8, 6, 4, 2, 0]);
    }
}

#[test]
fn nodes_are_built_and_dropped_while_others_emit() {
    let source = Stream::new();
    let list = source.sink_to_list();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..2_000).for_each(|x| source.emit(x).wait().unwrap());
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            let branch = source.map(|x| x + 1).partition(3);
            let sink = branch.sink(drop);
            sink.destroy();
        }
    });
    assert_eq!(list.to_vec(), (0..2_000).collect::<Vec<_>>());
}

#[test]
fn emit_blocks_until_the_loop_on_another_thread_is_done() {
    let source = Stream::on(EventLoop::thread());
    let running = Arc::new(AtomicUsize::new(0));
    let (entered, seen) = (running.clone(), running.clone());
    source.sink_async(move |x: usize| {
        let running = entered.clone();
        async move {
            tokio::task::yield_now().await;
            running.fetch_add(x, Ordering::SeqCst);
        }
    });
    for x in 1..=100 {
        source.emit(x).wait().unwrap();
        assert_eq!(seen.load(Ordering::SeqCst), x * (x + 1) / 2);
    }
}

#[test]
fn waiting_on_the_loop_itself_is_an_error_not_a_deadlock() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let source = Stream::new();
        source.sink_async(|_: i32| tokio::task::yield_now());
        let error = source.emit(1).wait().unwrap_err();
        assert!(error.is_would_block(), "{error}");
        source.emit(2).await.unwrap();
    });
}

#[test]
fn blocking_functions_of_a_loop_wait_for_its_pipelines() {
    fn feed(source: &Stream<i32>) -> Result<(), thalweg::Error> {
        source.emit(1).wait()?;
        source.emit(2).wait_timeout("1h")?;
        source.emit_many(3..6).wait()?;
        source.drain("1h").wait()
    }

    async fn pipeline() -> (Stream<i32>, thalweg::ops::List<i32>) {
        let source = Stream::new();
        let list = source.buffer(1).rate_limit("1ms").sink_to_list();
        (source, list)
    }

    let mut single = tokio::runtime::Builder::new_current_thread();
    let mut several = tokio::runtime::Builder::new_multi_thread();
    for builder in [&mut single, &mut several] {
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let list = runtime.block_on(async {
            let (source, list) = pipeline().await;
            let fed = tokio::task::spawn_blocking(move || feed(&source));
            fed.await.unwrap().unwrap();
            list
        });
        assert_eq!(list.to_vec(), [1, 2, 3, 4, 5]);
    }

    let runtime = several.build().unwrap();
    let in_place = runtime.spawn(async {
        let (source, list) = pipeline().await;
        assert!(feed(&source).unwrap_err().is_would_block());
        drop((source, list));
        let (source, list) = pipeline().await;
        tokio::task::block_in_place(|| feed(&source)).unwrap();
        list.to_vec()
    });
    assert_eq!(runtime.block_on(in_place).unwrap(), [1, 2, 3, 4, 5]);
}

#[test]
fn a_blocking_function_runs_futures_on_another_loop() {
    let (here, there) = (EventLoop::thread(), EventLoop::thread());
    let answer = here.run_blocking(move || there.block_on(async { 42 }));
    assert_eq!(here.block_on(answer).unwrap().unwrap().unwrap(), 42);
}

/// A clock with its own thread, the only one that calls functions.
struct Own(VirtualClock, ThreadId);

impl Runtime for Own {
    fn now(&self) -> Duration {
        self.0.now()
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        self.0.wake_at(at, alarm);
    }

    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn is_current(&self) -> bool {
        thread::current().id() == self.1
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn identity(&self) -> usize {
        self.0.identity()
    }
}

/// The same, with a time advanced by functions, in milliseconds.
struct Passing(Own, Arc<AtomicU64>);

impl Runtime for Passing {
    fn now(&self) -> Duration {
        Duration::from_millis(self.1.load(Ordering::SeqCst))
    }

    fn wake_at(&self, at: Duration, alarm: Alarm) {
        self.0.wake_at(at, alarm);
    }

    fn spawn(&self, task: Task) {
        self.0.spawn(task);
    }

    fn is_current(&self) -> bool {
        self.0.is_current()
    }

    fn is_exclusive(&self) -> bool {
        true
    }

    fn identity(&self) -> usize {
        self.0.identity()
    }
}

#[test]
fn emit_many_does_not_starve_other_tasks_on_the_thread() {
    let time = Arc::<AtomicU64>::default();
    let own = Own(VirtualClock::new(), thread::current().id());
    let source = Stream::on(RuntimeHandle::new(Passing(own, time.clone())));
    source.sink(move |_: u32| {
        time.fetch_add(1, Ordering::SeqCst);
    });
    let list = source.sink_to_list();

    let mut many = std::pin::pin!(source.emit_many(0..10_000));
    let mut context = Context::from_waker(Waker::noop());
    let (mut before, mut turns) = (0, 0);
    while many.as_mut().poll(&mut context).is_pending() {
        let taken = list.to_vec().len();
        // The first batch determines how many elements fit into a turn.
        assert!(turns == 0 || taken - before <= 20, "{before} to {taken}");
        (before, turns) = (taken, turns + 1);
    }
    assert!(turns > 100, "{turns}");
    assert_eq!(list.to_vec(), Vec::from_iter(0..10_000));

    // A wait on this thread, which has no other work, runs without pauses.
    let list = source.sink_to_list();
    source.emit_many(0..100).wait().unwrap();
    assert_eq!(list.to_vec().len(), 100);
}

/// Signals when it is being dropped, and then waits.
struct Lingering(mpsc::Sender<()>, mpsc::Receiver<()>);

impl Drop for Lingering {
    fn drop(&mut self) {
        self.0.send(()).unwrap();
        self.1.recv().unwrap();
    }
}

#[test]
fn an_inspecting_thread_leaves_functions_to_the_runtime_thread() {
    let me = thread::current().id();
    let clock = VirtualClock::new();
    let source = Stream::on(RuntimeHandle::new(Own(clock.clone(), me)));
    let called = Arc::new(Mutex::new(Vec::new()));
    let log = called.clone();
    source.sink(move |x: u32| log.lock().unwrap().push((x, thread::current().id())));

    let (begins, begun) = mpsc::channel();
    let (goes_on, go) = mpsc::channel();
    let lingering = Lingering(begins, go);
    source.on_unhandled(move |_| {
        let _ = &lingering;
    });
    // The previous handler is dropped inside the pipeline, before the other thread leaves it.
    let other = source.clone();
    let other = thread::spawn(move || other.on_unhandled(drop));
    begun.recv().unwrap();

    // Inside another pipeline a thread does not wait: it leaves the element to the thread inside.
    let (outer, inner) = (Stream::new(), source.clone());
    outer.sink(move |x: u32| drop(inner.emit(x)));
    outer.emit(1).wait().unwrap();
    goes_on.send(()).unwrap();
    other.join().unwrap();
    assert!(called.lock().unwrap().is_empty());
    // Mail is delivered before new elements.
    source.emit(2).wait().unwrap();
    clock.run_until_idle();
    assert_eq!(*called.lock().unwrap(), [(1, me), (2, me)]);
}
