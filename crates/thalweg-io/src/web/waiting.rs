//! Pauses before requests are repeated.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use reqwest::Response;
use reqwest::header::RETRY_AFTER;

/// Maximum pause that a server may ask for.
pub(crate) const MAX_ASKED: Duration = Duration::from_secs(600);

/// The pause after this many connections in a row without data.
pub(crate) fn backoff(least: Duration, most: Duration, failures: u32) -> Duration {
    if failures == 0 {
        return least;
    }
    // A server may ask for no pause, but not for a busy loop.
    let first = least.max(Duration::from_millis(1));
    let grown = first.saturating_mul(2_u32.saturating_pow(failures.min(31)));
    grown.min(most).max(least)
}

/// A random number between 0 and 1, so that clients that were disconnected together do not return together.
fn by_chance() -> f64 {
    let bits = RandomState::new().hash_one(0_u8) >> 32;
    bits as f64 / f64::from(u32::MAX)
}

/// The same time, plus up to half of it at random.
pub(crate) fn spread(wait: Duration) -> Duration {
    wait + wait.mul_f64(by_chance() / 2.0)
}

/// Parses `Retry-After`, in seconds; dates are not supported.
pub(crate) fn asked_to_wait(response: &Response) -> Duration {
    let asked = response.headers().get(RETRY_AFTER);
    let seconds = asked.and_then(|asked| asked.to_str().ok()?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(MAX_ASKED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_grows_up_to_a_limit() {
        let second = Duration::from_secs(1);
        let wait = |failures| backoff(second, 10 * second, failures);
        assert_eq!(
            [wait(0), wait(1), wait(3), wait(4), wait(99)],
            [1, 2, 8, 10, 10].map(|x| x * second)
        );
        assert_eq!(backoff(20 * second, 10 * second, 3), 20 * second);
        assert!(backoff(Duration::ZERO, second, 1) > Duration::ZERO);
        assert!((0.0..=1.0).contains(&by_chance()));
    }
}
