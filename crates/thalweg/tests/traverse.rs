//! References that nodes show to garbage collectors: exactly as many as they hold.

#![allow(missing_docs, clippy::unwrap_used)]

use std::any::Any;
use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use thalweg::ops::{
    Buffer, CombineLatest, Keep, Latest, OpenLanes, PartitionOptions, PartitionUniqueOptions, Step,
    Then, TimedWindowOptions, TimedWindowUniqueOptions, combine_latest, literal, zip, zip_latest,
};
use thalweg::{Arrival, OpenJoin, Retry, Stream, VirtualClock};

/// Pending for ever. Its waker is kept, or else the clock would drop it.
async fn pending<R>() -> R {
    static WAKERS: Mutex<Vec<Waker>> = Mutex::new(Vec::new());
    poll_fn(|cx| {
        WAKERS.lock().unwrap().push(cx.waker().clone());
        Poll::Pending
    })
    .await
}

type X = Arc<u32>;
/// Visits the elements of a node.
type Look = Box<dyn Fn(&mut dyn FnMut(&dyn Any)) -> bool>;

fn look<T: thalweg::Element>(stream: Stream<T>) -> Look {
    Box::new(move |visit| stream.traverse(visit))
}

/// Number of elements in a kept object.
fn count(kept: &dyn Any) -> usize {
    if kept.is::<X>() {
        return 1;
    }
    if let Some(all) = kept.downcast_ref::<Vec<X>>() {
        return all.len();
    }
    if let Some(result) = kept.downcast_ref::<Option<X>>() {
        return result.iter().count();
    }
    if let Some(arrival) = kept.downcast_ref::<Arrival<X>>() {
        return usize::from(matches!(arrival, Arrival::Element(..)));
    }
    0
}

type Case = (&'static str, fn(&Stream<X>) -> Vec<Look>);

const CASES: &[Case] = &[
    ("map", |s| vec![look(s.map(|x| x))]),
    ("accumulate", |s| vec![look(s.accumulate(|_, x| x.clone()))]),
    ("scan", |s| vec![look(s.scan(X::new(0), |_, x| x.clone()))]),
    ("frequencies", |s| vec![look(s.frequencies())]),
    ("unique", |s| vec![look(s.unique())]),
    ("collect", |s| vec![look(s.collect().stream().clone())]),
    ("partition", |s| vec![look(s.partition(4))]),
    ("partition with a key", |s| {
        let partition = PartitionOptions::of(4).timeout("1h");
        vec![look(s.apply(partition.key(|x: &X| x.clone())))]
    }),
    ("partition_unique", |s| vec![look(s.partition_unique(20))]),
    ("partition_unique, last", |s| {
        vec![look(
            s.apply(PartitionUniqueOptions::of(20).keep(Keep::Last)),
        )]
    }),
    ("sliding_window", |s| vec![look(s.sliding_window(3))]),
    ("timed_window", |s| {
        vec![look(s.apply(TimedWindowOptions::every("1h").skip_empty()))]
    }),
    ("timed_window with a slow sink", |s| {
        let windows = s.apply(TimedWindowOptions::every("1s").skip_empty());
        let flat = windows.flatten();
        vec![look(windows), look(flat.rate_limit("1h"))]
    }),
    ("timed_window_unique", |s| {
        vec![look(
            s.apply(TimedWindowUniqueOptions::every("1h").skip_empty()),
        )]
    }),
    ("rate_limit", |s| vec![look(s.rate_limit("1h"))]),
    ("delay", |s| vec![look(s.delay("1h"))]),
    ("shift", |s| vec![look(s.shift("1h"))]),
    ("throttle", |s| vec![look(s.throttle("1h"))]),
    ("debounce", |s| vec![look(s.debounce("1h"))]),
    ("sample", |s| vec![look(s.sample("1h"))]),
    ("buffer", |s| {
        let buffer = s.buffer(2);
        let slow = buffer.rate_limit("1h");
        vec![look(buffer), look(slow)]
    }),
    ("buffer, in the next round", |s| {
        vec![look(s.apply(Buffer::new(2).map(Buffer::in_next_round)))]
    }),
    ("latest", |s| {
        let latest = s.apply(Latest::new());
        let slow = latest.rate_limit("1h");
        vec![look(latest), look(slow)]
    }),
    ("map_async", |s| {
        vec![look(s.try_map_async(2, |x: X| {
            drop(x);
            pending::<Result<(), &str>>()
        }))]
    }),
    ("map_async, results that wait for their turn", |s| {
        let mut calls = 0;
        vec![look(s.map_async(20, move |x: X| {
            calls += 1;
            let is_first = calls == 1;
            let x = (!is_first).then_some(x);
            async move {
                match x {
                    Some(x) => x,
                    None => pending().await,
                }
            }
        }))]
    }),
    ("then", |s| {
        vec![look(s.try_then(|x: X| {
            drop(x);
            pending::<Result<(), &str>>()
        }))]
    }),
    ("then, step by step", |s| {
        vec![look(s.apply(Then::new(|_: &X| {
            Ok::<_, &str>(Step::Pending(pending::<Result<Option<()>, _>>()))
        })))]
    }),
    ("sink_async", |s| {
        let sink = s.try_sink_async(|x: X| {
            drop(x);
            pending::<Result<(), &str>>()
        });
        vec![look(sink.stream().clone())]
    }),
    ("zip", |s| {
        let never = Stream::<X>::new();
        vec![look(zip((s, &never, literal(X::new(0))))), look(never)]
    }),
    ("combine_latest", |s| {
        let never = Stream::<X>::new();
        vec![look(combine_latest((s, &never))), look(never)]
    }),
    ("zip_latest", |s| {
        let never = Stream::<X>::new();
        vec![look(zip_latest((s, &never))), look(never)]
    }),
    ("an open join", |s| {
        let operator = CombineLatest::new(OpenLanes::new(), None).unwrap();
        let join = OpenJoin::new(operator, s);
        join.attach(s).unwrap();
        join.attach(s).unwrap();
        vec![look(join.stream().clone())]
    }),
    ("retries, and elements waiting for them", |s| {
        let failing = s.try_map(|_: &X| Err::<(), _>("no"));
        vec![look(failing.on_error(Retry::times(3).backoff("1h")))]
    }),
];

#[test]
fn every_operator_visits_each_element_once_per_reference() {
    for (name, build) in CASES {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let looks = build(&source);
        let xs: Vec<X> = (1..=7).map(X::new).collect();
        let emitted: Vec<_> = xs.iter().map(|x| source.emit(x.clone())).collect();
        let check = |when: &str| {
            let kept: usize = xs.iter().map(|x| Arc::strong_count(x) - 1).sum();
            let mut seen = HashMap::new();
            for look in &looks {
                let is_free = look(&mut |x| {
                    if let Some(x) = x.downcast_ref::<X>() {
                        *seen.entry(**x).or_insert(0) += 1;
                    } else {
                        *seen.entry(u32::MAX).or_insert(0) += count(x);
                    }
                });
                assert!(is_free, "{name}");
            }
            seen.remove(&0);
            assert_eq!(seen.values().sum::<usize>(), kept, "{name}, {when}");
        };
        if !name.contains("in the next round") {
            clock.run_until_idle();
        }
        check("at first");
        clock.advance(std::time::Duration::from_secs(10));
        check("later");
        drop((emitted, source));
    }
}

#[test]
fn traverse_is_refused_while_a_thread_is_inside() {
    let source = Stream::new();
    let pairs = source.partition(2);
    let (inside, done) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (here, barriers) = (pairs.clone(), (inside.clone(), done.clone()));
    source.sink(move |x| {
        assert!(!here.traverse(&mut |_| panic!("this thread is inside")));
        if x == 3 {
            barriers.0.wait();
            barriers.1.wait();
        }
    });
    source.emit(1).wait().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| source.emit(3).wait().unwrap());
        inside.wait();
        assert!(!pairs.traverse(&mut |_| panic!("another thread is inside")));
        done.wait();
    });
    assert!(pairs.traverse(&mut |_| panic!("the pair has been sent")));
    pairs.destroy();
}

#[test]
fn threads_entering_during_a_traverse_wait_for_its_end() {
    let source = Stream::new();
    let list = source.sink_to_list();
    let pairs = source.partition(100);
    source.emit(0).wait().unwrap();
    let looking = Barrier::new(2);
    thread::scope(|scope| {
        let emitter = scope.spawn(|| {
            looking.wait();
            for x in 1..1000 {
                source.emit(x).wait().unwrap();
            }
        });
        let mut first = true;
        let mut looks = 0;
        while !emitter.is_finished() {
            let seen = pairs.traverse(&mut |_| {
                if std::mem::take(&mut first) {
                    looking.wait();
                }
            });
            looks += usize::from(seen);
        }
        assert!(looks > 0);
    });
    assert_eq!(list.to_vec(), Vec::from_iter(0..1000));
}

#[test]
fn traverse_runs_no_pending_work_and_allocates_nothing() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock);
    let slow = source.rate_limit("1s");
    let emitted = [1, 2, 3].map(|x| source.emit(x));
    let mut sum = 0;
    let look = || assert!(slow.traverse(&mut |x| sum += x.downcast_ref::<i32>().unwrap()));
    assert_eq!(allocation_counter::measure(look).count_total, 0);
    assert_eq!(sum, 5);
    assert!(!emitted[1].is_ready());
}
