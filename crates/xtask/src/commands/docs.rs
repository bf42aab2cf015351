//! `cargo xtask docs`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use std::process::ExitCode;

pub const HELP: &str = "\
Build the documentation and say where it is.

Usage: cargo xtask docs [--open]

Options:
      --open  Open it in a browser
  -h, --help  Print this help
";

pub fn run(project: &Project, open: bool) -> ExitCode {
    let mut invocation =
        Invocation::cargo("doc --workspace --exclude xtask --no-deps --all-features");
    if open {
        invocation = invocation.arg("--open");
    }
    let exit = become_command(&invocation, project);
    if exit == ExitCode::SUCCESS {
        println!(
            "{}",
            project.target.join("doc/thalweg/index.html").display()
        );
    }
    exit
}
