//! Schedules: cron expressions and intervals, in a time zone.

mod cron;
mod source;

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
/// The date and time types, from the crate `jiff`.
pub use jiff::{Timestamp, Zoned};
use thalweg::IntoInterval;
use thalweg::interval::IntervalError;

use cron::Cron;
pub use source::FromSchedule;

/// A schedule, as a source of its times.
///
/// The text of a schedule is one of:
///
/// | form | examples |
/// |---|---|
/// | five fields: minute, hour, day of the month, month, day of the week | `*/5 9-17 * * mon-fri` |
/// | six fields, seconds first | `30 0 12 * * *` |
/// | a name | `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` |
/// | an [interval](thalweg::interval) | `30s`, `1h30min` |
///
/// A field is `*`, a number, a range `9-17`, a step `*/5` or `9-17/2`, or a comma-separated list of them; months and
/// days of the week also have three-letter names, and Sunday is 0 or 7. If both a day of the month and a day of the
/// week are given, either may match, as in crontab.
///
/// # Daylight saving
/// Fields are matched against local time in the schedule's [time zone](Self::zone). A fixed time such as `30 2 * * *`
/// matches once a day: when the clocks skip it, at the moment of the shift; when it occurs twice, the first time. With
/// `*` for seconds, minutes or hours, as in `*/5 * * * *`, every displayed time counts: times that do not exist are
/// skipped, and times that occur twice match twice. Intervals ignore local time.
///
/// # Time
/// The source waits on the pipeline's clock, and each time is computed from the schedule, so errors do not accumulate.
/// The clock's zero is the system time at the source's first start, unless [`start`](Self::start) sets it. It is read
/// once: if the system's time is corrected, or the system sleeps, the schedule follows the pipeline's clock.
///
/// ```
/// use thalweg_io::Schedule;
///
/// let schedule = Schedule::new("30 2 * * *").zone("Europe/Berlin");
/// let saturday = "2026-03-28T12:00:00Z".parse()?;
/// let next = schedule.next(saturday)?.map(|time| time.to_string());
/// assert_eq!(next.as_deref(), Some("2026-03-29T03:00:00+02:00[Europe/Berlin]"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    times: Result<Times, ScheduleError>,
    zone: Result<TimeZone, ScheduleError>,
    missed: Missed,
    /// The instant of the clock's zero.
    zero: Option<Timestamp>,
    /// The first time of an interval.
    anchor: Option<Timestamp>,
    /// The last time that was emitted or skipped.
    last: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Times {
    Cron(Cron),
    Every(Duration),
}

/// How to handle times that pass while the pipeline is busy or the source is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// Skip them.
    #[default]
    Skip,
    /// Emit the last one only.
    Once,
    /// Emit all of them, one after the other.
    All,
}

impl Schedule {
    /// Parses a schedule, in UTC unless [`zone`](Self::zone) sets another time zone. An invalid one is a build error,
    /// reported by the pipeline and by [`check`](Self::check).
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            times: Times::parse(&text),
            text,
            zone: Ok(TimeZone::UTC),
            missed: Missed::default(),
            zero: None,
            anchor: None,
            last: None,
        }
    }

    /// The time zone: a name such as `Europe/Berlin`, or `local` for the system's.
    pub fn zone(mut self, name: &str) -> Self {
        let zone = match name {
            "local" => TimeZone::try_system(),
            name => TimeZone::get(name),
        };
        self.zone = zone.map_err(|_| ScheduleError::Zone {
            name: name.to_owned(),
        });
        self
    }

    /// How to handle missed times; [`Missed::Skip`] by default.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// The instant of the zero of the pipeline's clock: for a [`VirtualClock`](thalweg::VirtualClock).
    pub fn start(mut self, zero: Timestamp) -> Self {
        self.zero = Some(zero);
        self
    }

    /// Checks the schedule.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.parts().map(drop)
    }

    /// The first time that is not before `from`. An interval that has not started starts at `from`. `None` if there is
    /// no such time before the year 9999.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn next(&self, from: Timestamp) -> Result<Option<Zoned>, ScheduleError> {
        let (times, zone) = self.parts()?;
        let next = times.next(from, zone, self.anchor.unwrap_or(from));
        Ok(next.map(|at| at.to_zoned(zone.clone())))
    }

    fn parts(&self) -> Result<(&Times, &TimeZone), ScheduleError> {
        let times = self.times.as_ref().map_err(ScheduleError::clone)?;
        let zone = self.zone.as_ref().map_err(ScheduleError::clone)?;
        Ok((times, zone))
    }
}

impl<S: Into<String>> From<S> for Schedule {
    fn from(text: S) -> Self {
        Self::new(text)
    }
}

impl Times {
    fn parse(text: &str) -> Result<Self, ScheduleError> {
        let cron = match thalweg::interval::wait(text) {
            Ok(interval) if interval.is_zero() => {
                let source = text.into_interval().expect_err("it is zero");
                return Err(ScheduleError::Interval(source));
            }
            Ok(interval) => return Ok(Self::Every(interval)),
            Err(_) => Cron::parse(text)?,
        };
        Ok(Self::Cron(cron))
    }

    /// The first time that is not before `from`.
    fn next(&self, from: Timestamp, zone: &TimeZone, anchor: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Cron(cron) => cron.next(from, zone),
            Self::Every(interval) => {
                let interval = i128::try_from(interval.as_nanos()).ok()?;
                let past = (from.as_nanosecond() - anchor.as_nanosecond()).max(0);
                let count = past.div_euclid(interval) + i128::from(past % interval > 0);
                let past = count.checked_mul(interval)?;
                Timestamp::from_nanosecond(anchor.as_nanosecond().checked_add(past)?).ok()
            }
        }
    }

    /// The last time that is not after `until`; there is one that is not before `first`.
    fn last(
        &self,
        first: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
        anchor: Timestamp,
    ) -> Timestamp {
        let next = |from| self.next(from, zone, anchor).filter(|at| *at <= until);
        let mut last = first;
        // Doubles the distance each time, so that few times lie between the one found and the last.
        let mut back = SignedDuration::from_nanos(1);
        while let Ok(from) = until.checked_sub(back)
            && from > first
        {
            if let Some(found) = next(from) {
                last = found;
                break;
            }
            back = back.saturating_mul(2);
        }
        while let Some(later) = after(last).and_then(next) {
            last = later;
        }
        last
    }
}

/// The next instant.
fn after(at: Timestamp) -> Option<Timestamp> {
    at.checked_add(SignedDuration::from_nanos(1)).ok()
}

/// Error of a schedule.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// Wrong number of fields for a cron expression.
    #[error(
        "schedule `{text}` has {count} fields: write five (minute, hour, day of the month, month, day of the week), \
         six with seconds first, a name such as `@daily`, or an interval such as `30s`"
    )]
    Count {
        /// The schedule as given.
        text: String,
        /// How many fields it has.
        count: usize,
    },
    /// Invalid value of a field.
    #[error("schedule `{text}`: the {field} is `{part}`, and can be {expected}")]
    Field {
        /// The schedule as given.
        text: String,
        /// The field's name.
        field: &'static str,
        /// The invalid value.
        part: String,
        /// The allowed values.
        expected: String,
    },
    /// There is no such day.
    #[error("schedule `{text}` never comes: give a day of the month that the month has")]
    Never {
        /// The schedule as given.
        text: String,
    },
    /// The interval is out of range.
    #[error(transparent)]
    Interval(IntervalError),
    /// Unknown time zone.
    #[error(
        "time zone `{name}` is not known: write a name such as `Europe/Berlin`, `UTC`, or `local`"
    )]
    Zone {
        /// The name as given.
        name: String,
    },
}
