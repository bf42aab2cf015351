//! `cargo xtask test`: runs every step, even after a failure.

mod concurrency;
mod dependencies;
mod floors;
mod lints;
mod memory;
mod platforms;
mod pytest;
mod python;
mod servers;
mod tests;

use super::services::StopsKafka;
use crate::console::Palette;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::{Report, Step, Stop};
use crate::summary::Summary;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Run all tests and lints. All steps run, even if one fails; steps without their tools on this machine are skipped.

Usage: cargo xtask test [--servers] [--quick | --pythons | STEP...]

Arguments:
  [STEP]...  Run these steps only

Options:
      --list   List the steps
      --servers  First install the servers to which tests connect; then a test without one fails
      --quick  Run only the lints and the unit tests of the core
      --pythons  Run all Python tests on every installed Python from 3.10 on
  -h, --help   Print this help
";

/// The tests come last, so that their results end the log.
pub(crate) const STEPS: [Step; 21] = [
    SERVERS,
    Step {
        name: "fmt",
        claim: "sources are formatted",
        action: lints::fmt,
    },
    Step {
        name: "clippy",
        claim: "no lint has anything to say",
        action: lints::clippy,
    },
    Step {
        name: "docs",
        claim: "the documentation builds without warnings",
        action: lints::docs,
    },
    Step {
        name: "minimal",
        claim: "thalweg builds without its default features",
        action: dependencies::minimal,
    },
    Step {
        name: "pure",
        claim: "thalweg depends on nothing of Python",
        action: dependencies::pure,
    },
    Step {
        name: "deny",
        claim: "dependencies have licences that suit, and come from the registry",
        action: dependencies::deny,
    },
    Step {
        name: "floors",
        claim: "modules of thalweg use nothing above them",
        action: floors::floors,
    },
    Step {
        name: "platforms",
        claim: "what is not for Linux alone compiles for macOS and Windows",
        action: platforms::platforms,
    },
    Step {
        name: "loom",
        claim: "no interleaving of threads breaks the monitor",
        action: concurrency::loom,
    },
    Step {
        name: "unit",
        claim: "unit tests, integration tests and examples pass",
        action: tests::unit,
    },
    Step {
        name: "valgrind",
        claim: "unsafe code reads and writes only what it may",
        action: memory::valgrind,
    },
    Step {
        name: "doctest",
        claim: "examples in the documentation hold",
        action: tests::doctest,
    },
    Step {
        name: "python",
        claim: "Python sources are formatted, and no lint has anything to say",
        action: python::lint,
    },
    Step {
        name: "wheel",
        claim: "the Python package builds and installs",
        action: python::wheel,
    },
    Step {
        name: "sdist",
        claim: "the source distribution holds all that a wheel is built of",
        action: python::sdist,
    },
    Step {
        name: "types",
        claim: "Python sources agree with their types, and stubs with what was built",
        action: python::types,
    },
    Step {
        name: "pyright",
        claim: "editors know the types of what the package exports, and of programs of lambdas",
        action: python::pyright,
    },
    Step {
        name: "pytest",
        claim: "Python tests pass, and examples in docstrings hold",
        action: pytest::tests,
    },
    Step {
        name: "site",
        claim: "the documentation builds as a site that loads nothing from elsewhere",
        action: python::site,
    },
    Step {
        name: "streamz",
        claim: "streamz's own tests pass on thalweg",
        action: python::streamz,
    },
];

const SERVERS: Step = Step {
    name: "servers",
    claim: "the servers to which tests connect are there",
    action: servers::find,
};

/// The step `servers` of `--servers`.
const SERVERS_BROUGHT: Step = Step {
    action: servers::bring,
    ..SERVERS
};

/// What to run.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) choice: Choice,
    /// Whether missing servers are installed first.
    pub(crate) with_servers: bool,
}

/// The selected steps.
#[derive(Debug, PartialEq)]
pub(crate) enum Choice {
    All,
    Quick,
    Pythons,
    Named(Vec<String>),
}

impl Choice {
    /// Whether a step of [`STEPS`] is among them.
    fn includes(&self, step: &str) -> bool {
        match self {
            Self::All => true,
            Self::Quick => QUICK.contains(&step),
            Self::Pythons => step == SERVERS.name,
            Self::Named(names) => names.iter().any(|name| name == step),
        }
    }
}

/// Steps of `--quick`, before the unit tests of the core.
const QUICK: [&str; 5] = ["fmt", "clippy", "pure", "floors", "python"];

const CORE: Step = Step {
    name: "core",
    claim: "unit tests of the core pass",
    action: tests::core,
};

/// Steps of `--pythons`.
const PYTHONS: [Step; 6] = [
    Step {
        name: "wheel",
        claim: "the Python package builds",
        action: python::build,
    },
    on_python("3.10", |project| pytest::tests_on(project, 10)),
    on_python("3.11", |project| pytest::tests_on(project, 11)),
    on_python("3.12", |project| pytest::tests_on(project, 12)),
    on_python("3.13", |project| pytest::tests_on(project, 13)),
    on_python("3.14", |project| pytest::tests_on(project, 14)),
];

const fn on_python(name: &'static str, action: fn(&Project) -> Result<(), Stop>) -> Step {
    Step {
        name,
        claim: "the same wheel installs there, and all Python tests pass",
        action,
    }
}

pub(crate) fn list() {
    for Step { name, claim, .. } in &STEPS {
        println!("{name:9} {claim}");
    }
}

/// Runs the selected steps.
pub(crate) fn run(project: &Project, plan: &Plan) -> ExitCode {
    let _stops_kafka = StopsKafka::new(project);
    let includes = |step: &&Step| plan.choice.includes(step.name);
    let servers = match plan.with_servers {
        true => Some(&SERVERS_BROUGHT),
        false => Some(&SERVERS).filter(includes),
    };
    let others = STEPS.iter().filter(|step| step.name != SERVERS.name);
    let of_pythons = PYTHONS.iter().filter(|_| plan.choice == Choice::Pythons);
    let chosen = servers
        .into_iter()
        .chain(others.filter(includes))
        .chain((plan.choice == Choice::Quick).then_some(&CORE))
        .chain(of_pythons);
    let reports: Vec<Report> = chosen.map(|step| step.run(project)).collect();
    let summary = Summary::new(reports);
    print!("{}", summary.text(Palette::detect()));
    if summary.failed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}

/// Skips the step if cargo lacks a command of an optional component.
fn needs_component(project: &Project, command: &str, component: &str) -> Result<(), Stop> {
    if Invocation::cargo(command)
        .arg("--version")
        .succeeds(project)
    {
        return Ok(());
    }
    Err(Stop::Skipped(format!(
        "{component} is not installed; `rustup component add {component}` brings it"
    )))
}

/// Skips the step if the invocation, a call of `cargo test`, selects no test.
fn needs_tests(project: &Project, invocation: Invocation, what: &str) -> Result<(), Stop> {
    let listed = invocation.arg("--").arg("--list").read(project)?;
    if listed.lines().any(|line| line.ends_with(": test")) {
        return Ok(());
    }
    Err(Stop::Skipped(format!("there is no {what}")))
}
