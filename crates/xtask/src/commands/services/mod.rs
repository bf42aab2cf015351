//! `cargo xtask services`: real servers for the tests.

mod brokers;
mod debian;
mod ferretdb;
mod gofakes3;
mod kafka;
mod nats;

pub(crate) use self::brokers::Brokers;
use super::give_up;
use crate::project::Project;
use crate::step::Stop;
use kafka::Kafka;
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

Servers that cannot be installed are named. Tests start all but Kafka by themselves, and find Kafka by the variable
THALWEG_TEST_KAFKA=127.0.0.1:PORT. All files are in `target/services`.

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

/// Installs all servers; one that cannot be installed does not stop the others.
fn up(project: &Project, kafka: &Kafka, port: u16) -> Result<(), Stop> {
    let mut done = Ok(());
    for (name, one) in [
        ("NATS", nats::bring(project)),
        ("FerretDB", ferretdb::bring(project)),
        ("gofakes3", gofakes3::bring(project)),
        ("Debian's packages", debian::bring(project)),
        ("Kafka", kafka.up(project, port)),
    ] {
        match one {
            Err(Stop::Skipped(why)) => println!("{name}: skipped: {why}"),
            one => done = done.and(one),
        }
    }
    done
}

/// Whether a program with this name exists and succeeds with this argument.
fn is_there(project: &Project, program: &str, argument: &str) -> bool {
    crate::invocation::Invocation::program(program, argument).succeeds(project)
}

fn refused(path: &Path) -> impl Fn(io::Error) -> Stop + '_ {
    |error| Stop::Failed(format!("{}: {error}", path.display()))
}
