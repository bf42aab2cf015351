//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod demo;
pub(crate) mod docs;
pub(crate) mod fuzz;
pub(crate) mod services;
pub(crate) mod soak;
pub(crate) mod stubs;
pub(crate) mod test;
pub(crate) mod wheels;

use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::process::ExitCode;

/// Runs a command with the terminal's input and output; returns its exit code.
fn become_command(invocation: &Invocation, project: &Project) -> ExitCode {
    match invocation.run_interactively(project) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .map_or(ExitCode::FAILURE, ExitCode::from),
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// Reports why a command cannot run.
fn give_up(stop: &Stop) -> ExitCode {
    eprintln!("error: {}", stop.why());
    ExitCode::FAILURE
}
