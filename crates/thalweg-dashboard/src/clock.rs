//! Texts for times and rates.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A time of day in UTC, such as `12:05:09`.
pub(crate) fn time_of_day(at: SystemTime) -> String {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (hours, minutes) = (seconds / 3600 % 24, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// A duration in about two digits, such as `3.2 s` or `12 min`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        0.0 => "0".to_string(),
        ..0.001 => format!("{:.0} µs", seconds * 1e6),
        ..1.0 => format!("{:.0} ms", seconds * 1e3),
        ..10.0 => format!("{seconds:.1} s"),
        ..120.0 => format!("{seconds:.0} s"),
        ..7200.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.0} h", seconds / 3600.0),
    }
}

/// A rate in about three digits, such as `1.2k`.
pub(crate) fn rate(per_second: f64) -> String {
    match per_second {
        ..=0.0 => "0".to_string(),
        ..10.0 => format!("{per_second:.1}"),
        ..1000.0 => format!("{per_second:.0}"),
        ..1e6 => format!("{:.1}k", per_second / 1e3),
        _ => format!("{:.1}M", per_second / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_rates_are_short() {
        let at = UNIX_EPOCH + Duration::from_secs(86_400 * 365 + 3 * 3600 + 4 * 60 + 5);
        assert_eq!(time_of_day(at), "03:04:05");
        let durations = [0.0, 2e-5, 0.25, 3.21, 64.0, 600.0, 9000.0];
        let durations = durations.map(|seconds| duration(Duration::from_secs_f64(seconds)));
        let expected = ["0", "20 µs", "250 ms", "3.2 s", "64 s", "10 min", "2 h"];
        assert_eq!(durations, expected);
        let rates = [0.0, 0.5, 12.0, 1234.0, 3.1e6].map(rate);
        assert_eq!(rates, ["0", "0.5", "12", "1.2k", "3.1M"]);
    }
}
