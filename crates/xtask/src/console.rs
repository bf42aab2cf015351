//! Console output, between that of the commands.

use std::fmt;
use std::io::IsTerminal;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Style {
    Heading,
    Command,
    Good,
    Bad,
    Skipped,
}

/// Whether styles are printed.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    colours: bool,
}

impl Palette {
    /// Styles if standard output is a terminal and colours are not disabled.
    pub(crate) fn detect() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colours: std::io::stdout().is_terminal() && !unwanted,
        }
    }

    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colours: false };

    /// `text` in a style.
    pub(crate) fn paint(self, style: Style, text: impl fmt::Display) -> String {
        if !self.colours {
            return text.to_string();
        }
        let code = match style {
            Style::Heading => "1",
            Style::Command => "2",
            Style::Good => "32",
            Style::Bad => "1;31",
            Style::Skipped => "33",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// A duration in readable form: tenths of seconds up to a minute, then minutes and seconds.
pub(crate) fn short_time(time: Duration) -> String {
    let tenths = (time.as_millis() + 50) / 100;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else {
        let seconds = tenths / 10;
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(short_time(Duration::from_millis(0)), "0.0 s");
        assert_eq!(short_time(Duration::from_millis(1_249)), "1.2 s");
        assert_eq!(short_time(Duration::from_millis(59_949)), "59.9 s");
        assert_eq!(short_time(Duration::from_millis(59_950)), "1 min 00 s");
        assert_eq!(short_time(Duration::from_secs(605)), "10 min 05 s");
    }
}
