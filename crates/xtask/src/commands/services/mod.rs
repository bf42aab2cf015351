//! `cargo xtask services`: real servers for the tests.

mod brokers;
mod debian;
mod ferretdb;
mod go;
mod kafka;

pub(crate) use self::brokers::Brokers;
pub(crate) use self::kafka::StopsKafka;
use self::kafka::{Kafka, Lifetime, VARIABLE as KAFKA};
use super::give_up;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use go::{GOFAKES3, NATS};
use std::io;
use std::path::Path;
use std::process::ExitCode;

pub(crate) const HELP: &str = "\
Install real servers for the tests, as an ordinary user, and start Kafka; or stop it.

Usage: cargo xtask services <up|down> [--port PORT]

It installs, unless they are there:
  Apache Kafka 4.0.0, one node, on 127.0.0.1; needs Java 17 and Maven, which fetches 40 MB
  NATS 2.15, built by Go in two minutes
  FerretDB 1.24, with MongoDB's protocol, built by Go in one minute
  gofakes3, with S3's protocol, built by Go in one minute
  Mosquitto, Redis, vsftpd, nginx, OpenSSH and Chromium, from Debian's packages, unpacked only

Servers that cannot be installed are named. Tests start all but Kafka by themselves; `cargo xtask test` starts Kafka for
them, others find it by the variable THALWEG_TEST_KAFKA=127.0.0.1:PORT. All files are in `target/services`.

Options:
      --port PORT  Port of Kafka (default: 19092); its controller uses the next one
";

/// Default port of Kafka.
pub(crate) const PORT: u16 = 19_092;

/// The requested action.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Order {
    Up { port: u16 },
    Down,
}

/// A server, or several that are installed in one go.
struct Service {
    name: &'static str,
    is_installed: fn(&Project) -> bool,
    install: fn(&Project) -> Result<(), Stop>,
}

const SERVICES: [Service; 5] = [
    Service {
        name: "NATS",
        is_installed: |project| NATS.is_installed(project),
        install: |project| NATS.install(project),
    },
    Service {
        name: "FerretDB",
        is_installed: ferretdb::is_installed,
        install: ferretdb::install,
    },
    Service {
        name: "gofakes3",
        is_installed: |project| GOFAKES3.is_installed(project),
        install: |project| GOFAKES3.install(project),
    },
    Service {
        name: "Debian's packages",
        is_installed: debian::is_installed,
        install: debian::install,
    },
    Service {
        name: "Kafka",
        is_installed: |project| Kafka::new(project).is_installed(),
        install: |project| Kafka::new(project).install(project),
    },
];

pub(crate) fn run(project: &Project, order: Order) -> ExitCode {
    let kafka = Kafka::new(project);
    let done = match order {
        Order::Up { port } => up(project, &kafka, port),
        Order::Down => kafka.down(project),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => give_up(&stop),
    }
}

/// Installs all servers, and starts Kafka.
fn up(project: &Project, kafka: &Kafka, port: u16) -> Result<(), Stop> {
    let installed = install(project);
    if kafka.is_installed() {
        let address = kafka.up(project, port, Lifetime::UntilStopped)?;
        println!("Kafka listens: {KAFKA}={address}");
    }
    match installed {
        // Named already.
        Err(Stop::Skipped(_)) => Ok(()),
        installed => installed,
    }
}

/// Installs the missing servers. One that cannot be installed is named, and does not stop the others.
pub(crate) fn install(project: &Project) -> Result<(), Stop> {
    let (mut skipped, mut failed) = (Vec::new(), Vec::new());
    for service in SERVICES {
        let name = service.name;
        if (service.is_installed)(project) {
            println!("{name}: there already");
            continue;
        }
        if let Err(stop) = (service.install)(project) {
            println!("{name}: not installed: {}", stop.why());
            let why = format!("{name}: {}", stop.why());
            match stop {
                Stop::Skipped(_) => skipped.push(why),
                _ => failed.push(why),
            }
        }
    }
    if !failed.is_empty() {
        return Err(Stop::Failed(failed.join("; ")));
    }
    match skipped.is_empty() {
        true => Ok(()),
        false => Err(Stop::Skipped(skipped.join("; "))),
    }
}

/// Starts Kafka, if it is installed, for the tests of a command. A [`StopsKafka`] made before stops it.
pub(crate) fn start_kafka(project: &Project) -> Result<(), Stop> {
    if let Some(address) = Kafka::new(project).for_this_command(project)? {
        println!("Kafka listens: {KAFKA}={address}");
        project.variables.borrow_mut().push((KAFKA, address));
    }
    Ok(())
}

/// Names of the servers that are not installed.
pub(crate) fn missing(project: &Project) -> Vec<&'static str> {
    let missing = SERVICES
        .iter()
        .filter(|service| !(service.is_installed)(project));
    missing.map(|service| service.name).collect()
}

/// Whether a program with this name exists and succeeds with this argument.
fn has_program(project: &Project, program: &str, argument: &str) -> bool {
    Invocation::program(program, argument).succeeds(project)
}

fn refused(path: &Path) -> impl Fn(io::Error) -> Stop + '_ {
    |error| Stop::Failed(format!("{}: {error}", path.display()))
}
