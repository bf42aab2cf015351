//! A histogram of latencies.

use std::fmt;
use std::time::Duration;

/// Exponent of 2: durations below 2^10 ns share the first bucket.
const FIRST: u32 = 10;

/// Buckets per doubling, which bound the error of a quantile to a quarter.
const PER_DOUBLING: usize = 4;

/// Number of doublings. The last bucket takes all durations from about an hour on.
const DOUBLINGS: usize = 32;

const BUCKETS: usize = 1 + PER_DOUBLING * DOUBLINGS;

/// Histogram of the latencies measured at a node. Its size depends on their spread, not on their number.
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
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Latency {
    /// The bucket of the first count.
    first: usize,
    /// Counts from the first bucket in use to the last: a node's latencies are close together, and histograms of a
    /// thousand nodes are copied for each look at them.
    counts: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Latency {
    /// Adds a duration.
    pub fn record(&mut self, duration: Duration) {
        *self.count_at(bucket(duration)) += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(duration);
        self.max = self.max.max(duration);
    }

    /// The count of a bucket, which is in use from now on.
    fn count_at(&mut self, bucket: usize) -> &mut u64 {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let more = self.first - bucket;
            self.counts.splice(0..0, std::iter::repeat_n(0, more));
            self.first = bucket;
        }
        let at = bucket - self.first;
        if at >= self.counts.len() {
            self.counts.resize(at + 1, 0);
        }
        &mut self.counts[at]
    }

    /// The number of durations in a bucket.
    fn in_bucket(&self, bucket: usize) -> u64 {
        let at = bucket.checked_sub(self.first);
        at.and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// Number of durations.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Sum of all durations.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Longest duration; zero if there is none.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Mean duration; `None` if there is none.
    pub fn mean(&self) -> Option<Duration> {
        (self.count > 0).then(|| self.sum.div_f64(self.count as f64))
    }

    /// Quantile, such as `0.99` for the 99th percentile, to within a quarter of its value; `None` if there are no
    /// durations.
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
        for (at, count) in (self.first..).zip(&self.counts) {
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

    /// Durations added since an earlier state of this histogram.
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
        let mut since = Self::default();
        for (bucket, count) in (self.first..).zip(&self.counts) {
            let added = count.saturating_sub(earlier.in_bucket(bucket));
            if added > 0 {
                *since.count_at(bucket) = added;
                since.count += added;
                since.max = self.max.min(Duration::from_nanos(nanoseconds(bucket + 1)));
            }
        }
        since.sum = self.sum.saturating_sub(earlier.sum);
        since
    }

    /// Pairs of an upper bound, four times the previous one, and the number of durations between the two. The last
    /// bound is `None`, for all longer durations.
    ///
    /// ```
    /// let mut latency = thalweg_view::Latency::default();
    /// latency.record(std::time::Duration::from_millis(3));
    /// let filled: Vec<_> = latency.buckets().filter(|(_, count)| *count > 0).collect();
    /// assert_eq!(filled, [(Some(std::time::Duration::from_nanos(1 << 22)), 1)]);
    /// ```
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        const WIDTH: usize = 2 * PER_DOUBLING;
        let first = (Some(Duration::from_nanos(1 << FIRST)), self.in_bucket(0));
        let others = (1..BUCKETS).step_by(WIDTH).map(|from| {
            let to = from + WIDTH;
            let bound = Duration::from_nanos(nanoseconds(to));
            let count = (from..to).map(|bucket| self.in_bucket(bucket)).sum();
            ((to < BUCKETS).then_some(bound), count)
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

/// The bucket of a duration.
fn bucket(duration: Duration) -> usize {
    let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let Some(exponent) = nanoseconds.checked_ilog2().filter(|it| *it >= FIRST) else {
        return 0;
    };
    let quarter = (nanoseconds >> (exponent - 2)) as usize % PER_DOUBLING;
    let bucket = 1 + (exponent - FIRST) as usize * PER_DOUBLING + quarter;
    bucket.min(BUCKETS - 1)
}

/// Lower bound of a bucket, in nanoseconds.
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
    fn buckets_are_contiguous() {
        for at in 1..BUCKETS {
            let begin = nanoseconds(at);
            let buckets = [begin - 1, begin].map(|at| bucket(Duration::from_nanos(at)));
            assert_eq!(buckets, [at - 1, at]);
        }
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }

    #[test]
    fn exported_buckets_hold_all_durations() {
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
        fn a_difference_is_the_histogram_of_later_durations(
            early in prop::collection::vec(0_u64..1 << 43, 0..20),
            late in prop::collection::vec(0_u64..1 << 43, 0..20),
        ) {
            let record = |latency: &mut Latency, durations: &[u64]| {
                for nanoseconds in durations {
                    latency.record(Duration::from_nanos(*nanoseconds));
                }
            };
            let (mut all, mut only_late) = (Latency::default(), Latency::default());
            record(&mut all, &early);
            let before = all.clone();
            record(&mut all, &late);
            record(&mut only_late, &late);
            let since = all.since(&before);
            prop_assert_eq!((since.first, &since.counts), (only_late.first, &only_late.counts));
            prop_assert_eq!((since.count(), since.sum()), (only_late.count(), only_late.sum()));
            for at in 0..BUCKETS {
                let expected = early.iter().chain(&late);
                let expected = expected.filter(|it| bucket(Duration::from_nanos(**it)) == at);
                prop_assert_eq!(all.in_bucket(at), expected.count() as u64);
            }
        }

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
