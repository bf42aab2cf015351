//! How late elements are: a histogram of durations.

use std::fmt;
use std::time::Duration;

/// Durations below this many nanoseconds share the first bucket: a power of two.
const FIRST: u32 = 10;

/// Buckets in which a duration may double: a quantile is off by a quarter at most.
const PER_DOUBLING: usize = 4;

/// How often it may double: the last bucket takes all from an hour on.
const DOUBLINGS: usize = 32;

const BUCKETS: usize = 1 + PER_DOUBLING * DOUBLINGS;

/// Latencies that have been measured at a node, as a histogram: its size does not grow with their number.
///
/// ```
/// use std::time::Duration;
/// use thalweg_view::Latency;
///
/// let mut latency = Latency::default();
/// for milliseconds in 1..=100 {
///     latency.record(Duration::from_millis(milliseconds));
/// }
/// assert_eq!((latency.count(), latency.max()), (100, Duration::from_millis(100)));
/// assert_eq!(latency.mean(), Some(Duration::from_micros(50_500)));
/// let p99 = latency.quantile(0.99).unwrap();
/// assert!(Duration::from_millis(75) <= p99 && p99 <= Duration::from_millis(100));
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Latency {
    counts: [u64; BUCKETS],
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            counts: [0; BUCKETS],
            count: 0,
            sum: Duration::ZERO,
            max: Duration::ZERO,
        }
    }
}

impl Latency {
    /// Adds a duration.
    pub fn record(&mut self, duration: Duration) {
        self.counts[bucket(duration)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        self.max = self.max.max(duration);
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// The longest; zero if there is none.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Their mean; `None` if there is none.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.sum.div_f64(self.count as f64))
    }

    /// The duration that this share of them does not exceed, such as `0.99` for the 99th percentile, to within a
    /// quarter of it; `None` if there is none.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_view::Latency;
    ///
    /// let mut latency = Latency::default();
    /// assert_eq!(latency.quantile(0.5), None);
    /// latency.record(Duration::from_secs(2));
    /// assert_eq!(latency.quantile(0.5), Some(Duration::from_secs(2)));
    /// ```
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        if self.count == 0 {
            return None;
        }
        let rank = (share.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0);
        let mut below = 0;
        for (at, count) in self.counts.iter().enumerate() {
            if *count > 0 && (below + count) as f64 >= rank {
                let (from, to) = (nanoseconds(at), nanoseconds(at + 1));
                let place = (rank - below as f64) / *count as f64;
                let found = from as f64 + place * (to - from) as f64;
                return Some(Duration::from_nanos(found as u64).min(self.max));
            }
            below += count;
        }
        Some(self.max)
    }

    /// Those that have been added since an earlier state of this histogram.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_view::Latency;
    ///
    /// let mut latency = Latency::default();
    /// latency.record(Duration::from_secs(9));
    /// let earlier = latency.clone();
    /// latency.record(Duration::from_secs(1));
    /// let since = latency.since(&earlier);
    /// assert_eq!((since.count(), since.sum()), (1, Duration::from_secs(1)));
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(earlier.counts) {
            *count = count.saturating_sub(before);
        }
        let longest = counts.iter().rposition(|count| *count > 0);
        let longest = longest.map_or(0, |at| nanoseconds(at + 1));
        Self {
            counts,
            count: counts.iter().sum(),
            sum: self.sum.saturating_sub(earlier.sum),
            max: self.max.min(Duration::from_nanos(longest)),
        }
    }

    /// Upper bounds, each four times the one before, and how many durations are below each and not below the one
    /// before; the last bound is `None`, for all that are longer.
    ///
    /// ```
    /// let mut latency = thalweg_view::Latency::default();
    /// latency.record(std::time::Duration::from_millis(3));
    /// let filled: Vec<_> = latency.buckets().filter(|(_, count)| *count > 0).collect();
    /// assert_eq!(filled, [(Some(std::time::Duration::from_nanos(1 << 22)), 1)]);
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        const WIDTH: usize = 2 * PER_DOUBLING;
        let first = (Some(Duration::from_nanos(1 << FIRST)), self.counts[0]);
        let others = self.counts[1..].chunks(WIDTH).enumerate();
        let others = others.map(|(place, counts)| {
            let end = WIDTH * (place + 1);
            let bound = Duration::from_nanos(nanoseconds(end + 1));
            ((end + 1 < BUCKETS).then_some(bound), counts.iter().sum())
        });
        std::iter::once(first).chain(others)
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latency")
            .field("count", &self.count)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max)
            .finish()
    }
}

/// The bucket that a duration belongs to.
fn bucket(duration: Duration) -> usize {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let Some(exponent) = nanoseconds.checked_ilog2().filter(|it| *it >= FIRST) else {
        return 0;
    };
    let quarter = (nanoseconds >> (exponent - 2)) as usize % PER_DOUBLING;
    let bucket = 1 + (exponent - FIRST) as usize * PER_DOUBLING + quarter;
    bucket.min(BUCKETS - 1)
}

/// Where a bucket begins.
fn nanoseconds(bucket: usize) -> u64 {
    if bucket == 0 {
        return 0;
    }
    let (doublings, quarter) = ((bucket - 1) / PER_DOUBLING, (bucket - 1) % PER_DOUBLING);
    ((PER_DOUBLING + quarter) as u64) << (FIRST as usize + doublings - 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_bucket_begins_where_the_one_before_ends() {
        for at in 1..BUCKETS {
            let begin = nanoseconds(at);
            let buckets = [begin - 1, begin].map(|at| bucket(Duration::from_nanos(at)));
            assert_eq!(buckets, [at - 1, at]);
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn nothing_is_lost_in_what_is_exported() {
        let mut latency = Latency::default();
        for exponent in 0..64 {
            latency.record(Duration::from_nanos(1 << exponent));
        }
        let buckets: Vec<_> = latency.buckets().collect();
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 64);
        assert_eq!(buckets.len(), 1 + DOUBLINGS / 2);
        assert!(
            buckets
                .iter()
                .rev()
                .skip(1)
                .all(|(bound, _)| bound.is_some())
        );
        assert_eq!(buckets.last().map(|(bound, _)| *bound), Some(None));
    }

    proptest! {
        #[test]
        fn a_quantile_is_off_by_a_quarter_at_most(
            mut durations in prop::collection::vec(1_024_u64..1 << 41, 1..200),
            share in 0.0_f64..=1.0,
        ) {
            let mut latency = Latency::default();
            for nanoseconds in &durations {
                latency.record(Duration::from_nanos(*nanoseconds));
            }
            durations.sort_unstable();
            let rank = (share * durations.len() as f64).ceil().max(1.0) as usize;
            let exact = durations[rank - 1] as f64;
            let found = latency.quantile(share).expect("there are some").as_nanos() as f64;
            prop_assert!((0.75..=1.26).contains(&(found / exact)), "{found} for {exact}");
        }
    }
}
