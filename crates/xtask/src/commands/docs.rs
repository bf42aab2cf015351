//! `cargo xtask docs`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Build the documentation and say where it is: the book as a site, and the reference of the crates.

Usage: cargo xtask docs [--open]

Options:
      --open  Open the crates' reference in a browser
  -h, --help  Print this help
";

pub(crate) fn run(project: &Project, open: bool) -> ExitCode {
    let mut invocation =
        Invocation::cargo("doc --workspace --exclude xtask --no-deps --all-features");
    if open {
        invocation = invocation.arg("--open");
    }
    let site = Environment::for_site(project).and_then(|python| python.build_site(project));
    match site {
        Ok(site) => println!("{}", site.join("index.html").display()),
        Err(Stop::Skipped(reason)) => println!("without the site: {reason}"),
        Err(stop) => {
            println!("{}", stop.why());
            return ExitCode::FAILURE;
        }
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
