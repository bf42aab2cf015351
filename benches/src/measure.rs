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

/// Two things measured in turn, round by round, so that a machine that slows down slows both.
pub(crate) struct Pair {
    pub ours: f64,
    pub peer: f64,
    /// The median of the rounds' ratios, which is steadier than the ratio of the medians.
    pub ratio: f64,
}

impl Pair {
    pub(crate) fn measure(
        rounds: usize,
        mut ours: impl FnMut() -> f64,
        mut peer: impl FnMut() -> f64,
    ) -> Self {
        // One of each first, uncounted: caches, the frequency of the processor.
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

/// The memory of this process that is resident now, in bytes; `None` where the system does not say.
pub(crate) fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}
