//! Results of all steps.

use crate::console::{Palette, Style, short_time};
use crate::step::{Report, Stop};
use std::fmt::Write;
use std::time::Duration;

pub(crate) struct Summary {
    reports: Vec<Report>,
}

impl Summary {
    pub(crate) fn new(reports: Vec<Report>) -> Self {
        Self { reports }
    }

    pub(crate) fn failed(&self) -> bool {
        self.count(|result| matches!(result, Err(Stop::Failed(_)))) > 0
    }

    fn count(&self, which: impl Fn(&Result<(), Stop>) -> bool) -> usize {
        self.reports
            .iter()
            .filter(|report| which(&report.result))
            .count()
    }

    /// A line for each step, then a total.
    pub(crate) fn text(&self, palette: Palette) -> String {
        let mut text = palette.paint(Style::Heading, "\n── summary") + "\n";
        let name_width = self
            .reports
            .iter()
            .map(|report| report.name.len())
            .max()
            .unwrap_or(0);
        for Report { name, result, time } in &self.reports {
            let (style, verdict, why) = match result {
                Ok(()) => (Style::Good, "ok", ""),
                Err(Stop::Failed(why)) => (Style::Bad, "FAILED", why.as_str()),
                Err(Stop::Skipped(why)) => (Style::Skipped, "skipped", why.as_str()),
                Err(Stop::Unsteady(why)) => (Style::Skipped, "unsteady", why.as_str()),
            };
            let verdict = palette.paint(style, format_args!("{verdict:8}"));
            let line = format!(
                "  {name:name_width$}  {verdict}  {:>12}  {why}",
                short_time(*time)
            );
            let _ = writeln!(text, "{}", line.trim_end());
        }
        let passed = self.count(|result| matches!(result, Ok(()) | Err(Stop::Unsteady(_))));
        let skipped = self.count(|result| matches!(result, Err(Stop::Skipped(_))));
        let failed = self.reports.len() - passed - skipped;
        let time = short_time(
            self.reports
                .iter()
                .map(|report| report.time)
                .sum::<Duration>(),
        );
        let _ = writeln!(
            text,
            "{passed} passed, {failed} failed, {skipped} skipped in {time}"
        );
        let names: Vec<&str> = self
            .reports
            .iter()
            .filter(|report| matches!(report.result, Err(Stop::Failed(_))))
            .map(|r| r.name)
            .collect();
        if !names.is_empty() {
            let _ = writeln!(
                text,
                "to repeat what failed: cargo xtask test {}",
                names.join(" ")
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(name: &'static str, result: Result<(), Stop>) -> Report {
        Report {
            name,
            result,
            time: Duration::from_millis(1_500),
        }
    }

    #[test]
    fn every_step_is_named_with_its_reason() {
        let summary = Summary::new(vec![
            report("fmt", Ok(())),
            report(
                "clippy",
                Err(Stop::Skipped("clippy is not installed".into())),
            ),
            report(
                "unit",
                Err(Stop::Failed("`cargo test`: exit status: 101".into())),
            ),
        ]);
        assert!(summary.failed());
        assert_eq!(
            summary.text(Palette::PLAIN),
            "\n── summary\n  \
             fmt     ok               1.5 s\n  \
             clippy  skipped          1.5 s  clippy is not installed\n  \
             unit    FAILED           1.5 s  `cargo test`: exit status: 101\n\
             1 passed, 1 failed, 1 skipped in 4.5 s\n\
             to repeat what failed: cargo xtask test unit\n"
        );
    }

    #[test]
    fn an_unsteady_test_passes_and_is_named() {
        let why = "failed once, then passed: test_a";
        let summary = Summary::new(vec![report("pytest", Err(Stop::Unsteady(why.into())))]);
        assert!(!summary.failed());
        assert_eq!(
            summary.text(Palette::PLAIN),
            "\n── summary\n  \
             pytest  unsteady         1.5 s  failed once, then passed: test_a\n\
             1 passed, 0 failed, 0 skipped in 1.5 s\n"
        );
    }

    #[test]
    fn skipped_steps_do_not_fail() {
        let summary = Summary::new(vec![
            report("fmt", Ok(())),
            report("loom", Err(Stop::Skipped("none".into()))),
        ]);
        assert!(!summary.failed());
        assert!(
            summary
                .text(Palette::PLAIN)
                .ends_with("1 passed, 0 failed, 1 skipped in 3.0 s\n")
        );
    }
}
