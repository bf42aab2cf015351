//! Progress on the terminal.

use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Standard output: a status line that is overwritten on a terminal, one line after the other elsewhere. Clones share
/// it.
#[derive(Clone)]
pub(crate) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(crate) fn on_stdout() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        Self {
            bar: match style {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            },
        }
    }

    /// Minimum time between two statuses.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(if self.bar.is_hidden() { 500 } else { 100 })
    }

    /// Shows the current status, in place of the last one.
    pub(crate) fn status(&self, text: &str) -> io::Result<()> {
        if self.bar.is_hidden() {
            return writeln!(io::stdout(), "{text}");
        }
        self.bar.set_message(text.to_owned());
        self.bar.tick();
        Ok(())
    }

    /// Prints lines that stay.
    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        self.bar.suspend(|| writeln!(io::stdout(), "{text}"))
    }

    /// Removes the status.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// A number of bytes, in three digits.
pub(crate) fn bytes(count: f64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut scaled = count;
    let mut unit = 0;
    while scaled.abs() >= 999.5 && unit + 1 < units.len() {
        scaled /= 1000.0;
        unit += 1;
    }
    let decimals = match scaled.abs() {
        _ if unit == 0 => 0,
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.decimals$} {}", units[unit])
}

/// A share of 100 as a bar of ten characters.
pub(crate) fn bar(percent: f64) -> String {
    let filled = (percent / 10.0).round().clamp(0.0, 10.0) as usize;
    format!("[{}{}]", "#".repeat(filled), ".".repeat(10 - filled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_counts_have_three_digits() {
        for (count, text) in [
            (0.0, "0 B"),
            (999.0, "999 B"),
            (999.6, "1.00 kB"),
            (1234.0, "1.23 kB"),
            (99_950.0, "100 kB"),
            (45_678_901.0, "45.7 MB"),
            (-1500.0, "-1.50 kB"),
            (5e18, "5000000 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn a_bar_stays_within_its_bounds() {
        assert_eq!(bar(-5.0), "[..........]");
        assert_eq!(bar(43.0), "[####......]");
        assert_eq!(bar(250.0), "[##########]");
        assert_eq!(bar(f64::NAN), "[..........]");
    }
}
