//! Brokers that run for as long as a benchmark needs them.

use super::kafka::{Kafka, StopsKafka, VARIABLE as KAFKA};
use super::refused;
use crate::project::Project;
use crate::step::Stop;
use std::ffi::OsString;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// A server, and how it is started.
struct Kind {
    /// Path of the program in `target/services/debian/usr` or `/usr`, or in `target/services`.
    program: &'static str,
    variable: &'static str,
    scheme: &'static str,
    arguments: fn(&Path, u16) -> Vec<OsString>,
}

const KINDS: [Kind; 3] = [
    Kind {
        program: "sbin/mosquitto",
        variable: "THALWEG_BENCH_MQTT",
        scheme: "mqtt",
        arguments: |dir, _| vec!["-c".into(), dir.join("settings").into()],
    },
    Kind {
        program: "nats/nats-server",
        variable: "THALWEG_BENCH_NATS",
        scheme: "nats",
        arguments: |dir, port| {
            let mut arguments = vec!["--port".into(), port.to_string().into()];
            arguments.extend(["--addr", "127.0.0.1", "--jetstream", "--store_dir"].map(Into::into));
            arguments.push(dir.into());
            arguments
        },
    },
    Kind {
        program: "bin/redis-server",
        variable: "THALWEG_BENCH_REDIS",
        scheme: "redis",
        arguments: |dir, port| {
            let mut arguments = vec!["--port".into(), port.to_string().into()];
            arguments.extend(["--bind", "127.0.0.1", "--save", "", "--dir"].map(Into::into));
            arguments.push(dir.into());
            arguments
        },
    },
];

/// Running brokers. Dropping them kills those that were started for this.
pub(crate) struct Brokers<'a> {
    _kafka: StopsKafka<'a>,
    servers: Vec<Server>,
    addresses: Vec<(&'static str, String)>,
}

struct Server {
    process: Child,
    dir: PathBuf,
}

impl<'a> Brokers<'a> {
    /// Starts the brokers that are installed, and names the others.
    pub(crate) fn start(project: &'a Project) -> Result<Self, Stop> {
        let mut brokers = Self {
            _kafka: StopsKafka::new(project),
            servers: Vec::new(),
            addresses: Vec::new(),
        };
        match Kafka::new(project).for_this_command(project)? {
            Some(address) => brokers.addresses.push((KAFKA, address)),
            None if std::env::var_os(KAFKA).is_some() => {}
            None => eprintln!("skipped: there is no Kafka; `cargo xtask services up` brings it"),
        }
        for kind in KINDS {
            let Some(program) = find(project, kind.program) else {
                let program = kind.program;
                eprintln!("skipped: there is no `{program}`; `cargo xtask services up` brings it");
                continue;
            };
            let (server, port) = start(project, &kind, &program)?;
            brokers.servers.push(server);
            let address = format!("{}://127.0.0.1:{port}", kind.scheme);
            brokers.addresses.push((kind.variable, address));
        }
        Ok(brokers)
    }

    /// Variables with the addresses.
    pub(crate) fn variables(&self) -> &[(&'static str, String)] {
        &self.addresses
    }
}

impl Drop for Brokers<'_> {
    fn drop(&mut self) {
        for server in &mut self.servers {
            let _ = server.process.kill();
            let _ = server.process.wait();
            let _ = fs::remove_dir_all(&server.dir);
        }
    }
}

fn find(project: &Project, program: &str) -> Option<PathBuf> {
    let services = project.target.join("services");
    let places = [
        services.join(program),
        services.join("debian/usr").join(program),
        Path::new("/usr").join(program),
    ];
    places.into_iter().find(|place| place.is_file())
}

fn start(project: &Project, kind: &Kind, program: &Path) -> Result<(Server, u16), Stop> {
    let dir = project.target.join("bench-brokers").join(kind.scheme);
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(refused(&dir))?;
    }
    fs::create_dir_all(&dir).map_err(refused(&dir))?;
    let port = TcpListener::bind("127.0.0.1:0").and_then(|taken| taken.local_addr());
    let port = port.map_err(refused(program))?.port();
    let settings = dir.join("settings");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nper_listener_settings false\n"
    );
    fs::write(&settings, text).map_err(refused(&settings))?;
    let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let libraries = project.target.join("services/debian").join(libraries);
    let process = Command::new(program)
        .args((kind.arguments)(&dir, port))
        .env("LD_LIBRARY_PATH", libraries)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(refused(program))?;
    let mut server = Server { process, dir };
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let has_ended = server.process.try_wait().map_err(refused(program))?;
        if has_ended.is_some() || Instant::now() > end {
            let _ = server.process.kill();
            let program = program.display();
            return Err(Stop::Failed(format!("{program} has not started")));
        }
        sleep(Duration::from_millis(10));
    }
    Ok((server, port))
}
