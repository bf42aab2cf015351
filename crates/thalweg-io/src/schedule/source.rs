//! A schedule as the source of a pipeline.

use jiff::{Timestamp, Zoned};
use thalweg::{BuildError, Emitter, Source, Stop, Stream};

use super::{Missed, Schedule, after};

impl Source for Schedule {
    type Item = Zoned;
    const KIND: &'static str = "from_schedule";

    fn label(&self) -> Option<String> {
        Some(self.text.clone())
    }

    async fn run(&mut self, out: &Emitter<Zoned>) -> Result<(), Stop> {
        let (times, zone) = self.parts()?;
        let (times, zone) = (times.clone(), zone.clone());
        let zero = match self.zero {
            Some(zero) => zero,
            None => *self.zero.insert(system_time().checked_sub(out.now())?),
        };
        let anchor = match self.anchor {
            Some(anchor) => anchor,
            None => *self.anchor.insert(zero.checked_add(out.now())?),
        };
        let mut from = match self.last {
            Some(last) => after(last),
            None => Some(anchor),
        };
        loop {
            let now = zero.checked_add(out.now())?;
            let next = |from| times.next(from, &zone, anchor);
            let due = from.and_then(next).and_then(|due| match self.missed {
                Missed::Skip if due < now => next(now),
                Missed::Once if due < now => Some(times.last(due, now, &zone, anchor)),
                _ => Some(due),
            });
            // There are no years after 9999.
            let Some(due) = due else { return Ok(()) };
            if due > now {
                let wait = due.duration_since(zero).unsigned_abs();
                out.sleep_until(wait).await?;
            }
            self.last = Some(due);
            from = after(due);
            out.emit(due.to_zoned(zone.clone())).await?;
        }
    }
}

/// The only place that reads the system's time.
fn system_time() -> Timestamp {
    Timestamp::now()
}

/// Schedules as sources: [`Stream::from_schedule`](FromSchedule::from_schedule).
pub trait FromSchedule {
    /// Emits the times of a [`Schedule`], each when it is due: cron expressions such as `"*/5 9-17 * * mon-fri"`, and
    /// intervals such as `"30s"`, which start at once.
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock};
    /// use thalweg_io::{Schedule, prelude::*};
    ///
    /// let schedule = Schedule::new("0 9 * * mon-fri").zone("Europe/Berlin");
    /// let friday = "2026-03-27T00:00:00Z".parse()?;
    /// let clock = VirtualClock::new();
    /// let times = Stream::from_source_on(schedule.start(friday), &clock);
    /// let list = times.map(|time| time.to_string()).sink_to_list();
    /// times.start()?;
    /// clock.advance(std::time::Duration::from_secs(4 * 24 * 3600));
    /// assert_eq!(
    ///     list.to_vec(),
    ///     ["2026-03-27T09:00:00+01:00[Europe/Berlin]", "2026-03-30T09:00:00+02:00[Europe/Berlin]"]
    /// );
    ///
    /// // The same on the current event loop, or on a loop thread.
    /// let times = Stream::from_schedule("0 9 * * mon-fri");
    /// # times.check()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn from_schedule(schedule: impl Into<Schedule>) -> Stream<Zoned>;
}

impl FromSchedule for Stream<Zoned> {
    fn from_schedule(schedule: impl Into<Schedule>) -> Self {
        let schedule = schedule.into();
        let build_error = schedule.check().err();
        let stream = Stream::from_source(schedule);
        if let Some(build_error) = build_error {
            stream.build_error(BuildError::new("from_schedule", build_error));
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use thalweg::VirtualClock;

    use super::*;

    /// Seconds at which elements reach a consumer that takes 150 s for each, and the minutes of the hour at which they
    /// were due.
    fn arrivals(missed: Missed) -> Vec<(u64, i8)> {
        let clock = VirtualClock::new();
        let start = "2026-05-01T12:00:00Z".parse().expect("it is a time");
        let schedule = Schedule::new("* * * * *").start(start).missed(missed);
        let times = Stream::from_source_on(schedule, &clock);
        let (now, slow) = (clock.clone(), clock.clone());
        let list = times
            .map(move |time| (now.now().as_secs(), time.minute()))
            .map_async(1, move |x| {
                let slow = slow.clone();
                async move {
                    slow.sleep(Duration::from_secs(150)).await;
                    x
                }
            })
            .sink_to_list();
        times.start().expect("it starts");
        clock.advance(Duration::from_secs(600));
        times.stop();
        list.to_vec()
    }

    #[test]
    fn missed_times_follow_the_policy() {
        let skipped = arrivals(Missed::Skip);
        assert_eq!(skipped, [(0, 0), (60, 1), (180, 3), (300, 5)]);
        let once = arrivals(Missed::Once);
        assert_eq!(once, [(0, 0), (60, 1), (150, 2), (300, 5)]);
        let all = arrivals(Missed::All);
        assert_eq!(all, [(0, 0), (60, 1), (150, 2), (300, 3)]);
    }

    #[test]
    fn a_wrong_schedule_is_a_build_error() {
        let stream = Stream::from_schedule("61 * * * *");
        let error = stream
            .check()
            .expect_err("there is no such minute")
            .to_string();
        assert!(error.contains("the minute is `61`"), "{error}");
        let stream = Stream::from_schedule(Schedule::new("0s"));
        assert!(stream.check().is_err());
        let stream = Stream::from_schedule(Schedule::new("@daily").zone("Europe/Berlim"));
        let error = stream
            .check()
            .expect_err("there is no such zone")
            .to_string();
        assert!(error.contains("`Europe/Berlim`"), "{error}");
    }

    #[test]
    fn intervals_do_not_drift_and_resume_after_a_stop() {
        let clock = VirtualClock::new();
        let start = "2026-05-01T12:00:00Z".parse().expect("it is a time");
        let times = Stream::from_source_on(Schedule::new("7s").start(start), &clock);
        let list = times
            .map(|time| time.timestamp().as_second())
            .sink_to_list();
        times.start().expect("it starts");
        clock.advance(Duration::from_secs(7_000));
        let seconds = list.take();
        assert_eq!((seconds.len(), seconds[1000] - seconds[0]), (1001, 7_000));
        times.stop();
        clock.advance(Duration::from_secs(10));
        times.start().expect("it starts again");
        clock.advance(Duration::from_secs(4));
        assert_eq!(list.take(), [seconds[0] + 7_014]);
    }
}
