//! A real server.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;

use crate::Redis;

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Redis on a port of its own, as long as this lives.
pub(super) struct Server {
    program: PathBuf,
    dir: TempDir,
    pub(super) port: u16,
    running: Option<Child>,
}

impl Server {
    /// Starts it; without the program, says so.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let path = env::var_os("PATH").unwrap_or_default();
        let dirs = env::split_paths(&path);
        let mut programs = dirs.map(|dir| dir.join("redis-server"));
        let Some(program) = programs.find(|program| program.is_file()) else {
            eprintln!(
                "skipped: there is no program `redis-server`; install Debian's package of that name"
            );
            return Ok(None);
        };
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = Self {
            program,
            dir: tempfile::tempdir()?,
            port,
            running: None,
        };
        server.start_again()?;
        Ok(Some(server))
    }

    /// Starts it at the same port, with what it had written to its log.
    pub(super) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        let mut command = Command::new(&self.program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"]);
        command.arg("--port").arg(self.port.to_string());
        command.arg("--dir").arg(self.dir.path());
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

    pub(super) fn key(&self, name: &str) -> Redis {
        at(self.port, name)
    }
}

/// A key of the server at a port.
pub(super) fn at(port: u16, name: &str) -> Redis {
    Redis::new(format!("redis://127.0.0.1:{port}"), name).wait(Duration::from_millis(5))
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
