//! `cargo xtask bench`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use std::ffi::OsString;
use std::process::ExitCode;

pub const HELP: &str = "\
Run the benchmarks, thalweg and its peers side by side.

Usage: cargo xtask bench [ARGS]...

Arguments:
  [ARGS]...  Passed on to the benchmarks; `cargo xtask bench --help` shows what they take
";

pub fn run(project: &Project, args: Vec<OsString>) -> ExitCode {
    become_command(
        &Invocation::cargo("run --release --package thalweg-benches --").args(args),
        project,
    )
}
