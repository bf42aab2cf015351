//! `cargo xtask demo`

use super::{become_command, give_up};
use crate::args::Language;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Build and run the demo: a pipeline on real input.

Usage: cargo xtask demo [--python] [ARGS]...

Arguments:
  [ARGS]...  Passed on to the demo; `cargo xtask demo --help` shows what it takes

Options:
      --python  Run the Python demo, on a wheel built for it
";

pub(crate) fn run(project: &Project, language: Language, args: Vec<OsString>) -> ExitCode {
    let demo = match language {
        Language::Rust => Invocation::cargo("run --release --package thalweg-io --example demo --"),
        Language::Python => match Environment::with_released_wheel(project) {
            Ok(python) => python.run("python/examples/demo.py"),
            Err(stop) => return give_up(&stop),
        },
    };
    become_command(&demo.args(args), project)
}
