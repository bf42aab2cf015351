//! One hop through a bounded queue.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thalweg::Stream;

use crate::instructions::Counted;
use crate::measure::{Pair, per_element};
use crate::report::Line;

const ROOM: usize = 100;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the system starts an event loop")
}

fn ours(elements: u64) -> f64 {
    runtime().block_on(async {
        let total = Arc::new(AtomicU64::new(0));
        let (source, sum) = (Stream::new(), total.clone());
        source.buffer(ROOM).sink(move |x: u64| {
            sum.store(sum.load(Ordering::Relaxed) + x, Ordering::Relaxed);
        });
        let start = std::time::Instant::now();
        for x in 0..elements {
            source.emit(x).await.expect("nothing fails here");
        }
        let time = start.elapsed();
        assert_eq!(total.load(Ordering::Relaxed), elements * (elements - 1) / 2);
        time.as_secs_f64() * 1e9 / elements as f64
    })
}

fn by_tokio(elements: u64) -> f64 {
    let (sender, mut receiver) = tokio::sync::mpsc::channel::<u64>(ROOM);
    let runtime = runtime();
    per_element(elements, || {
        runtime.block_on(async move {
            let consumer = tokio::spawn(async move {
                let mut total = 0;
                while let Some(x) = receiver.recv().await {
                    total += x;
                }
                black_box(total)
            });
            for x in 0..elements {
                sender.send(x).await.expect("the consumer lives");
            }
            drop(sender);
            consumer.await.expect("the consumer ends well");
        });
    })
}

/// The case counted in instructions.
pub(crate) const COUNTED: Counted = Counted {
    case: "one `buffer(100)` hop under load",
    ours,
    peer: "tokio `mpsc`",
    by_peer: by_tokio,
};

pub(crate) fn hop(rounds: usize, elements: u64) -> Line {
    let pair = Pair::measure(rounds, || ours(elements), || by_tokio(elements));
    Line {
        case: "one `buffer(100)` hop under load",
        ours: format!("{:.1} ns", pair.ours),
        peer: format!("tokio `mpsc` {:.1} ns", pair.peer),
        ratio: format!("{:.2}", pair.ratio),
        target: "at most 1.2 times",
        met: Some(pair.ratio <= 1.2),
    }
}
