//! Cron expressions: parsing, and the next matching time.

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::ScheduleError;

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Longer than from one 29 February to the next on the same weekday, even over a century without one.
const LONGEST_WAIT: i32 = 41 * 366;

/// No time zone shifts its clocks by more than a day.
const LARGEST_SHIFT: SignedDuration = SignedDuration::from_hours(26);

/// Name and allowed values of a field.
struct Field {
    name: &'static str,
    least: u8,
    most: u8,
    names: &'static [&'static str],
    /// The number of the first name.
    first: u8,
}

const FIELDS: [Field; 6] = [
    Field::new("second", 0, 59, &[], 0),
    Field::new("minute", 0, 59, &[], 0),
    Field::new("hour", 0, 23, &[], 0),
    Field::new("day of the month", 1, 31, &[], 0),
    Field::new("month", 1, 12, &MONTHS, 1),
    Field::new("day of the week", 0, 7, &WEEKDAYS, 0),
];

/// The numbers of a field, as a bit set.
#[derive(Clone, Copy, Debug)]
struct Numbers(u64);

impl Numbers {
    fn has(self, number: i8) -> bool {
        self.0 >> number & 1 == 1
    }

    /// The first number that is not below `number`.
    fn from(self, number: i8) -> Option<i8> {
        let rest = self.0.checked_shr(number as u32)?;
        (rest != 0).then(|| number + rest.trailing_zeros() as i8)
    }
}

/// A cron expression.
#[derive(Clone, Debug)]
pub(super) struct Cron {
    seconds: Numbers,
    minutes: Numbers,
    hours: Numbers,
    days: Numbers,
    months: Numbers,
    weekdays: Numbers,
    /// Whether both the day of the month and the day of the week are restricted: then either may match.
    is_either_day: bool,
    /// Whether it follows shifted clocks, because seconds, minutes or hours are `*`; fixed times match once a day.
    is_repeating: bool,
}

impl Cron {
    pub(super) fn parse(text: &str) -> Result<Self, ScheduleError> {
        let lower = text.trim().to_ascii_lowercase();
        let expanded = match lower.as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let mut parts: Vec<&str> = expanded.split_whitespace().collect();
        match parts.len() {
            5 => parts.insert(0, "0"),
            6 => {}
            count => {
                return Err(ScheduleError::Count {
                    text: text.to_owned(),
                    count,
                });
            }
        }
        let mut numbers = [Numbers(0); 6];
        for ((numbers, field), part) in numbers.iter_mut().zip(&FIELDS).zip(&parts) {
            *numbers = field.parse(part, text)?;
        }
        let [seconds, minutes, hours, days, months, mut weekdays] = numbers;
        // Sunday is 0 and 7.
        weekdays.0 |= weekdays.0 >> 7 & 1;
        let is_star = |field: usize| parts[field].starts_with(['*', '?']);
        let cron = Self {
            seconds,
            minutes,
            hours,
            days,
            months,
            weekdays,
            is_either_day: !is_star(3) && !is_star(5),
            is_repeating: (0..3).any(is_star),
        };
        if cron
            .next_civil(DateTime::constant(2000, 1, 1, 0, 0, 0, 0))
            .is_none()
        {
            return Err(ScheduleError::Never {
                text: text.to_owned(),
            });
        }
        Ok(cron)
    }

    /// The first time that is not before `from`.
    pub(super) fn next(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let from = whole_second(from)?;
        if self.is_repeating {
            self.next_on_the_wall(from, zone)
        } else {
            self.next_named(from, zone)
        }
    }

    /// Searches one stretch between two clock shifts after the other.
    fn next_on_the_wall(&self, mut from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let last = from.checked_add(SignedDuration::from_hours(24 * i64::from(LONGEST_WAIT)));
        let last = last.unwrap_or(Timestamp::MAX);
        while from <= last {
            let offset = zone.to_offset(from);
            let found = offset
                .to_timestamp(self.next_civil(offset.to_datetime(from))?)
                .ok()?;
            let shift = zone.following(from).next().map(|shift| shift.timestamp());
            match shift {
                Some(shift) if shift <= found => {
                    // Later shifts cannot change what was found.
                    let before = found.checked_sub(LARGEST_SHIFT * 2).ok()?;
                    from = shift.max(before);
                }
                _ => return Some(found),
            }
        }
        None
    }

    fn next_named(&self, from: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let here = zone.to_datetime(from);
        let soon = from.checked_add(1.second()).ok()?;
        let shift = zone.preceding(soon).next().map(|shift| shift.timestamp());
        // Times that a shift skipped come before its end in local time, and are still due.
        let is_shifted = shift.is_some_and(|shift| from.duration_since(shift) < LARGEST_SHIFT);
        let mut civil = match is_shifted {
            true => here.checked_sub(LARGEST_SHIFT).ok()?,
            false => here,
        };
        loop {
            let found = self.next_civil(civil)?;
            let at = instant(found, zone)?;
            if at >= from {
                return Some(at);
            }
            civil = found.checked_add(1.second()).ok()?;
        }
    }

    /// The first date and time that is not before `from`, a whole second.
    fn next_civil(&self, from: DateTime) -> Option<DateTime> {
        let mut date = from.date();
        let mut time = (from.hour(), from.minute(), from.second());
        for _ in 0..=LONGEST_WAIT {
            if self.has_date(date)
                && let Some((hour, minute, second)) = self.next_time(time)
            {
                return Some(date.at(hour, minute, second, 0));
            }
            date = date.tomorrow().ok()?;
            time = (0, 0, 0);
        }
        None
    }

    fn has_date(&self, date: Date) -> bool {
        let day = self.days.has(date.day());
        let weekday = self.weekdays.has(date.weekday().to_sunday_zero_offset());
        let has_day = if self.is_either_day {
            day || weekday
        } else {
            day && weekday
        };
        has_day && self.months.has(date.month())
    }

    fn next_time(&self, (hour, minute, second): (i8, i8, i8)) -> Option<(i8, i8, i8)> {
        let first = |numbers: Numbers| numbers.from(0);
        if self.hours.has(hour) {
            if self.minutes.has(minute)
                && let Some(second) = self.seconds.from(second)
            {
                return Some((hour, minute, second));
            }
            if let Some(minute) = self.minutes.from(minute + 1) {
                return Some((hour, minute, first(self.seconds)?));
            }
        }
        let hour = self.hours.from(hour + 1)?;
        Some((hour, first(self.minutes)?, first(self.seconds)?))
    }
}

/// The instant of a local time: the first one if it occurs twice, and that of the shift if it does not occur.
fn instant(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(civil).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(civil).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(civil).ok(),
        AmbiguousOffset::Gap { before, .. } => {
            let unshifted = before.to_timestamp(civil).ok()?;
            let soon = unshifted.checked_add(1.second()).ok()?;
            zone.preceding(soon).next().map(|shift| shift.timestamp())
        }
    }
}

/// Rounds up.
fn whole_second(at: Timestamp) -> Option<Timestamp> {
    let nanoseconds = at.as_nanosecond();
    let second = nanoseconds.div_euclid(1_000_000_000)
        + i128::from(nanoseconds.rem_euclid(1_000_000_000) > 0);
    Timestamp::from_second(second.try_into().ok()?).ok()
}

impl Field {
    const fn new(
        name: &'static str,
        least: u8,
        most: u8,
        names: &'static [&'static str],
        first: u8,
    ) -> Self {
        Self {
            name,
            least,
            most,
            names,
            first,
        }
    }

    fn parse(&self, part: &str, text: &str) -> Result<Numbers, ScheduleError> {
        let wrong = || ScheduleError::Field {
            text: text.to_owned(),
            field: self.name,
            part: part.to_owned(),
            expected: self.expected(),
        };
        let mut bits = 0u64;
        for item in part.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => {
                    let step = step.parse::<u8>().ok().filter(|step| *step > 0);
                    (range, step.ok_or_else(wrong)?)
                }
                None => (item, 1),
            };
            let (low, high) = if range == "*" || range == "?" {
                (self.least, self.most)
            } else if let Some((low, high)) = range.split_once('-') {
                let low = self.number(low).ok_or_else(wrong)?;
                let high = self.number(high).ok_or_else(wrong)?;
                // From Friday to Sunday.
                let is_sunday = self.most == 7 && high == 0 && low > 0;
                (low, if is_sunday { 7 } else { high })
            } else {
                let low = self.number(range).ok_or_else(wrong)?;
                (low, if item.contains('/') { self.most } else { low })
            };
            if low > high {
                return Err(wrong());
            }
            for number in (low..=high).step_by(step.into()) {
                bits |= 1 << number;
            }
        }
        Ok(Numbers(bits))
    }

    fn number(&self, text: &str) -> Option<u8> {
        let named = self.names.iter().position(|name| *name == text);
        let number = match named {
            Some(position) => self.first + u8::try_from(position).ok()?,
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (self.least..=self.most).contains(&number).then_some(number)
    }

    fn expected(&self) -> String {
        let numbers = format!("{} to {}", self.least, self.most);
        let names = match self.names {
            [first, .., last] => format!(", `{first}` to `{last}`"),
            _ => String::new(),
        };
        format!("{numbers}{names}, ranges with the lower end first, steps such as `*/2`, or `*`")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Brute force: all matching minutes from `from` to a day or two later.
    fn plain(cron: &Cron, from: Timestamp, hours: i64, zone: &TimeZone) -> Vec<Timestamp> {
        let minutes = |count: i64| from + SignedDuration::from_mins(count);
        let fits = |civil: DateTime| {
            cron.has_date(civil.date())
                && cron.hours.has(civil.hour())
                && cron.minutes.has(civil.minute())
        };
        let mut times = Vec::new();
        // Local time before the first minute, from a day earlier, so that repeated times are known.
        let mut latest = zone.to_datetime(minutes(-1500));
        for count in -1499..hours * 60 {
            let at = minutes(count);
            let civil = zone.to_datetime(at);
            let is_due = if cron.is_repeating {
                fits(civil)
            } else {
                // All minutes that local time has passed since its latest value.
                let mut passed = latest;
                let mut is_due = false;
                while passed < civil {
                    passed += 1.minute();
                    is_due |= fits(passed);
                }
                is_due
            };
            latest = latest.max(civil);
            if is_due && count >= 0 {
                times.push(at);
            }
        }
        times
    }

    fn field(least: u8, most: u8) -> impl Strategy<Value = String> {
        prop_oneof![
            3 => Just("*".to_owned()),
            2 => (least..=most).prop_map(|x| x.to_string()),
            1 => (2u8..20).prop_map(|step| format!("*/{step}")),
            2 => (least..=most, least..=most).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
            1 => (least..=most, least..=most).prop_map(|(a, b)| format!("{a},{b}")),
        ]
    }

    /// Minutes around clock shifts by an hour, by half an hour and by a day, and some without a shift.
    fn moment() -> impl Strategy<Value = (&'static str, i64)> {
        let moments = [
            ("Europe/Berlin", "2026-03-29T01:00:00Z"),
            ("Europe/Berlin", "2026-10-25T01:00:00Z"),
            ("America/New_York", "2026-03-08T07:00:00Z"),
            ("Australia/Lord_Howe", "2026-04-04T15:00:00Z"),
            ("Australia/Lord_Howe", "2026-10-03T15:30:00Z"),
            ("Pacific/Apia", "2011-12-30T10:00:00Z"),
            ("UTC", "2027-12-31T23:00:00Z"),
        ];
        (proptest::sample::select(moments.to_vec()), -2000i64..2000).prop_map(
            |((zone, at), minutes)| {
                let at: Timestamp = at.parse().expect("it is written so");
                (zone, at.as_second() + minutes * 60)
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn times_match_a_check_of_every_minute(
            (minute, hour) in (field(0, 59), field(0, 23)),
            (day, month, weekday) in (field(1, 31), field(1, 12), field(0, 6)),
            (zone, from) in moment(),
        ) {
            let text = format!("{minute} {hour} {day} {month} {weekday}");
            let Ok(cron) = Cron::parse(&text) else { return Ok(()) };
            let zone = TimeZone::get(zone).expect("it is known");
            let from = Timestamp::from_second(from).expect("it is in range");
            let end = from + SignedDuration::from_hours(50);
            let mut times = Vec::new();
            let mut next = cron.next(from, &zone);
            while let Some(at) = next.filter(|at| *at < end) {
                times.push(at);
                next = cron.next(at + 1.nanosecond(), &zone);
            }
            prop_assert_eq!(times, plain(&cron, from, 50, &zone), "{}", text);
        }

        #[test]
        fn any_text_is_an_expression_or_an_error(text in "[-*/,0-9a-z@ ]{0,20}") {
            let _ = Cron::parse(&text);
        }
    }

    #[test]
    fn errors_name_the_field_and_what_it_can_hold() {
        let error = |text| Cron::parse(text).expect_err("it is wrong").to_string();
        assert_eq!(
            error("* 24 * * *"),
            "schedule `* 24 * * *`: the hour is `24`, and can be 0 to 23, ranges with the lower end first, \
             steps such as `*/2`, or `*`"
        );
        assert!(
            error("* * * * mon-fir")
                .contains("the day of the week is `mon-fir`, and can be 0 to 7, `sun` to `sat`")
        );
        assert!(error("*/0 * * * *").contains("the minute is `*/0`"));
        assert!(error("* * *").contains("has 3 fields"));
        assert!(error("0 0 30 feb *").contains("never comes"));
        assert!(Cron::parse("0 0 29 feb mon").is_ok());
    }
}
