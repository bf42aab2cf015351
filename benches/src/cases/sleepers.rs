//! Elements asleep in `map_async`.

use std::time::{Duration, Instant};

use thalweg::Stream;

use crate::measure::resident;
use crate::report::Line;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the system starts an event loop")
}

/// Memory per sleeping element, with `sleepers` of them at once.
pub(crate) fn memory(sleepers: usize) -> Line {
    let bytes = runtime().block_on(async {
        let source = Stream::new();
        source
            .map_async(sleepers, |x: u64| async move {
                tokio::time::sleep(Duration::from_secs(5)).await;
                x
            })
            .sink(drop);
        let before = resident();
        for x in 0..sleepers as u64 {
            assert!(source.emit(x).is_ready());
        }
        // Each is asleep only after its first poll.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let after = resident();
        assert_eq!(
            source.graph_view().nodes[1].counters.held as usize,
            sleepers
        );
        source.drain("1min").await.expect("everybody wakes up");
        before
            .zip(after)
            .map(|(before, after)| (after - before) / sleepers as u64)
    });
    Line {
        case: "a million elements asleep at once in `map_async`, each",
        ours: bytes.map_or("not known here".to_string(), |bytes| {
            format!("{bytes} bytes")
        }),
        peer: "—".to_string(),
        ratio: "—".to_string(),
        target: "at most 500 bytes",
        met: Some(bytes.is_some_and(|bytes| bytes <= 500)),
    }
}

/// 3,600 sleeps of eight seconds at once.
pub(crate) fn eight_hours() -> Line {
    const SLEEPS: usize = 3600;
    let time = runtime().block_on(async {
        let source = Stream::new();
        let list = source
            .map_async(SLEEPS, |x: usize| async move {
                tokio::time::sleep(Duration::from_secs(8)).await;
                x
            })
            .sink_to_list();
        let start = Instant::now();
        source
            .emit_many(0..SLEEPS)
            .await
            .expect("nothing fails here");
        source.drain("1min").await.expect("everybody wakes up");
        assert_eq!(list.to_vec(), (0..SLEEPS).collect::<Vec<_>>());
        start.elapsed()
    });
    Line {
        case: "3,600 sleeps of 8 s in `map_async`",
        ours: format!("{:.3} s", time.as_secs_f64()),
        peer: "—".to_string(),
        ratio: "—".to_string(),
        target: "within 8.2 s",
        met: Some(time <= Duration::from_millis(8200)),
    }
}
