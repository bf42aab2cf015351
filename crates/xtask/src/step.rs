//! A step of a command, and its result.

use crate::console::{Palette, Style, short_time};
use crate::invocation::Failure;
use crate::project::Project;
use std::time::{Duration, Instant};

/// An action that passes, fails or is skipped.
pub(crate) struct Step {
    pub name: &'static str,
    /// What a passed step shows.
    pub claim: &'static str,
    pub action: fn(&Project) -> Result<(), Stop>,
}

/// Result of a step that has not simply passed, with the reason.
#[derive(Debug)]
pub(crate) enum Stop {
    Failed(String),
    Skipped(String),
    /// It has failed first, and passed when repeated.
    Unsteady(String),
}

impl Stop {
    pub(crate) fn why(&self) -> &str {
        let (Self::Failed(why) | Self::Skipped(why) | Self::Unsteady(why)) = self;
        why
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure.to_string())
    }
}

pub(crate) struct Report {
    pub name: &'static str,
    pub result: Result<(), Stop>,
    pub time: Duration,
}

impl Step {
    pub(crate) fn run(&self, project: &Project) -> Report {
        let palette = Palette::detect();
        println!(
            "{}",
            palette.paint(
                Style::Heading,
                format_args!("\n── {}: {}", self.name, self.claim)
            )
        );
        let start = Instant::now();
        let result = (self.action)(project);
        let time = start.elapsed();
        match &result {
            Ok(()) => println!(
                "{} in {}",
                palette.paint(Style::Good, "ok"),
                short_time(time)
            ),
            Err(Stop::Failed(why)) => println!(
                "{} after {}: {why}",
                palette.paint(Style::Bad, "FAILED"),
                short_time(time)
            ),
            Err(Stop::Skipped(why)) => {
                println!("{}: {why}", palette.paint(Style::Skipped, "skipped"))
            }
            Err(Stop::Unsteady(why)) => println!(
                "{} after {}: {why}",
                palette.paint(Style::Skipped, "unsteady"),
                short_time(time)
            ),
        }
        Report {
            name: self.name,
            result,
            time,
        }
    }
}
