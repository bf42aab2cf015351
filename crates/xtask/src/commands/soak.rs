//! `cargo xtask soak`

use super::services::{self, Brokers, StopsKafka};
use super::{bench, give_up};
use crate::console::short_time;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::python::Environment;
use crate::step::Stop;
use std::process::ExitCode;
use std::time::Instant;

pub(crate) const HELP: &str = "\
Kill pipelines by SIGKILL at random moments, start them again, and look for missing and duplicate elements.

Usage: cargo xtask soak [OPTIONS] [SYSTEM]...

Systems: file, sql, kafka, transactions, group, mqtt, redis, jetstream, python, network; all of them if none is named.
`python` runs pipelines of Python with worker processes and with Dask's workers. `network` kills nothing: it runs HTTP,
server-sent events, brokers and databases over a network with many faults, for a minute each, and as long while brokers and
databases are stopped and started. Systems without a server are named; `cargo xtask services up` installs servers. `peers`,
if named, kills pipelines of streamz, quixstreams, bytewax and faust beside one of thalweg, on a Kafka started for it.

Options:
      --kills <N>  Minimum number of kills per system (default: 500)
      --seed <N>   Seed of the random moments (default: 1)
  -h, --help       Print this help
";

/// Systems and number of kills.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) systems: Vec<String>,
    pub(crate) kills: u32,
    pub(crate) seed: u32,
}

/// Number of kills before a pipeline starts with new elements.
const ROUND: u32 = 20;

/// The tests of each system.
const SYSTEMS: [(&str, &str); 10] = [
    ("file", "files::kill_tests"),
    ("sql", "sql::kill_tests"),
    ("kafka", "kafka::kill_tests"),
    ("transactions", "kafka::tests::transactions"),
    ("group", "kafka::tests::group_kills"),
    ("mqtt", "mqtt::tests::kills"),
    ("redis", "redis::tests::kills"),
    ("jetstream", "nats::tests::kills"),
    ("python", "python/tests/test_kills.py"),
    (NETWORK, "network_tests troubles"),
];

/// The systems whose tests need the real Kafka.
const ON_KAFKA: [&str; 2] = ["transactions", "group"];

/// The system whose test has no kills.
const NETWORK: &str = "network";

/// Duration of a run over the faulty network, in seconds.
const NETWORK_SECONDS: u32 = 60;

/// The name under which peers are killed.
const PEERS: &str = "peers";

/// Whether there is something with this name.
pub(crate) fn known(name: &str) -> bool {
    name == PEERS || SYSTEMS.iter().any(|(known, _)| *known == name)
}

pub(crate) fn run(project: &Project, plan: &Plan) -> ExitCode {
    if plan.systems.iter().any(|system| system == PEERS)
        && let Err(stop) = peers(project, plan)
    {
        return give_up(&stop);
    }
    let is_wanted = |name: &str| {
        let systems = &plan.systems;
        systems.is_empty() || systems.iter().any(|wanted| wanted == name)
    };
    let _stops_kafka = StopsKafka::new(project);
    if ON_KAFKA.iter().any(|name| is_wanted(name))
        && let Err(stop) = services::start_kafka(project)
    {
        return give_up(&stop);
    }
    let mut rows = Vec::new();
    for (name, tests) in SYSTEMS {
        if !is_wanted(name) {
            continue;
        }
        let ran = match name {
            NETWORK => trouble(project, plan, tests),
            _ => soak(project, plan, name, tests),
        };
        match ran {
            Ok(row) => rows.push(row),
            Err(stop) => {
                rows.push(format!("| {name} | FAILED | {} |", stop.why()));
                rows.iter().for_each(|row| println!("{row}"));
                return give_up(&stop);
            }
        }
    }
    if !rows.is_empty() {
        println!("\n| system | kills | lost or doubled | time |\n|---|---|---|---|");
    }
    rows.iter().for_each(|row| println!("{row}"));
    ExitCode::SUCCESS
}

/// Kills the pipelines of one system as often as requested.
fn soak(project: &Project, plan: &Plan, name: &str, tests: &str) -> Result<String, Stop> {
    let (begin, mut kills, mut seed) = (Instant::now(), 0, plan.seed);
    let python = match tests.starts_with("python/") {
        true => Some(Environment::with_wheel(project)?),
        false => None,
    };
    while kills < plan.kills {
        let invocation = match &python {
            Some(python) => python.run("-I -m pytest -q -s -p no:xdist").arg(tests),
            None => Invocation::cargo("test -q --package thalweg-io --all-features --lib --")
                .arg(tests)
                .args(["--nocapture", "--test-threads=1"].map(Into::into)),
        };
        let written = invocation
            .variable("THALWEG_KILLS", ROUND.min(plan.kills - kills).to_string())
            .variable("THALWEG_SEED", seed.to_string())
            .read(project)?;
        let hits = hits(&written);
        if hits == 0 {
            return Ok(format!(
                "| {name} | 0 | skipped: no server, or no program | |"
            ));
        }
        kills += hits;
        seed += 1;
        println!("{name}: {kills} of {}", plan.kills);
    }
    let time = short_time(begin.elapsed());
    Ok(format!("| {name} | {kills} | none | {time} |"))
}

/// Kills pipelines of peers beside one of ours, and prints what each has lost.
fn peers(project: &Project, plan: &Plan) -> Result<(), Stop> {
    let python = bench::python_with_clients(project)?;
    let brokers = Brokers::start(project)?;
    let mut killed = python
        .run("-W ignore benches/python/kills.py --kills")
        .arg(plan.kills.to_string())
        .arg("--seed")
        .arg(plan.seed.to_string());
    for (name, address) in brokers.variables() {
        killed = killed.variable(name, address);
    }
    Ok(killed.run(project)?)
}

/// Runs pipelines over a faulty network, and with faulty brokers.
fn trouble(project: &Project, plan: &Plan, tests: &str) -> Result<String, Stop> {
    let begin = Instant::now();
    let written = Invocation::cargo("test -q --package thalweg-io --all-features --lib --")
        .args(tests.split(' ').map(Into::into))
        .args(["--nocapture", "--test-threads=1"].map(Into::into))
        .variable("THALWEG_SECONDS", NETWORK_SECONDS.to_string())
        .variable("THALWEG_SEED", plan.seed.to_string())
        .read(project)?;
    for line in written.lines().filter(|line| line.contains(" troubles, ")) {
        println!("{NETWORK}: {line}");
    }
    let time = short_time(begin.elapsed());
    Ok(format!("| {NETWORK} | no kills | none | {time} |"))
}

/// Number of kills in the output of tests: `…: killed 3 times, seed 1`.
fn hits(written: &str) -> u32 {
    let lines = written
        .lines()
        .filter_map(|line| line.split_once(": killed "));
    let counts = lines.filter_map(|(_, rest)| rest.split(' ').next()?.parse::<u32>().ok());
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_that_hit_are_counted() {
        let written = "running 2 tests\n.a::child: killed 3 times, seed 1\nb::child: killed 2 times, seed 1\nok\n";
        assert_eq!(hits(written), 5);
    }
}
