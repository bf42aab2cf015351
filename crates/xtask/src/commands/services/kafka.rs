//! Apache Kafka, from Maven.

use super::refused;
use crate::invocation::Invocation;
use crate::project::Project;
use crate::step::Stop;
use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Timeout of its start, and of its end.
const PATIENCE: Duration = Duration::from_secs(60);
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

/// Kafka in its directory.
pub(super) struct Kafka {
    dir: PathBuf,
}

impl Kafka {
    pub(super) fn new(project: &Project) -> Self {
        Self {
            dir: project.target.join("services/kafka"),
        }
    }

    pub(super) fn up(&self, project: &Project, port: u16) -> Result<(), Stop> {
        if let Some(process) = self.process() {
            println!("Kafka runs already, as process {process}");
            return Ok(());
        }
        self.install(project)?;
        self.format(project, port)?;
        self.start(port)?;
        println!("Kafka listens: THALWEG_TEST_KAFKA=127.0.0.1:{port}");
        Ok(())
    }

    /// Whether `services up` has installed it.
    pub(super) fn is_installed(&self) -> bool {
        self.dir.join("installed").exists()
    }

    pub(super) fn is_running(&self) -> bool {
        self.process().is_some()
    }

    /// Downloads missing files by Maven.
    fn install(&self, project: &Project) -> Result<(), Stop> {
        if self.is_installed() {
            return Ok(());
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
        Invocation::program("java", "-Xmx128m -cp")
            .arg(self.class_path())
            .arg("kafka.tools.StorageTool")
            .args(["format", "-t", CLUSTER, "-c"].map(Into::into))
            .arg(&settings)
            .run(project)?;
        Ok(())
    }

    /// Starts it in the background, and waits until it listens.
    fn start(&self, port: u16) -> Result<(), Stop> {
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
        // Not interrupted by Ctrl-C in this terminal.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.spawn().map_err(refused(Path::new("java")))?;
        let note = self.dir.join("process");
        fs::write(&note, child.id().to_string()).map_err(refused(&note))?;
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
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

/// The settings of a node that is broker and controller.
fn properties(data: &Path, port: u16, controller: u16) -> String {
    format!(
        "process.roles=broker,controller\n\
         node.id=1\n\
         controller.quorum.voters=1@127.0.0.1:{controller}\n\
         listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}\n\
         advertised.listeners=PLAINTEXT://127.0.0.1:{port}\n\
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
