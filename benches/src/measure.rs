//! Rounds, medians and ratios.

use std::time::{Duration, Instant};

/// Times `work`, which handles `elements` elements; nanoseconds per element.
pub(crate) fn per_element(elements: u64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    nanos(start.elapsed()) / elements as f64
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Two contenders measured alternately, so that a slowdown of the machine affects both.
pub(crate) struct Pair {
    pub ours: f64,
    pub peer: f64,
    /// Median of the ratios per round, which is steadier than the ratio of the medians.
    pub ratio: f64,
}

impl Pair {
    pub(crate) fn measure(
        rounds: usize,
        mut ours: impl FnMut() -> f64,
        mut peer: impl FnMut() -> f64,
    ) -> Self {
        // Warms up caches and the processor's clock.
        ours();
        peer();
        let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (ours(), peer())).collect();
        Self {
            ours: median(pairs.iter().map(|pair| pair.0).collect()),
            peer: median(pairs.iter().map(|pair| pair.1).collect()),
            ratio: median(pairs.iter().map(|(ours, peer)| ours / peer).collect()),
        }
    }
}

/// Resident memory of this process, in bytes; `None` where unknown.
pub(crate) fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
