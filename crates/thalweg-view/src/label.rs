//! Texts in pictures, the same in every format.

use super::Counters;
use super::role::Role;
use std::time::Duration;

/// The counters of a node on one line: `12.3k in · 12.2k out · 3 failed · 5 held · 2.5s waited`.
///
/// Zeros are left out, except of the main counter of the role.
pub(super) fn counters(counters: &Counters, role: Role) -> String {
    let parts = [
        (counters.received, "in", role != Role::Source),
        (counters.sent, "out", role != Role::Sink),
        (counters.failed, "failed", false),
        (counters.held, "held", false),
    ];
    let shown = parts
        .into_iter()
        .filter(|&(count, _, always)| always || count > 0);
    let mut parts: Vec<String> = shown
        .map(|(count, what, _)| format!("{} {what}", short(count)))
        .collect();
    if !counters.waited.is_zero() {
        parts.push(format!("{} waited", short_time(counters.waited)));
    }
    parts.join(" · ")
}

/// A count: exact up to four digits, else about three digits and a suffix, rounded down.
fn short(count: u64) -> String {
    let (unit, suffix) = match count {
        0..10_000 => return count.to_string(),
        10_000..1_000_000 => (1_000, "k"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, "G"),
        1_000_000_000_000.. => (1_000_000_000_000, "T"),
    };
    let (whole, tenth) = (count / unit, count % unit / (unit / 10));
    if whole < 100 && tenth > 0 {
        format!("{whole}.{tenth}{suffix}")
    } else {
        format!("{whole}{suffix}")
    }
}

fn short_time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => {
            let unit = if time.as_millis() > 0 {
                1_000_000
            } else if time.as_micros() > 0 {
                1_000
            } else {
                1
            };
            format!(
                "{:?}",
                Duration::from_nanos(u64::from(time.subsec_nanos()) / unit * unit)
            )
        }
        1..60 => format!("{seconds}.{}s", time.subsec_millis() / 100),
        60..3_600 => format!("{}min {:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h {:02}min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d {:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `text` on one line: runs of white space and control characters become a space, and text longer than `limit`
/// characters is cut.
pub(super) fn one_line(text: &str, limit: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    for word in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
    {
        for c in (count > 0).then_some(' ').into_iter().chain(word.chars()) {
            line.push(c);
            count += 1;
            if count > limit {
                let end = line.char_indices().nth(limit - 1).map_or(0, |(end, _)| end);
                line.truncate(end);
                line.push('…');
                return line;
            }
        }
    }
    line
}

/// The character to show in a text format: control characters other than line breaks and tabs become the replacement
/// character.
pub(super) fn printable(c: char) -> char {
    match c {
        '\n' | '\t' => c,
        '\u{fffe}' | '\u{ffff}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn zeros_are_left_out() {
        let mut seen = Counters {
            received: 12,
            sent: 9_999,
            ..Counters::default()
        };
        assert_eq!(counters(&seen, Role::Operator), "12 in · 9999 out");
        seen.failed = 1;
        seen.held = 10_000;
        seen.waited = Duration::from_millis(2_590);
        assert_eq!(
            counters(&seen, Role::Operator),
            "12 in · 9999 out · 1 failed · 10k held · 2.5s waited"
        );
    }

    #[test]
    fn the_main_counter_of_a_node_is_always_shown() {
        let idle = Counters::default();
        assert_eq!(counters(&idle, Role::Source), "0 out");
        assert_eq!(counters(&idle, Role::Time), "0 in · 0 out");
        assert_eq!(counters(&idle, Role::Sink), "0 in");
    }

    #[test]
    fn counts_are_rounded_down() {
        assert_eq!(short(0), "0");
        assert_eq!(short(10_999), "10.9k");
        assert_eq!(short(999_999), "999k");
        assert_eq!(short(1_000_000), "1M");
        assert_eq!(short(1_299_999), "1.2M");
        assert_eq!(short(99_950_000), "99.9M");
        assert_eq!(short(u64::MAX), "18446744T");
    }

    #[test]
    fn times_have_a_fitting_unit() {
        assert_eq!(short_time(Duration::from_nanos(17)), "17ns");
        assert_eq!(short_time(Duration::from_nanos(1_700)), "1µs");
        assert_eq!(short_time(Duration::from_micros(1_700)), "1ms");
        assert_eq!(short_time(Duration::from_millis(1_790)), "1.7s");
        assert_eq!(short_time(Duration::from_secs(125)), "2min 05s");
        assert_eq!(short_time(Duration::from_secs(3_725)), "1h 02min");
        assert_eq!(short_time(Duration::from_secs(90_000)), "1d 01h");
    }

    #[test]
    fn a_line_is_wrapped_and_truncated() {
        assert_eq!(one_line(" a\n\tb\u{0}c ", 10), "a b c");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("äöü äöü", 6), "äöü ä…");
        assert_eq!(one_line("\n", 6), "");
    }

    proptest! {
        #[test]
        fn a_line_never_exceeds_its_limit(text in ".*", limit in 1_usize..20) {
            let line = one_line(&text, limit);
            prop_assert!(line.chars().count() <= limit);
            prop_assert!(!line.contains(char::is_control));
        }
    }
}
