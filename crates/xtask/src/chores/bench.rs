//! `cargo xtask bench`

use super::{become_command, give_up};
use crate::args::Face;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::ffi::OsString;
use std::process::ExitCode;

pub const HELP: &str = "\
Run the benchmarks, thalweg and its peers side by side.

Usage: cargo xtask bench [--python] [ARGS]...

Arguments:
  [ARGS]...  Passed on to the benchmarks; `cargo xtask bench --help` shows what they take

Options:
      --python  Run the Python benchmarks, on a wheel built for them
";

pub fn run(project: &Project, face: Face, args: Vec<OsString>) -> ExitCode {
    let benches = match face {
        Face::Rust => Invocation::cargo("run --release --package thalweg-benches --"),
        Face::Python => match python_with_peers(project) {
            Ok(python) => python.run("benches/python"),
            Err(stop) => return give_up(stop),
        },
    };
    become_command(&benches.args(args), project)
}

fn python_with_peers(project: &Project) -> Result<Environment, Stop> {
    let python = Environment::with_wheel(project)?;
    python.install(project, "benches/python/requirements.txt")?;
    Ok(python)
}
