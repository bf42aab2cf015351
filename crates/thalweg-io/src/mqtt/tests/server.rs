//! A real broker.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use tempfile::TempDir;

use crate::Mqtt;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Mosquitto on a port of its own, as long as this lives.
pub(super) struct Mosquitto {
    program: PathBuf,
    dir: TempDir,
    pub(super) port: u16,
    running: Option<Child>,
}

impl Mosquitto {
    /// Starts it; without the program, says so.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let Some(program) = find("mosquitto") else {
            eprintln!(
                "skipped: there is no program `mosquitto`; install Debian's package of that name"
            );
            return Ok(None);
        };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut broker = Self {
            program,
            dir: tempfile::tempdir()?,
            port,
            running: None,
        };
        let settings =
            format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n");
        fs::write(broker.settings(), settings)?;
        broker.start_again()?;
        Ok(Some(broker))
    }

    fn settings(&self) -> PathBuf {
        self.dir.path().join("settings")
    }

    /// Starts it at the same port.
    pub(super) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        let mut command = Command::new(&self.program);
        command.arg("-c").arg(self.settings());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(command.spawn()?);
        let end = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect(("127.0.0.1", self.port)) {
            if Instant::now() > end {
                return Err(error.into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Kills it.
    pub(super) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    pub(super) fn topic(&self, name: &str) -> Mqtt {
        Mqtt::new("127.0.0.1", self.port, name)
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A program; Debian puts servers where not everybody looks.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    dirs.push("/usr/sbin".into());
    dirs.into_iter()
        .map(|dir| dir.join(name))
        .find(|program| program.is_file())
}
