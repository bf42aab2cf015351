//! The grammar of intervals in text.

use super::Reason;
use std::time::Duration;

const SECOND: u128 = 1_000_000_000;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;
const WEEK: u128 = 7 * DAY;

/// The units of an interval's text, longest first, in nanoseconds.
pub(super) const WHOLE_UNITS: [(&str, u128); 7] = [
    ("d", DAY),
    ("h", HOUR),
    ("min", MINUTE),
    ("s", SECOND),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

pub(super) fn parse(text: &str) -> Result<Duration, Reason> {
    let text = text.trim();
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix('+').unwrap_or(text).trim_start()),
    };
    let total = match unsigned.strip_prefix('P') {
        Some(rest) => iso_8601(rest)?,
        None => sum_of_units(unsigned)?,
    };
    let nanos = total.rounded()?;
    if negative {
        return Err(Reason::Negative);
    }
    Ok(Duration::from_nanos(nanos))
}

/// `1h 30min`, `1 day, 00:00:01`: numbers with units, with a clock time as the last or only part.
fn sum_of_units(text: &str) -> Result<Total, Reason> {
    let mut total = Total::default();
    let mut rest = text;
    loop {
        let (number, after) = Number::take(rest)?;
        if after.starts_with(':') {
            total.add_clock(rest)?;
            return Ok(total);
        }
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_alphabetic())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        if unit.is_empty() && after.is_empty() {
            return Err(Reason::NoUnit);
        }
        total.add(number, unit_length(unit).ok_or(Reason::Unreadable)?)?;
        rest = after.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

/// Text after the `P`: days and weeks, then after a `T` hours, minutes and seconds.
fn iso_8601(text: &str) -> Result<Total, Reason> {
    let (date, time) = match text.split_once('T') {
        Some((_, "")) => return Err(Reason::Unreadable),
        Some((date, time)) => (date, time),
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return Err(Reason::Unreadable);
    }
    let mut total = Total::default();
    for (part, units) in [
        (date, [('W', WEEK), ('D', DAY), ('D', DAY)]),
        (time, [('H', HOUR), ('M', MINUTE), ('S', SECOND)]),
    ] {
        let mut rest = part;
        while !rest.is_empty() {
            let (number, after) = Number::take(rest)?;
            let (_, length) = units
                .into_iter()
                .find(|(unit, _)| after.starts_with(*unit))
                .ok_or(Reason::Unreadable)?;
            total.add(number, length)?;
            rest = &after[1..];
        }
    }
    Ok(total)
}

fn unit_length(unit: &str) -> Option<u128> {
    // A capital M is a month elsewhere in pandas, and 30 days by mistake would be a long time to wait.
    if unit == "M" {
        return None;
    }
    Some(match unit.to_lowercase().as_str() {
        "w" | "week" | "weeks" => WEEK,
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "m" | "min" | "mins" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "secs" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1_000_000,
        // Unicode has two signs for micro, and keyboards differ in which one they produce.
        "us" | "\u{b5}s" | "\u{3bc}s" | "micro" | "micros" | "microsecond" | "microseconds" => {
            1_000
        }
        "ns" | "nano" | "nanos" | "nanosecond" | "nanoseconds" => 1,
        _ => return None,
    })
}

/// A decimal number without sign or exponent, kept exact: as a binary fraction 0.1 s would change.
#[derive(Clone, Copy)]
struct Number {
    whole: u64,
    /// The fraction in units of 10⁻¹⁸, beyond which no unit reaches a nanosecond.
    fraction: u64,
}

impl Number {
    const FRACTION_DIGITS: usize = 18;

    /// Parses a number at the start of `text` and returns the rest.
    fn take(text: &str) -> Result<(Self, &str), Reason> {
        let (whole, rest) = split_digits(text);
        let (fraction, rest) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(Reason::Unreadable);
        }
        let kept = &fraction[..fraction.len().min(Self::FRACTION_DIGITS)];
        let number = Self {
            whole: digits(whole)?,
            fraction: digits(&format!("{kept:0<18}"))?,
        };
        Ok((number, rest))
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(
        text.find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len()),
    )
}

fn digits(digits: &str) -> Result<u64, Reason> {
    if digits.is_empty() {
        return Ok(0);
    }
    digits.parse().map_err(|_| Reason::TooLong)
}

/// A sum of durations: whole nanoseconds, and 10⁻¹⁸ths of one.
#[derive(Default)]
struct Total {
    nanos: u128,
    attos: u128,
}

impl Total {
    const ATTO: u128 = 1_000_000_000_000_000_000;

    fn add(&mut self, number: Number, unit: u128) -> Result<(), Reason> {
        // A week is less than 2^50 ns, so neither product passes 2^114.
        let attos = self.attos + u128::from(number.fraction) * unit;
        let nanos = u128::from(number.whole) * unit + attos / Self::ATTO;
        self.nanos = self.nanos.checked_add(nanos).ok_or(Reason::TooLong)?;
        self.attos = attos % Self::ATTO;
        Ok(())
    }

    /// Adds `hh:mm:ss`, the rest of the text. As in pandas each field may be arbitrarily large.
    fn add_clock(&mut self, text: &str) -> Result<(), Reason> {
        let mut fields = text.splitn(3, ':');
        for unit in [HOUR, MINUTE, SECOND] {
            let field = fields.next().ok_or(Reason::Unreadable)?;
            let (number, rest) = Number::take(field)?;
            if !rest.is_empty() || (unit != SECOND && field.contains('.')) {
                return Err(Reason::Unreadable);
            }
            self.add(number, unit)?;
        }
        Ok(())
    }

    fn rounded(self) -> Result<u64, Reason> {
        let rounded = self
            .nanos
            .checked_add(u128::from(self.attos >= Self::ATTO / 2))
            .ok_or(Reason::TooLong)?;
        if rounded == 0 && self.attos > 0 {
            return Err(Reason::TooShort);
        }
        u64::try_from(rounded).map_err(|_| Reason::TooLong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepted_forms() {
        for (text, nanos) in [
            ("500ms", 500_000_000),
            ("2s", 2 * SECOND),
            ("1min", MINUTE),
            ("1m", MINUTE),
            ("1.5 s", 1_500_000_000),
            (".5s", 500_000_000),
            ("1.s", SECOND),
            ("100us", 100_000),
            ("1 \u{b5}s", 1_000),
            ("1 \u{3bc}s", 1_000),
            ("1d", DAY),
            ("1.5d", 36 * HOUR),
            ("1W", WEEK),
            ("1H", HOUR),
            ("500MS", 500_000_000),
            ("1h30min", 90 * MINUTE),
            ("1.5 hours 3 minutes", 93 * MINUTE),
            ("1 day, 2 hours", 26 * HOUR),
            ("1s 1s", 2 * SECOND),
            (" +1s\n", SECOND),
            ("00:00:01", SECOND),
            ("0:0:1", SECOND),
            ("00:90:00", 90 * MINUTE),
            ("100:00:00", 100 * HOUR),
            ("00:00:01.5", 1_500_000_000),
            ("1 days 00:00:01", DAY + SECOND),
            ("PT1H30M", 90 * MINUTE),
            ("PT0.25S", 250_000_000),
            ("P1DT2H", 26 * HOUR),
            ("P1W", WEEK),
            ("0.1s", 100_000_000),
            ("1.2345678904s", 1_234_567_890),
            ("1.2345678905s", 1_234_567_891),
            ("0.5ns 0.5ns", 1),
            ("0.00000000000000000000001s 1s", SECOND),
        ] {
            assert_eq!(
                parse(text).map(|duration| duration.as_nanos()),
                Ok(nanos),
                "{text:?}"
            );
        }
    }

    #[test]
    fn anything_else_is_an_error() {
        for text in [
            "",
            " ",
            "s",
            ".",
            ".s",
            "1e3s",
            "1 parsec",
            "1M",
            "1y",
            "P",
            "PT",
            "P1M",
            "P1DT",
            "P1H",
            "PT1D",
            "PT1",
            "1:30",
            "1:2:3:4",
            "1.5:00:00",
            "00:00:01 1s",
            "00:00:",
            "1h-30m",
            "--1s",
            "1_000s",
            "nan",
            "inf",
            "1 s s",
            "１s",
            "1s;",
            "1 h 30 x",
        ] {
            assert_eq!(parse(text), Err(Reason::Unreadable), "{text:?}");
        }
        assert_eq!(parse("1 h 30"), Err(Reason::NoUnit));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn nothing_near_the_grammar_panics(text in "[-+P]?([0-9]{0,40}[.:T, ]?[a-zµWDHMS]{0,3}[ ,]?){0,6}") {
            let _ = parse(&text);
        }

        #[test]
        fn parts_add_up(hours in 0_u64..2_000_000, minutes in 0_u64..1_000, seconds in 0_u64..1_000, millis in 0_u64..1_000) {
            let expected = Duration::from_millis(((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis);
            for text in [
                format!("{hours}h{minutes}min{seconds}s{millis}ms"),
                format!("{hours} hours, {minutes} minutes, {seconds}.{millis:03} seconds"),
                format!("{hours}:{minutes}:{seconds}.{millis:03}"),
                format!("PT{hours}H{minutes}M{seconds}.{millis:03}S"),
            ] {
                prop_assert_eq!(parse(&text), Ok(expected), "{}", text);
            }
        }
    }
}
