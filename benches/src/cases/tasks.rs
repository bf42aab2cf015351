//! Small tasks on two threads, submitted one by one, with all results.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use thalweg_tasks::Client;

use crate::measure::{Pair, per_element};
use crate::report::Line;

const THREADS: usize = 2;

/// Against tokio: a `JoinHandle` for each.
pub(crate) fn against_tokio(rounds: usize, tasks: u64) -> Line {
    let client = client();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .build()
        .expect("the system starts threads");
    let pair = Pair::measure(
        rounds,
        || ours(&client, tasks),
        || {
            per_element(tasks, || {
                let handles: Vec<_> = (0..tasks)
                    .map(|x| runtime.spawn(async move { black_box(x) + 1 }))
                    .collect();
                let total = runtime.block_on(async {
                    let mut total = 0;
                    for handle in handles {
                        total += handle.await.expect("nothing fails here");
                    }
                    total
                });
                assert_eq!(total, tasks * (tasks + 1) / 2);
            })
        },
    );
    line(
        "a task on two threads, against tokio",
        "tokio `spawn`",
        &pair,
        (1.3, "at most 1.3 times"),
    )
}

/// Against rayon, whose tasks return nothing: each stores its result.
pub(crate) fn against_rayon(rounds: usize, tasks: u64) -> Line {
    let client = client();
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .expect("the system starts threads");
    let pair = Pair::measure(
        rounds,
        || ours(&client, tasks),
        || {
            per_element(tasks, || {
                let places: Arc<Vec<AtomicU64>> =
                    Arc::new((0..tasks).map(|_| AtomicU64::new(0)).collect());
                let left = Arc::new(AtomicU64::new(tasks));
                let (done, all_done) = mpsc::channel();
                for x in 0..tasks {
                    let (places, left, done) = (places.clone(), left.clone(), done.clone());
                    pool.spawn(move || {
                        places[x as usize].store(black_box(x) + 1, Ordering::Relaxed);
                        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                            done.send(()).expect("someone waits");
                        }
                    });
                }
                all_done.recv().expect("the last task says so");
                let total: u64 = places
                    .iter()
                    .map(|place| place.load(Ordering::Relaxed))
                    .sum();
                assert_eq!(total, tasks * (tasks + 1) / 2);
            })
        },
    );
    line(
        "a task on two threads, against rayon",
        "rayon `spawn`",
        &pair,
        (2.5, "at most 2.5 times"),
    )
}

fn client() -> Client {
    Client::threads(THREADS).expect("the system starts threads")
}

fn ours(client: &Client, tasks: u64) -> f64 {
    per_element(tasks, || {
        let futures: Vec<_> = (0..tasks)
            .map(|x| client.submit(move || black_box(x) + 1))
            .collect();
        let results = client.gather(&futures).expect("nothing fails here");
        assert_eq!(results.into_iter().sum::<u64>(), tasks * (tasks + 1) / 2);
    })
}

fn line(case: &'static str, peer: &str, pair: &Pair, (most, target): (f64, &'static str)) -> Line {
    Line {
        case,
        ours: format!("{:.0} ns", pair.ours),
        peer: format!("{peer} {:.0} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target,
        met: Some(pair.ratio <= most),
    }
}
