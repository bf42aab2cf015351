//! `cargo xtask demo`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use std::ffi::OsString;
use std::process::ExitCode;

pub const HELP: &str = "\
Build and run the demo: a pipeline on real input.

Usage: cargo xtask demo [ARGS]...

Arguments:
  [ARGS]...  Passed on to the demo; `cargo xtask demo --help` shows what it takes
";

pub fn run(project: &Project, args: Vec<OsString>) -> ExitCode {
    become_command(
        &Invocation::cargo("run --release --package thalweg-io --example demo --").args(args),
        project,
    )
}
