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
        Language::Rust => Invocation::cargo(if needs_feeds(&args) {
            "run --release --package thalweg-io --features sse,sqlite --example demo --"
        } else {
            "run --release --package thalweg-io --example demo --"
        }),
        Language::Python => match Environment::with_source_wheel(project) {
            Ok(python) => python.run("python/examples/demo.py"),
            Err(stop) => return give_up(&stop),
        },
    };
    become_command(&demo.args(args), project)
}

/// Whether the demo follows a feed, which takes longer to build.
fn needs_feeds(args: &[OsString]) -> bool {
    let is_url = |arg: &OsString| arg.to_string_lossy().split('=').next() == Some("--url");
    args.iter().any(is_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feeds_are_built_only_if_asked_for() {
        let needs = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            needs_feeds(&args)
        };
        assert!(needs("--seconds 5 --url local") && needs("--url=local"));
        assert!(!needs("--input --urls"));
    }
}
