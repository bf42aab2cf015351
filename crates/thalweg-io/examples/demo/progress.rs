//! Progress on the terminal.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Back to the line's beginning, and clear it.
const CLEAR: &str = "\r\x1b[2K";

/// So much of a live line is shown: a longer one would wrap, and could not be cleared.
const WIDTH: usize = 79;

/// A status line that is overwritten on a terminal; one line after the other elsewhere.
pub(crate) struct Progress<W: Write> {
    out: W,
    live: bool,
    /// A status line stands on the terminal.
    shown: bool,
}

/// Standard output, shared by all who write to it.
#[derive(Clone)]
pub(crate) struct Screen(Arc<Mutex<Progress<io::Stdout>>>);

impl Screen {
    pub(crate) fn on_stdout() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let live = io::stdout().is_terminal() && !dumb;
        Self(Arc::new(Mutex::new(Progress::new(io::stdout(), live))))
    }

    /// The time that a status stays at least.
    pub(crate) fn pause(&self) -> Duration {
        Duration::from_millis(if self.progress().live { 100 } else { 500 })
    }

    pub(crate) fn status(&self, text: &str) -> io::Result<()> {
        self.progress().status(text)
    }

    pub(crate) fn print(&self, text: &str) -> io::Result<()> {
        self.progress().print(text)
    }

    fn progress(&self) -> MutexGuard<'_, Progress<io::Stdout>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Progress<W> {
    fn new(out: W, live: bool) -> Self {
        Self {
            out,
            live,
            shown: false,
        }
    }

    /// Shows how things stand, in place of the last status.
    pub(crate) fn status(&mut self, text: &str) -> io::Result<()> {
        if !self.live {
            return writeln!(self.out, "{text}");
        }
        let text: String = text.chars().take(WIDTH).collect();
        self.shown = true;
        write!(self.out, "{CLEAR}{text}")?;
        self.out.flush()
    }

    /// Prints lines that stay.
    pub(crate) fn print(&mut self, text: &str) -> io::Result<()> {
        if std::mem::take(&mut self.shown) {
            write!(self.out, "{CLEAR}")?;
        }
        writeln!(self.out, "{text}")?;
        self.out.flush()
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

    fn shown(live: bool) -> String {
        let mut progress = Progress::new(Vec::new(), live);
        progress.print("begin").expect("a Vec takes everything");
        progress.status("10 %").expect("a Vec takes everything");
        progress
            .status(&"9".repeat(200))
            .expect("a Vec takes everything");
        progress.print("end").expect("a Vec takes everything");
        progress.print("check").expect("a Vec takes everything");
        String::from_utf8(progress.out).expect("it is text")
    }

    #[test]
    fn on_a_terminal_each_status_replaces_the_previous_one() {
        assert_eq!(
            shown(true),
            format!(
                "begin\n\r\x1b[2K10 %\r\x1b[2K{}\r\x1b[2Kend\ncheck\n",
                "9".repeat(79)
            )
        );
    }

    #[test]
    fn without_a_terminal_plain_lines_are_written() {
        assert_eq!(
            shown(false),
            format!("begin\n10 %\n{}\nend\ncheck\n", "9".repeat(200))
        );
    }

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
