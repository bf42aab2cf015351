//! `cargo xtask bench`

use super::services::Brokers;
use super::{become_command, give_up};
use crate::args::Language;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Run the benchmarks: thalweg and its peers, side by side.

Usage: cargo xtask bench [--python | --tasks | --parallel | --frames | --io | --brokers] [ARGS]...

Arguments:
  [ARGS]...  Passed on to the benchmarks; `cargo xtask bench --help` shows what they take

Options:
      --python  Run the Python benchmarks, on a wheel built for them
      --tasks   Run those of tasks, in Rust and in Python; the arguments go to the Python ones
      --parallel  Run those of streams on engines, in Python
      --frames  Run those of data frames on streams, in Python
      --io      Run those of sources and sinks: of HTTP servers in Rust, and all in Python; the arguments go to the Python ones
      --brokers  Run those of Kafka, MQTT, NATS and Redis, in Rust, or after `--python` in Python, on servers that
                `cargo xtask services up` has installed
";

pub(crate) fn run(project: &Project, language: Language, args: Vec<OsString>) -> ExitCode {
    let is_first = |option| args.first().is_some_and(|first| first == option);
    if is_first("--brokers") {
        return brokers(project, language, args);
    }
    let tasks = is_first("--tasks");
    let python_only = ["--parallel", "--frames"]
        .iter()
        .any(|option| is_first(option));
    let python = || python_with_peers(project).map(|python| python.run("benches/python"));
    // The clients of the servers are the program of Rust's benchmarks.
    let clients = || {
        let program = format!("release/thalweg-benches{}", std::env::consts::EXE_SUFFIX);
        let python = python()?;
        Ok(python.variable("THALWEG_BENCH_LOAD", project.target.join(program)))
    };
    let benches = match language {
        Language::Rust if tasks => rust()
            .arg("tasks")
            .run(project)
            .map_err(Stop::from)
            .and_then(|()| python()),
        Language::Rust if is_first("--io") => http(args.len() == 1)
            .run(project)
            .map_err(Stop::from)
            .and_then(|()| clients()),
        Language::Rust if python_only => python(),
        Language::Rust => Ok(rust()),
        Language::Python => python(),
    };
    let benches = match benches {
        Ok(benches) => benches,
        Err(stop) => return give_up(&stop),
    };
    become_command(&benches.args(args), project)
}

/// Runs the benchmarks of brokers, with servers started for them.
fn brokers(project: &Project, language: Language, args: Vec<OsString>) -> ExitCode {
    let started = Brokers::start(project).and_then(|brokers| {
        let bench = match language {
            Language::Rust => {
                Invocation::cargo("run --release --package thalweg-benches --features brokers --")
            }
            Language::Python => python_with_clients(project)?.run("benches/python"),
        };
        Ok((brokers, bench.args(args)))
    });
    let (brokers, mut bench) = match started {
        Ok(started) => started,
        Err(stop) => return give_up(&stop),
    };
    for (name, address) in brokers.variables() {
        bench = bench.variable(name, address);
    }
    become_command(&bench, project)
}

/// The benchmarks of HTTP servers in Rust, or only what they are built of.
fn http(runs: bool) -> Invocation {
    match runs {
        true => {
            Invocation::cargo("run --release --package thalweg-benches --features http -- --http")
        }
        false => Invocation::cargo("build --release --package thalweg-benches --features http"),
    }
}

fn rust() -> Invocation {
    Invocation::cargo("run --release --package thalweg-benches --")
}

/// An environment with peers that read from brokers, and with clients of those.
pub(super) fn python_with_clients(project: &Project) -> Result<Environment, Stop> {
    let python = python_with_peers(project)?;
    python.install(project, "benches/python/requirements-brokers.txt")?;
    Ok(python)
}

fn python_with_peers(project: &Project) -> Result<Environment, Stop> {
    let python = Environment::with_released_wheel(project)?;
    python.install(project, "benches/python/requirements.txt")?;
    Ok(python)
}
