//! Durations as users write them: a [`Duration`], a number of seconds, or text such as `"500ms"`.
//!
//! Every operator with an interval takes `impl IntoInterval`, so these are equivalent:
//!
//! ```
//! use std::time::Duration;
//! use thalweg::interval::IntoInterval;
//!
//! let half_a_second = Duration::from_millis(500);
//! assert_eq!("500ms".into_interval()?, half_a_second);
//! assert_eq!("0.5 s".into_interval()?, half_a_second);
//! assert_eq!("00:00:00.5".into_interval()?, half_a_second);
//! assert_eq!(0.5.into_interval()?, half_a_second);
//! assert_eq!(half_a_second.into_interval()?, half_a_second);
//! # Ok::<(), thalweg::interval::IntervalError>(())
//! ```
//!
//! # Numbers
//! A bare number is a number of **seconds**, as in streamz and rapidz: `rate_limit(2)` is one element every two
//! seconds and `rate_limit(0.5)` is two every second.
//!
//! # Text
//! Text follows `pandas.Timedelta`, which streamz reads intervals with:
//!
//! | form | examples |
//! |---|---|
//! | numbers with units, added up; spaces, commas and the case of units don't matter | `500ms`, `1.5 s`, `1h30min`, `1 day, 2 hours` |
//! | `hh:mm:ss` with an optional fraction, alone or after units | `00:00:01`, `0:01:30.25`, `1 days 00:00:01` |
//! | ISO 8601 in weeks, days, hours, minutes and seconds | `PT1M30S`, `P1DT2H` |
//!
//! The units are
//!
//! | unit | spellings |
//! |---|---|
//! | week | `w`, `week`, `weeks` |
//! | day (24 hours) | `d`, `day`, `days` |
//! | hour | `h`, `hr`, `hrs`, `hour`, `hours` |
//! | minute | `m`, `min`, `mins`, `minute`, `minutes` |
//! | second | `s`, `sec`, `secs`, `second`, `seconds` |
//! | millisecond | `ms`, `milli`, `millis`, `millisecond`, `milliseconds` |
//! | microsecond | `us`, `µs`, `micro`, `micros`, `microsecond`, `microseconds` |
//! | nanosecond | `ns`, `nano`, `nanos`, `nanosecond`, `nanoseconds` |
//!
//! Fractions of a nanosecond are rounded. Two forms of pandas are errors here, because their meaning there surprises: a
//! number without a unit (`"5"` is five *nanoseconds* in pandas, and five seconds to most people), and `"P1M"`, a month
//! in ISO 8601 and a minute in pandas. As in pandas, `"1M"` is an error too.

mod text;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration to wait for: longer than zero, at most [`Interval::MAX`].
///
/// Operators store the [`Duration`] in it; the type serves configuration that parses an interval early, such as a
/// command line:
///
/// ```
/// use thalweg::interval::Interval;
///
/// let every: Interval = "1h30min".parse()?;
/// assert_eq!(every.get().as_secs(), 5400);
/// assert_eq!(every.to_string(), "1h30min");
/// # Ok::<(), thalweg::interval::IntervalError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval(Duration);

impl Interval {
    /// The longest interval: 2⁶³ - 1 nanoseconds, some 292 years, which is pandas's limit as well.
    ///
    /// Every clock can add it to the current time without overflow, so it serves as "never".
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use thalweg::interval::Interval;
    ///
    /// assert!(Instant::now().checked_add(Interval::MAX.get()).is_some());
    /// assert!(Interval::try_from(Duration::MAX).is_err());
    /// ```
    pub const MAX: Self = Self(Duration::from_nanos(i64::MAX as u64));

    /// The interval as a duration.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::interval::Interval;
    ///
    /// assert_eq!(Interval::try_from("100us")?.get(), Duration::from_micros(100));
    /// # Ok::<(), thalweg::interval::IntervalError>(())
    /// ```
    pub const fn get(self) -> Duration {
        self.0
    }

    fn check(duration: Duration) -> Result<Self, Reason> {
        if duration.is_zero() {
            Err(Reason::Zero)
        } else if duration > Self::MAX.0 {
            Err(Reason::TooLong)
        } else {
            Ok(Self(duration))
        }
    }

    fn from_seconds(seconds: f64) -> Result<Self, Reason> {
        if !seconds.is_finite() {
            return Err(Reason::NotFinite);
        }
        if seconds < 0.0 {
            return Err(Reason::Negative);
        }
        let duration = Duration::try_from_secs_f64(seconds).map_err(|_| Reason::TooLong)?;
        if duration.is_zero() && seconds > 0.0 {
            return Err(Reason::TooShort);
        }
        Self::check(duration)
    }

    fn from_whole_seconds(seconds: i128) -> Result<Self, Reason> {
        if seconds < 0 {
            return Err(Reason::Negative);
        }
        let seconds = u64::try_from(seconds).map_err(|_| Reason::TooLong)?;
        Self::check(Duration::from_secs(seconds))
    }
}

/// The shortest sum of whole units, which parses to the same interval.
///
/// ```
/// use thalweg::interval::Interval;
///
/// assert_eq!(Interval::try_from(1.5)?.to_string(), "1s500ms");
/// assert_eq!(Interval::try_from("90061 s")?.to_string(), "1d1h1min1s");
/// # Ok::<(), thalweg::interval::IntervalError>(())
/// ```
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.0.as_nanos();
        for (unit, nanos) in text::WHOLE_UNITS {
            let count = left / nanos;
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
            left %= nanos;
        }
        Ok(())
    }
}

impl From<Interval> for Duration {
    fn from(interval: Interval) -> Self {
        interval.0
    }
}

impl FromStr for Interval {
    type Err = IntervalError;

    fn from_str(text: &str) -> Result<Self, IntervalError> {
        text.try_into()
    }
}

/// A value that can be given as an interval: see [the module](self) for the forms of numbers and text.
///
/// ```
/// use std::time::Duration;
/// use thalweg::interval::{IntervalError, IntoInterval};
///
/// fn every(interval: impl IntoInterval) -> Result<Duration, IntervalError> {
///     interval.into_interval()
/// }
///
/// assert_eq!(every("2s")?, every(2)?);
/// assert!(every(0).is_err());
/// # Ok::<(), IntervalError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interval",
    note = "give a `Duration`, text such as \"500ms\", or a number of seconds as `f64`, `i32`, `i64`, `u32` or `u64`"
)]
pub trait IntoInterval {
    /// Converts the value to a duration.
    ///
    /// # Errors
    /// It is zero, negative, not finite, longer than [`Interval::MAX`], or text in none of the accepted forms.
    fn into_interval(self) -> Result<Duration, IntervalError>;
}

impl IntoInterval for Interval {
    fn into_interval(self) -> Result<Duration, IntervalError> {
        Ok(self.0)
    }
}

macro_rules! accept {
    ($($type:ty, $given:ident => $interval:expr;)+) => {$(
        impl TryFrom<$type> for Interval {
            type Error = IntervalError;

            fn try_from($given: $type) -> Result<Self, IntervalError> {
                $interval.map_err(|reason| IntervalError::new(&$given, reason))
            }
        }

        impl IntoInterval for $type {
            fn into_interval(self) -> Result<Duration, IntervalError> {
                Interval::try_from(self).map(Interval::get)
            }
        }
    )+};
}

accept! {
    Duration, given => Interval::check(given);
    &str, given => text::parse(given).and_then(Interval::check);
    &String, given => text::parse(given).and_then(Interval::check);
    String, given => text::parse(&given).and_then(Interval::check);
    f64, given => Interval::from_seconds(given);
    i32, given => Interval::from_whole_seconds(given.into());
    i64, given => Interval::from_whole_seconds(given.into());
    u32, given => Interval::from_whole_seconds(given.into());
    u64, given => Interval::from_whole_seconds(given.into());
}

/// An invalid interval.
///
/// The message quotes the value, says what is wrong with it, and lists the accepted forms:
///
/// ```
/// use thalweg::interval::Interval;
///
/// let error = Interval::try_from("5 parsecs").unwrap_err();
/// assert!(error.to_string().starts_with(r#"invalid interval "5 parsecs": it can't be read; accepted are "#));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid interval {given}: {reason}; accepted are {ACCEPTED}")]
pub struct IntervalError {
    given: Box<str>,
    reason: Reason,
}

const ACCEPTED: &str = "times longer than zero and up to 292 years: text with units such as \"500ms\", \"1.5 s\", \
     \"2min\", \"1h30min\" or \"1d\", \"00:00:01\", ISO 8601 such as \"PT1M30S\", a number of seconds, or a duration";

impl IntervalError {
    /// Quoted text longer than this many characters is cut.
    const QUOTE: usize = 60;

    /// Whether the interval is invalid only because it is zero, which some operators accept as no wait.
    ///
    /// ```
    /// use thalweg::interval::Interval;
    ///
    /// assert!(Interval::try_from("0s").is_err_and(|error| error.is_zero()));
    /// assert!(Interval::try_from("-1s").is_err_and(|error| !error.is_zero()));
    /// ```
    pub fn is_zero(&self) -> bool {
        self.reason == Reason::Zero
    }

    fn new(given: &impl fmt::Debug, reason: Reason) -> Self {
        let mut given = format!("{given:?}");
        if let Some((end, _)) = given.char_indices().nth(Self::QUOTE) {
            given.truncate(end);
            given.push('…');
        }
        Self {
            given: given.into(),
            reason,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it can't be read")]
    Unreadable,
    #[error("it has no unit")]
    NoUnit,
    #[error("it is zero")]
    Zero,
    #[error("it is negative")]
    Negative,
    #[error("it is not finite")]
    NotFinite,
    #[error("it is shorter than a nanosecond")]
    TooShort,
    #[error("it is too long")]
    TooLong,
}

/// Parses a duration that may be zero, which means no wait.
///
/// # Errors
/// It is negative, not finite, longer than [`Interval::MAX`], or text in none of the accepted forms.
///
/// ```
/// use std::time::Duration;
/// use thalweg::interval::wait;
///
/// assert_eq!(wait("0s")?, Duration::ZERO);
/// assert_eq!(wait(0.5)?, Duration::from_millis(500));
/// assert!(wait(-1).is_err());
/// # Ok::<(), thalweg::interval::IntervalError>(())
/// ```
pub fn wait(interval: impl IntoInterval) -> Result<Duration, IntervalError> {
    match interval.into_interval() {
        Err(error) if error.is_zero() => Ok(Duration::ZERO),
        result => result,
    }
}

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// The first time after `now` on the grid of times that began at `start`: errors do not accumulate, and missed times
/// are skipped.
pub(crate) fn next_tick(start: Duration, interval: Duration, now: Duration) -> Duration {
    let since = now.saturating_sub(start).as_nanos();
    let ticks = since / interval.as_nanos().max(1) + 1;
    let after = ticks.saturating_mul(interval.as_nanos());
    // `Duration::from_nanos` ends after 584 years, so that the next tick would be in the past.
    let seconds = u64::try_from(after / NANOS_PER_SECOND).unwrap_or(u64::MAX);
    start.saturating_add(Duration::new(seconds, (after % NANOS_PER_SECOND) as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reason(given: impl TryInto<Interval, Error = IntervalError>) -> Reason {
        given
            .try_into()
            .map(Interval::get)
            .expect_err("this is no interval")
            .reason
    }

    #[test]
    fn ticks_stay_on_the_grid() {
        let (start, interval) = (Duration::from_millis(7), Duration::from_millis(10));
        let tick = |now| next_tick(start, interval, Duration::from_millis(now)).as_millis();
        assert_eq!(tick(7), 17);
        assert_eq!(tick(16), 17);
        assert_eq!(tick(17), 27);
        assert_eq!(tick(55), 57);
    }

    #[test]
    fn numbers_are_seconds() {
        assert_eq!(2.into_interval(), Ok(Duration::from_secs(2)));
        assert_eq!(2_u32.into_interval(), Ok(Duration::from_secs(2)));
        assert_eq!(2_u64.into_interval(), Ok(Duration::from_secs(2)));
        assert_eq!(2_i64.into_interval(), Ok(Duration::from_secs(2)));
        assert_eq!(0.25.into_interval(), Ok(Duration::from_millis(250)));
        assert_eq!(
            String::from("1s").into_interval(),
            Ok(Duration::from_secs(1))
        );
    }

    #[test]
    fn invalid_intervals_are_named() {
        assert_eq!(reason(0), Reason::Zero);
        assert_eq!(reason(-0.0), Reason::Zero);
        assert_eq!(reason("0s"), Reason::Zero);
        assert_eq!(reason("00:00:00"), Reason::Zero);
        assert_eq!(reason(Duration::ZERO), Reason::Zero);
        assert_eq!(reason(-1), Reason::Negative);
        assert_eq!(reason(-0.5), Reason::Negative);
        assert_eq!(reason("-1s"), Reason::Negative);
        assert_eq!(reason("-1 days 00:00:01"), Reason::Negative);
        assert_eq!(reason(f64::NAN), Reason::NotFinite);
        assert_eq!(reason(f64::INFINITY), Reason::NotFinite);
        assert_eq!(reason(f64::NEG_INFINITY), Reason::NotFinite);
        assert_eq!(reason(1e-12), Reason::TooShort);
        assert_eq!(reason("0.1ns"), Reason::TooShort);
        assert_eq!(reason(1e300), Reason::TooLong);
        assert_eq!(reason(u64::MAX), Reason::TooLong);
        assert_eq!(reason(Duration::MAX), Reason::TooLong);
        assert_eq!(reason("300000w"), Reason::TooLong);
        assert_eq!(
            reason("99999999999999999999999999999999999999999999h"),
            Reason::TooLong
        );
        assert_eq!(reason("5"), Reason::NoUnit);
        assert_eq!(reason(" 0.5 "), Reason::NoUnit);
    }

    #[test]
    fn an_error_message_quotes_the_text_and_lists_accepted_forms() {
        let message = IntervalError::new(&"0 \"s\"", Reason::Zero).to_string();
        assert!(
            message.starts_with(r#"invalid interval "0 \"s\"": it is zero; accepted are "#),
            "{message}"
        );
        for accepted in ["500ms", "1h30min", "00:00:01", "PT1M30S", "seconds"] {
            assert!(
                message.contains(accepted),
                "{accepted} is missing from: {message}"
            );
        }
        let long = reason_text(&"x".repeat(1000));
        assert!(long.len() < 400 && long.contains("xxx…:"), "{long}");
        assert!(reason_text("1\u{7}s").contains(r"1\u{7}s"));
    }

    fn reason_text(text: &str) -> String {
        Interval::try_from(text)
            .expect_err("this is no interval")
            .to_string()
    }

    #[test]
    fn the_longest_interval_round_trips() {
        assert_eq!(Interval::MAX.to_string().parse(), Ok(Interval::MAX));
    }

    proptest! {
        #[test]
        fn display_round_trips(nanos in 1..=i64::MAX as u64) {
            let interval = Interval::try_from(Duration::from_nanos(nanos))?;
            prop_assert_eq!(interval.to_string().parse(), Ok(interval));
        }

        #[test]
        fn seconds_agree_with_text(millis in 1..u64::from(u32::MAX)) {
            let seconds = millis as f64 / 1000.0;
            let from_text = Interval::try_from(format!("{seconds}s"))?;
            prop_assert_eq!(from_text.get(), Duration::from_millis(millis));
            // Above 2^52 ns a double cannot distinguish neighbouring nanoseconds.
            let from_number = Interval::try_from(seconds)?;
            prop_assert!(from_number.get().abs_diff(from_text.get()) < Duration::from_micros(1));
        }

        #[test]
        fn no_number_panics(seconds: f64, whole: i64) {
            let _ = Interval::try_from(seconds);
            let _ = Interval::try_from(whole);
        }

        #[test]
        fn an_error_value_is_small(text in ".*") {
            if let Err(error) = Interval::try_from(&text) {
                prop_assert!(error.to_string().chars().count() < 400);
            }
        }
    }
}
