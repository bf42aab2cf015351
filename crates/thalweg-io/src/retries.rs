//! Retries of connections: how many, and the pauses between them.

use std::fmt::Display;
use std::sync::OnceLock;
use std::time::Duration;

/// Sets the function that is called when a sink cannot reach its server, with the address, the error and the remedy: once
/// for each attempt to write something, while retries go on. By default this goes to the [`log`] crate.
///
/// ```
/// thalweg_io::retries::on_retry(|text| eprintln!("{text}"));
/// ```
pub fn on_retry(f: fn(&str)) {
    let _ = ON_RETRY.set(f);
}

static ON_RETRY: OnceLock<fn(&str)> = OnceLock::new();

/// Reports that `server` cannot be reached, and how that goes on.
pub(crate) fn report(server: impl Display, problem: impl Display, how: impl Display) {
    let text = format!(
        "{server} cannot be reached: {problem}; {how}: check the address, and that the server runs"
    );
    match ON_RETRY.get() {
        Some(f) => f(&text),
        None => log::warn!("{text}"),
    }
}

/// Maximum pause, unless the first one is longer.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Retries of a connection to a server. Sinks give up after some, sources never do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retries {
    /// Maximum number of retries.
    pub(crate) count: u32,
    /// Pause before the first retry.
    pub(crate) first_pause: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            count: 10,
            first_pause: Duration::from_millis(100),
        }
    }
}

impl Retries {
    /// The report of a write whose retries begin.
    pub(crate) fn outage(&self) -> Outage {
        Outage {
            count: self.count,
            is_reported: false,
        }
    }

    /// The pause after another one: twice as long, up to the maximum.
    pub(crate) fn next_pause(&self, pause: Duration) -> Duration {
        pause.saturating_mul(2).min(MAX_PAUSE.max(self.first_pause))
    }

    /// The pause before a retry; the first one has the number 0.
    #[cfg(any(feature = "nats", feature = "websocket"))]
    pub(crate) fn pause(&self, number: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(number.min(31));
        let pause = self.first_pause.saturating_mul(doubled);
        pause.min(MAX_PAUSE.max(self.first_pause))
    }
}

/// An outage during one write, reported once.
pub(crate) struct Outage {
    count: u32,
    is_reported: bool,
}

impl Outage {
    /// Reports that a new connection failed. An existing one may have been closed because nothing was written.
    pub(crate) fn report(&mut self, is_new: bool, server: impl Display, problem: impl Display) {
        if is_new && !self.is_reported {
            self.is_reported = true;
            let how = format!(
                "elements wait for up to {} retries, with growing pauses",
                self.count
            );
            report(server, problem, how);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_limit() {
        let retries = Retries::default();
        let all = std::iter::successors(Some(retries.first_pause), |pause| {
            Some(retries.next_pause(*pause))
        });
        let seconds: Vec<f32> = all.take(12).map(|pause| pause.as_secs_f32()).collect();
        let doubled = [
            0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0, 30.0,
        ];
        assert_eq!(seconds, doubled);
        let patient = Retries {
            first_pause: Duration::from_secs(60),
            ..retries
        };
        assert_eq!(patient.next_pause(patient.first_pause).as_secs(), 60);
    }

    #[cfg(any(feature = "nats", feature = "websocket"))]
    #[test]
    fn pause_and_next_pause_agree() {
        let retries = Retries::default();
        let mut pause = retries.first_pause;
        for number in 0..40 {
            assert_eq!(retries.pause(number), pause, "{number}");
            pause = retries.next_pause(pause);
        }
    }
}
