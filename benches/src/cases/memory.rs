//! Memory use over time.

use thalweg::Stream;

use crate::measure::resident;
use crate::report::Line;

fn change(from: Option<u64>, to: Option<u64>) -> Option<i64> {
    from.zip(to).map(|(from, to)| to as i64 - from as i64)
}

fn shown(bytes: Option<i64>) -> String {
    bytes.map_or("not known here".to_string(), |bytes| {
        format!("{:+.1} MiB", bytes as f64 / 1048576.0)
    })
}

/// Elements through a bounded buffer into a slow sink.
pub(crate) fn slow_sink(elements: u64) -> Line {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("the system starts an event loop");
    let growth = runtime.block_on(async {
        let source = Stream::new();
        source.buffer(100).sink_async(|x: u64| async move {
            // Yields for every element, so the buffer is always full.
            tokio::task::yield_now().await;
            std::hint::black_box(x);
        });
        for x in 0..elements / 10 {
            source.emit(x).await.expect("nothing fails here");
        }
        let before = resident();
        for x in 0..elements {
            source.emit(x).await.expect("nothing fails here");
        }
        let after = resident();
        source
            .drain("1min")
            .await
            .expect("the sink gets everything");
        change(before, after)
    });
    Line {
        case: "ten million elements into a slow sink behind `buffer(100)`: growth of resident memory",
        ours: shown(growth),
        peer: "—".to_string(),
        ratio: "—".to_string(),
        target: "flat",
        met: Some(growth.is_some_and(|bytes| bytes < 1024 * 1024)),
    }
}

fn build_and_drop() {
    let source = Stream::new();
    let doubled = source.map(|x: u64| x * 2);
    doubled
        .zip(&source.filter(|x| x % 3 == 0))
        .partition(4)
        .buffer(10)
        .sink(drop);
    doubled
        .filter(|x| *x < 10)
        .connect(&source)
        .expect("the types fit");
    source.emit(7).wait().expect("nothing fails here");
}

pub(crate) fn dropped_pipelines(pipelines: usize) -> Line {
    // The allocator's own reserves exist after the first few rounds.
    (0..pipelines / 10).for_each(|_| build_and_drop());
    let before = resident();
    (0..pipelines).for_each(|_| build_and_drop());
    let growth = change(before, resident());
    Line {
        case: "building and dropping 10,000 pipelines: growth of resident memory",
        ours: shown(growth),
        peer: "—".to_string(),
        ratio: "—".to_string(),
        target: "back to where it began",
        met: Some(growth.is_some_and(|bytes| bytes < 256 * 1024)),
    }
}
