//! A server for tests, if its programs are installed.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where Debian installs the programs of one version.
const DEBIAN: &str = "/usr/lib/postgresql";

pub(super) struct Server {
    dir: TempDir,
    programs: PathBuf,
    port: u16,
    process: Child,
}

impl Server {
    /// A running server; `None`, with a message, if it is not installed.
    pub(super) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            eprintln!("skipped: there is no `initdb`, of PostgreSQL, on this machine");
            return None;
        };
        let dir = tempfile::tempdir().expect("there is room");
        if let Some(user) = ordinary_user() {
            std::os::unix::fs::chown(dir.path(), Some(user), None).expect("it is a superuser");
        }
        let made = ordinary(&programs.join("initdb"))
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=me",
                "--encoding=UTF8",
                "--pgdata",
            ])
            .arg(dir.path().join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("it can be run").success());
        let port = free_port();
        let process = run(&programs, dir.path(), port);
        Some(Self {
            dir,
            programs,
            port,
            process,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn url(&self) -> String {
        url(self.port)
    }

    /// Kills it, as in a crash, and starts it again.
    pub(super) fn crash(&mut self) {
        self.end();
        self.process = run(&self.programs, self.dir.path(), self.port);
    }

    fn end(&mut self) {
        let stopped = ordinary(&self.programs.join("pg_ctl"))
            .args(["stop", "--silent", "--mode=immediate", "--pgdata"])
            .arg(self.dir.path().join("data"))
            .status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

pub(super) fn url(port: u16) -> String {
    format!("postgres://me:secret@127.0.0.1:{port}/postgres")
}

fn answers(url: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there are descriptors");
    runtime.block_on(async {
        tokio_postgres::connect(url, tokio_postgres::NoTls)
            .await
            .is_ok()
    })
}

fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    places.extend(versions.map(|version| version.path().join("bin")));
    let found = places
        .into_iter()
        .find(|place| place.join("initdb").is_file())?;
    // May be a link to the directory of the other programs.
    let program = fs::canonicalize(found.join("initdb")).ok()?;
    program.parent().map(Path::to_path_buf)
}

/// User for programs that refuse to run as the superuser.
fn ordinary_user() -> Option<u32> {
    let me = fs::metadata("/proc/self").ok()?;
    let nobody = 65_534;
    (std::os::unix::fs::MetadataExt::uid(&me) == 0).then_some(nobody)
}

fn ordinary(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", "C");
    if let Some(user) = ordinary_user() {
        command.uid(user).gid(user);
    }
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    listener.local_addr().expect("it is bound").port()
}

fn run(programs: &Path, dir: &Path, port: u16) -> Child {
    let mut process = ordinary(&programs.join("postgres"))
        .args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c"])
        .arg(format!("unix_socket_directories={}", dir.display()))
        .args(["-p", &port.to_string(), "-D"])
        .arg(dir.join("data"))
        .stderr(Stdio::piped())
        .spawn()
        .expect("it can be run");
    let begin = Instant::now();
    let url = url(port);
    while !answers(&url) {
        if begin.elapsed() > Duration::from_secs(60)
            || process.try_wait().is_ok_and(|it| it.is_some())
        {
            let _ = process.kill();
            let mut text = String::new();
            let mut errors = process.stderr.take().expect("it is piped");
            let _ = errors.read_to_string(&mut text);
            panic!("the server does not answer: {text}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    // Nobody reads its output from here on.
    if let Some(errors) = process.stderr.take() {
        std::thread::spawn(move || std::io::copy(&mut { errors }, &mut std::io::sink()));
    }
    process
}
