//! Apache Kafka, from Maven.

use super::{has_program, refused};
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Timeout of its start, and of its end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The variable with its address, for tests and benchmarks.
pub(crate) const VARIABLE: &str = "THALWEG_TEST_KAFKA";
const HOST: &str = "127.0.0.1";
/// What stands before its address in the settings.
const ADVERTISED: &str = "advertised.listeners=PLAINTEXT://";
/// Id of the cluster.
const CLUSTER: &str = "dGhhbHdlZy1zZXJ2aWNlcw";

const PROJECT_FILE: &str = r#"<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>thalweg</groupId>
  <artifactId>services</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>4.0.0</version>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
"#;

/// How long a started server runs.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lifetime {
    /// Until it is stopped, also after Ctrl-C in this terminal.
    UntilStopped,
    /// Ctrl-C ends it as well.
    OfThisCommand,
}

/// Kafka in its directory.
pub(crate) struct Kafka {
    dir: PathBuf,
}

impl Kafka {
    pub(crate) fn new(project: &Project) -> Self {
        Self {
            dir: project.target.join("services/kafka"),
        }
    }

    /// Starts it, without topics, unless it runs; returns its address.
    pub(super) fn up(
        &self,
        project: &Project,
        port: u16,
        lifetime: Lifetime,
    ) -> Result<String, Stop> {
        if let Some(address) = self.address() {
            return Ok(address);
        }
        self.format(project, port)?;
        self.start(port, lifetime)?;
        Ok(format!("{HOST}:{port}"))
    }

    /// Starts it on a free port for the time of a command, unless it runs; returns its address. None without an installed
    /// one, and if the variable says where one is.
    pub(crate) fn for_this_command(&self, project: &Project) -> Result<Option<String>, Stop> {
        if std::env::var_os(VARIABLE).is_some() || !self.is_installed() {
            return Ok(None);
        }
        let port = free_ports().map_err(refused(&self.dir))?;
        self.up(project, port, Lifetime::OfThisCommand).map(Some)
    }

    /// Whether `services up` has installed it.
    pub(crate) fn is_installed(&self) -> bool {
        self.dir.join("installed").exists()
    }

    /// Its address, if it runs.
    fn address(&self) -> Option<String> {
        self.process()?;
        let settings = fs::read_to_string(self.settings()).ok()?;
        let line = settings
            .lines()
            .find_map(|line| line.strip_prefix(ADVERTISED))?;
        Some(line.to_owned())
    }

    /// Downloads it by Maven.
    pub(super) fn install(&self, project: &Project) -> Result<(), Stop> {
        for (program, argument) in [("mvn", "--version"), ("java", "-version")] {
            if !has_program(project, program, argument) {
                let why = format!("there is no program `{program}`; Kafka needs Maven and Java 17");
                return Err(Stop::Skipped(why));
            }
        }
        fs::create_dir_all(&self.dir).map_err(refused(&self.dir))?;
        let file = self.dir.join("pom.xml");
        fs::write(&file, PROJECT_FILE).map_err(refused(&file))?;
        Invocation::program("mvn", "-q -B dependency:copy-dependencies")
            .arg("-f")
            .arg(&file)
            .arg(format!(
                "-DoutputDirectory={}",
                self.dir.join("libs").display()
            ))
            .run(project)?;
        let done = self.dir.join("installed");
        fs::write(&done, "").map_err(refused(&done))?;
        Ok(())
    }

    /// Writes the settings, and creates an empty directory for the topics.
    fn format(&self, project: &Project, port: u16) -> Result<(), Stop> {
        let (data, settings) = (self.dir.join("data"), self.settings());
        if data.exists() {
            fs::remove_dir_all(&data).map_err(refused(&data))?;
        }
        let text = properties(&data, port, port + 1);
        fs::write(&settings, text).map_err(refused(&settings))?;
        Invocation::program(
            "java",
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Xmx128m -cp",
        )
        .arg(self.class_path())
        .arg("kafka.tools.StorageTool")
        .args(["format", "-t", CLUSTER, "-c"].map(Into::into))
        .arg(&settings)
        .run(project)?;
        Ok(())
    }

    /// Starts it in the background, and waits until it listens.
    fn start(&self, port: u16, lifetime: Lifetime) -> Result<(), Stop> {
        let log = self.dir.join("log");
        let out = File::create(&log).map_err(refused(&log))?;
        let errors = out.try_clone().map_err(refused(&log))?;
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-Xms512m", "-cp"])
            .arg(self.class_path())
            .arg("kafka.Kafka")
            .arg(self.settings())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors);
        #[cfg(unix)]
        if lifetime == Lifetime::UntilStopped {
            std::os::unix::process::CommandExt::process_group(&mut command, 0);
        }
        let mut child = command.spawn().map_err(refused(Path::new("java")))?;
        let note = self.dir.join("process");
        fs::write(&note, child.id().to_string()).map_err(refused(&note))?;
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect((HOST, port)).is_err() {
            let has_ended = child.try_wait().map_err(refused(&note))?.is_some();
            if has_ended || Instant::now() > end {
                let log = log.display();
                return Err(Stop::Failed(format!("Kafka has not started: see {log}")));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    pub(super) fn down(&self, project: &Project) -> Result<(), Stop> {
        let Some(process) = self.process() else {
            println!("Kafka does not run");
            return Ok(());
        };
        Invocation::program("kill", "")
            .arg(process.to_string())
            .run(project)?;
        let end = Instant::now() + PATIENCE;
        while self.process().is_some() {
            if Instant::now() > end {
                return Err(Stop::Failed(format!("process {process} does not end")));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Its process id, if that process is still Kafka in this directory.
    fn process(&self) -> Option<u32> {
        let number = fs::read_to_string(self.dir.join("process")).ok()?;
        let number: u32 = number.trim().parse().ok()?;
        let command = fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        let settings = self.settings().display().to_string();
        (command.contains("kafka.Kafka") && command.contains(&settings)).then_some(number)
    }

    fn settings(&self) -> PathBuf {
        self.dir.join("server.properties")
    }

    fn class_path(&self) -> String {
        self.dir.join("libs/*").display().to_string()
    }
}

/// Stops Kafka when dropped, unless it ran before this was made.
pub(crate) struct StopsKafka<'a> {
    project: &'a Project,
    ran_before: bool,
}

impl<'a> StopsKafka<'a> {
    pub(crate) fn new(project: &'a Project) -> Self {
        let ran_before = Kafka::new(project).process().is_some();
        Self {
            project,
            ran_before,
        }
    }
}

impl Drop for StopsKafka<'_> {
    fn drop(&mut self) {
        let kafka = Kafka::new(self.project);
        if !self.ran_before
            && kafka.process().is_some()
            && let Err(stop) = kafka.down(self.project)
        {
            eprintln!("Kafka: {}", stop.why());
        }
    }
}

/// A free port whose successor is free as well.
fn free_ports() -> std::io::Result<u16> {
    loop {
        let first = TcpListener::bind((HOST, 0))?.local_addr()?.port();
        let next = first.checked_add(1);
        if next.is_some_and(|next| TcpListener::bind((HOST, next)).is_ok()) {
            return Ok(first);
        }
    }
}

/// The settings of a node that is broker and controller.
fn properties(data: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@{HOST}:{controller}\n\
         listeners=PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}\n\
         {ADVERTISED}{HOST}:{port}\n\
         controller.listener.names=CONTROLLER\n\
         log.dirs={}\n\
         offsets.topic.replication.factor=1\n\
         transaction.state.log.replication.factor=1\n\
         transaction.state.log.min.isr=1\n\
         share.coordinator.state.topic.replication.factor=1\n\
         share.coordinator.state.topic.min.isr=1\n\
         group.initial.rebalance.delay.ms=0\n",
        data.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafka_listens_on_this_machine_only() {
        let text = properties(Path::new("data"), 5, 6);
        let listeners = text.lines().filter(|line| line.contains("listeners="));
        for line in listeners {
            assert!(
                line.matches("//").count() == line.matches("//127.0.0.1:").count(),
                "{line}"
            );
        }
    }
}
