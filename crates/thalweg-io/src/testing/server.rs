//! Servers for tests, if their programs are installed.

use std::error::Error;
use std::ffi::OsString;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;

use super::missing;

/// Timeout of starting a server.
const PATIENCE: Duration = Duration::from_secs(30);

/// The arguments for a directory and a port.
type Arguments = fn(&Path, u16) -> Vec<OsString>;

/// A running server on its own port; dropping it kills the server.
pub(crate) struct TestServer {
    program: PathBuf,
    dir: TempDir,
    port: u16,
    arguments: Arguments,
    running: Option<Child>,
}

impl TestServer {
    /// Starts it; if it is not installed, prints how to install it.
    pub(crate) fn start(
        program: &str,
        remedy: &str,
        arguments: Arguments,
    ) -> Result<Option<Self>, Box<dyn Error>> {
        let Some(path) = find(program) else {
            return missing(&format!("there is no program `{program}`; {remedy}"));
        };
        let mut server = Self {
            program: path,
            dir: tempfile::tempdir()?,
            port: TcpListener::bind("127.0.0.1:0")?.local_addr()?.port(),
            arguments,
            running: None,
        };
        server.start_again()?;
        Ok(Some(server))
    }

    /// Restarts it at the same port, with the data in its directory.
    pub(crate) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        let mut command = Command::new(&self.program);
        command.args((self.arguments)(self.dir.path(), self.port));
        if let Some(libraries) = libraries(&self.program) {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let running = self.running.insert(command.stderr(Stdio::null()).spawn()?);
        let end = Instant::now() + PATIENCE;
        while let Err(error) = TcpStream::connect(("127.0.0.1", self.port)) {
            if let Some(ended) = running.try_wait()? {
                let program = self.program.display();
                return Err(format!("{program} has ended: {ended}").into());
            }
            if Instant::now() > end {
                return Err(error.into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// Its data directory.
    #[cfg(feature = "remote")]
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Kills it.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }

    /// Ends it by SIGTERM, so that it stores what it holds.
    #[cfg(feature = "mqtt")]
    pub(crate) fn end(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = Command::new("kill").arg(running.id().to_string()).status();
            let _ = running.wait();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Finds a program: in the path, where Debian installs servers, or in the directory of `cargo xtask services up`.
fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = env::split_paths(&path).collect();
    dirs.push("/usr/sbin".into());
    if let Some(services) = services() {
        let brought = [
            "nats",
            "ferretdb",
            "gofakes3",
            "debian/usr/bin",
            "debian/usr/sbin",
        ];
        dirs.extend(brought.map(|dir| services.join(dir)));
    }
    let mut programs = dirs.into_iter().map(|dir| dir.join(name));
    programs.find(|program| program.is_file())
}

/// A file installed by `cargo xtask services up` or by the system below `/usr`, such as `lib/openssh/sftp-server`.
#[cfg(feature = "remote")]
pub(crate) fn find_file(name: &str) -> Option<PathBuf> {
    let brought = services().map(|services| services.join("debian/usr"));
    let roots = brought.into_iter().chain([PathBuf::from("/usr")]);
    roots
        .map(|root| root.join(name))
        .find(|file| file.is_file())
}

/// `target/services`, relative to this program in `target/debug/deps`.
fn services() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    Some(program.ancestors().nth(3)?.join("services"))
}

/// The libraries installed with a program.
fn libraries(program: &Path) -> Option<PathBuf> {
    let root = program.parent()?.parent()?.parent()?;
    let is_brought = root.file_name()? == "debian";
    let machine = format!("usr/lib/{}-linux-gnu", env::consts::ARCH);
    is_brought.then(|| root.join(machine))
}
