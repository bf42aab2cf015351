//! `cargo xtask fuzz`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Run all parsers of external data on random bytes, one target after the other. An input that fails is stored in
`crates/thalweg-io/corpus`, and `cargo test` tries it first from then on.

Usage: cargo xtask fuzz [OPTIONS] [TARGET]

Targets: csv, dead_letters, ftp, http, jsonl, length_prefix, lines, robots, sse, websocket; all of them, one after the
other, if none is named.

Options:
      --seconds <N>  Time for each target (default: 60)
  -h, --help         Print this help
";

/// Targets and time.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) target: Option<String>,
    pub(crate) seconds: u32,
}

pub(crate) fn run(project: &Project, plan: &Plan) -> ExitCode {
    let target = plan.target.as_deref().unwrap_or_default();
    let tests = Invocation::cargo("test --package thalweg-io --all-features --lib --")
        .arg(format!("fuzz::{}", path(target)))
        .arg("--nocapture")
        .arg("--test-threads=1")
        .variable("THALWEG_FUZZ_SECONDS", plan.seconds.to_string());
    become_command(&tests, project)
}

/// The module of a target.
fn path(target: &str) -> String {
    match target {
        "" => String::new(),
        "http" | "websocket" => format!("connections::{target}"),
        _ => format!("parsers::{target}"),
    }
}
