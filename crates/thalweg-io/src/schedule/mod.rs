//! Times of a schedule: cron expressions and intervals, in a time zone.

mod cron;
mod source;

use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
/// The times here: of the crate `jiff`.
pub use jiff::{Timestamp, Zoned};
use thalweg::IntoInterval;
use thalweg::interval::IntervalError;

use cron::Cron;
pub use source::FromSchedule;

/// The times of a schedule, as a source.
///
/// A schedule is written as one of these:
///
/// | form | examples |
/// |---|---|
/// | five fields: minute, hour, day of the month, month, day of the week | `*/5 9-17 * * mon-fri` |
/// | six fields, seconds first | `30 0 12 * * *` |
/// | a name | `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly` |
/// | an [interval](thalweg::interval) | `30s`, `1h30min` |
///
/// A field is `*`, a number, a range `9-17`, a step `*/5` or `9-17/2`, or several of them with commas; months
/// and days of the week have names of three letters, and Sunday is 0 and 7. If both a day of the month and a day of
/// the week are given, either will do, as in crontab.
///
/// # Daylight saving
/// Clocks are read in the schedule's [time zone](Self::zone). Named hours and minutes, `30 2 * * *`, come once a day:
/// if clocks go forward over that time, at the moment they do; if it comes twice, the first time. With a `*` for
/// seconds, minutes or hours, `*/5 * * * *`, it is what clocks show that counts: times that do not exist are left out,
/// and times that come twice come twice. Intervals know nothing of clocks on the wall.
///
/// # Time
/// The source waits on the pipeline's clock, and each time is worked out from the schedule: nothing adds up. What
/// instant the clock's zero stands for is the system's time when the source first runs, unless [`start`](Self::start)
/// says it. It is not looked up again: a system whose time is corrected, or that sleeps, has its own clock for
/// pipelines, which the schedule goes with.
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
    /// What the clock's zero stands for.
    zero: Option<Timestamp>,
    /// The first time of an interval.
    anchor: Option<Timestamp>,
    /// The last time that was emitted or left out.
    last: Option<Timestamp>,
}

#[derive(Clone, Debug)]
enum Times {
    Cron(Cron),
    Every(Duration),
}

/// What becomes of times that go by while the pipeline is busy, or the source is stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    #[default]
    Skip,
    /// The last of them is emitted.
    Once,
    /// All of them are emitted, one after the other.
    All,
}

impl Schedule {
    /// Reads a schedule, in UTC until [`zone`](Self::zone) says otherwise. One that is none is a build error, which the
    /// pipeline reports, and [`check`](Self::check) returns.
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

    /// The time zone whose clocks are meant: a name such as `Europe/Berlin`, or `local` for the system's.
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

    /// What becomes of missed times; [`Missed::Skip`] by default.
    pub fn missed(mut self, missed: Missed) -> Self {
        self.missed = missed;
        self
    }

    /// The instant that the zero of the pipeline's clock stands for: for a [`VirtualClock`](thalweg::VirtualClock).
    pub fn start(mut self, zero: Timestamp) -> Self {
        self.zero = Some(zero);
        self
    }

    /// Whether this is a schedule.
    ///
    /// # Errors
    /// See [`ScheduleError`].
    pub fn check(&self) -> Result<(), ScheduleError> {
        self.parts().map(drop)
    }

    /// The first time that is not before `from`, which is also where intervals begin unless they have begun.
    /// It is `None` if there is no such time before the year 9999.
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

    /// The first time from `from` on.
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

    /// The last time that is not after `until`, of which there is one from `first` on.
    fn last(
        &self,
        first: Timestamp,
        until: Timestamp,
        zone: &TimeZone,
        anchor: Timestamp,
    ) -> Timestamp {
        let next = |from| self.next(from, zone, anchor).filter(|at| *at <= until);
        let mut last = first;
        // Looks back twice as far each time, so that few times lie between what it finds and the last.
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

/// Why a schedule is none.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleError {
    /// There are not as many fields as in a cron expression.
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
    /// A field holds what it cannot.
    #[error("schedule `{text}`: the {field} is `{part}`, and can be {expected}")]
    Field {
        /// The schedule as given.
        text: String,
        /// The field's name.
        field: &'static str,
        /// What it holds.
        part: String,
        /// What it can hold.
        expected: String,
    },
    /// There is no such day.
    #[error("schedule `{text}` never comes: give a day of the month that the month has")]
    Never {
        /// The schedule as given.
        text: String,
    },
    /// An interval that cannot be waited for.
    #[error(transparent)]
    Interval(IntervalError),
    /// There is no such time zone.
    #[error(
        "time zone `{name}` is not known: write a name such as `Europe/Berlin`, `UTC`, or `local`"
    )]
    Zone {
        /// The name as given.
        name: String,
    },
}
