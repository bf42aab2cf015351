//! thalweg and its peers side by side in one run, with medians and ratios.
//!
//! `cargo xtask bench` runs everything; `cargo xtask bench -- --quick` a tenth of it; `cargo xtask bench -- --instructions`
//! counts instructions instead, for which it needs valgrind.

#[cfg(feature = "brokers")]
mod brokers;
mod cases;
#[cfg(feature = "http")]
mod http;
mod instructions;
mod measure;
mod report;

use cases::dashboard::Looks;
use cases::scale::{Phase, Shape, per_node_of_many};
use cases::{buffer, chain, dashboard, memory, sleepers, tasks};
use report::Line;

struct Arguments {
    quick: bool,
    instructions: bool,
    #[cfg(feature = "brokers")]
    brokers: bool,
    #[cfg(feature = "http")]
    http: bool,
    only: Option<String>,
}

fn arguments() -> Result<Arguments, lexopt::Error> {
    use lexopt::prelude::*;
    let mut arguments = Arguments {
        quick: false,
        instructions: false,
        #[cfg(feature = "brokers")]
        brokers: false,
        #[cfg(feature = "http")]
        http: false,
        only: None,
    };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("quick") => arguments.quick = true,
            Long("instructions") => arguments.instructions = true,
            #[cfg(feature = "brokers")]
            Long("brokers") => arguments.brokers = true,
            #[cfg(feature = "http")]
            Long("http") => arguments.http = true,
            // Arguments for running itself as the clients of a server.
            #[cfg(feature = "http")]
            Long("load") => {
                let load = http::Load {
                    port: parser.value()?.parse()?,
                    connections: parser.value()?.parse()?,
                    requests: parser.value()?.parse()?,
                    interval: match parser.value()?.parse()? {
                        0 => None,
                        milliseconds => Some(std::time::Duration::from_millis(milliseconds)),
                    },
                };
                http::run(&load);
                std::process::exit(0);
            }
            #[cfg(feature = "http")]
            Long("serve") => {
                http::serve(parser.value()?.parse()?);
                std::process::exit(0);
            }
            // Arguments for running itself under callgrind.
            Long("count") => {
                let (half, elements) = (parser.value()?.string()?, parser.value()?.parse()?);
                instructions::run(&half, elements)?;
                std::process::exit(0);
            }
            // cargo passes this to every benchmark.
            Long("bench") => {}
            Long("help") | Short('h') => {
                println!(
                    "usage: compare [--quick | --instructions] [CASE]\n\nCASE: only cases whose name contains this text"
                );
                std::process::exit(0);
            }
            Value(text) => arguments.only = Some(text.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}

/// Phases of large pipelines.
const SCALE: [(&str, Shape, Phase); 9] = [
    ("nodes-deep-build", Shape::Deep, Phase::Build),
    ("nodes-deep-emit", Shape::Deep, Phase::Emit),
    ("nodes-deep-drain", Shape::Deep, Phase::Drain),
    ("nodes-deep-drop", Shape::Deep, Phase::Drop),
    ("nodes-wide-build", Shape::Wide, Phase::Build),
    ("nodes-wide-emit", Shape::Wide, Phase::Emit),
    ("nodes-wide-drain", Shape::Wide, Phase::Drain),
    ("nodes-wide-drop", Shape::Wide, Phase::Drop),
    ("nodes-windows-drain", Shape::Windows, Phase::Drain),
];

fn main() {
    let arguments = arguments().unwrap_or_else(|error| {
        eprintln!("compare: {error}; see --help");
        std::process::exit(2);
    });
    if arguments.instructions {
        if let Err(problem) = instructions::print() {
            eprintln!("compare: {problem}");
            std::process::exit(1);
        }
        return;
    }
    #[cfg(feature = "brokers")]
    if arguments.brokers {
        let only = arguments.only.as_deref().unwrap_or_default();
        let lines = brokers::lines(arguments.quick, |name| name.contains(only));
        println!("Measured on: {}\n", report::machine());
        print!("{}", report::table(&lines));
        return;
    }
    #[cfg(feature = "http")]
    if arguments.http {
        let only = arguments.only.as_deref().unwrap_or_default();
        let lines = http::lines(arguments.quick, |name| name.contains(only));
        println!("Measured on: {}\n", report::machine());
        print!("{}", report::table(&lines));
        return;
    }
    let scale = if arguments.quick { 10 } else { 1 };
    let rounds = if arguments.quick { 5 } else { 15 };
    let elements = 2_000_000 / scale;
    let count = scale as usize;
    type Case<'a> = (&'a str, Box<dyn Fn() -> Line>);
    let mut cases: Vec<Case<'_>> = vec![
        (
            "ten-maps",
            Box::new(move || chain::one_by_one(rounds, elements)),
        ),
        (
            "ten-maps-batched",
            Box::new(move || chain::batched(rounds, elements)),
        ),
        (
            "mixed-shared",
            Box::new(move || chain::mixed_shared(rounds, elements)),
        ),
        (
            "mixed-local",
            Box::new(move || chain::mixed_local(rounds, elements)),
        ),
        (
            "chained-local",
            Box::new(move || chain::chained_local(rounds, elements)),
        ),
        (
            "chained-loop",
            Box::new(move || chain::chained_loop(rounds, elements)),
        ),
        (
            "buffer",
            Box::new(move || buffer::hop(rounds, elements / 2)),
        ),
        (
            "tasks-tokio",
            Box::new(move || tasks::against_tokio(rounds, elements / 10)),
        ),
        (
            "tasks-rayon",
            Box::new(move || tasks::against_rayon(rounds, elements / 10)),
        ),
        (
            "sleepers-memory",
            Box::new(move || sleepers::memory(1_000_000 / count)),
        ),
        ("sleepers-time", Box::new(sleepers::eight_hours)),
        (
            "slow-sink",
            Box::new(move || memory::slow_sink(10_000_000 / scale)),
        ),
        (
            "dropped-pipelines",
            Box::new(move || memory::dropped_pipelines(10_000 / count)),
        ),
        (
            "dashboard-looked-at",
            Box::new(move || dashboard::cost(rounds, Looks::Somebody)),
        ),
        (
            "dashboard-not-looked-at",
            Box::new(move || dashboard::cost(rounds, Looks::Nobody)),
        ),
    ];
    for (name, shape, phase) in SCALE {
        let case = move || per_node_of_many(name, shape, phase, rounds);
        cases.push((name, Box::new(case)));
    }
    let chosen = |name: &str| {
        arguments
            .only
            .as_ref()
            .is_none_or(|only| name.contains(only.as_str()))
    };
    let lines: Vec<Line> = cases
        .iter()
        .filter(|(name, _)| chosen(name))
        .map(|(name, case)| {
            eprintln!("measuring {name} …");
            case()
        })
        .collect();
    println!("Measured on: {}\n", report::machine());
    print!("{}", report::table(&lines));
}
