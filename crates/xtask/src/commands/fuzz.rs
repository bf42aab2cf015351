//! `cargo xtask fuzz`

use super::become_command;
use crate::invocation::Invocation;
use crate::project::Project;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Try bytes by chance on everything that parses what comes from outside, each target for so long. An input that fails is
kept in `crates/thalweg-io/corpus`, and tried first by `cargo test` from then on.

Usage: cargo xtask fuzz [OPTIONS] [TARGET]

Targets: csv, dead_letters, ftp, http, jsonl, length_prefix, lines, robots, sse, websocket; all of them, one after the
other, if none is named.

Options:
      --seconds <N>  How long each target is tried (default: 60)
  -h, --help         Print this help
";

/// What is tried, and for how long.
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

/// The module that a target is in.
fn path(target: &str) -> String {
    match target {
        "" => String::new(),
        "http" | "websocket" => format!("connections::{target}"),
        _ => format!("parsers::{target}"),
    }
}
