//! `cargo xtask stubs`

use super::{become_command, give_up};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Write what is derived from the operators, which are declared once: the list of Rust's functions for Python and its stub,
the package of their classes in Python, and the stub of the methods of `Stream`.

Usage: cargo xtask stubs

The package is built in between. `cargo xtask test types` says whether the files are up to date.

Options:
  -h, --help  Print this help
";

pub(crate) fn run(project: &Project) -> ExitCode {
    match write(project) {
        Ok(invocation) => become_command(&invocation, project),
        Err(stop) => give_up(&stop),
    }
}

fn write(project: &Project) -> Result<Invocation, Stop> {
    let tools = Environment::with_tools(project)?;
    tools.run("-I python/stubs --rust").run(project)?;
    Ok(Environment::with_wheel(project)?.run("-I python/stubs"))
}
