//! Runs a pipeline in a separate process, kills it by SIGKILL at random moments, and starts it again until it has
//! finished.
//!
//! `THALWEG_KILLS` sets the number of kills, `THALWEG_SEED` their moments; `cargo xtask soak` sets both.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::ops::{Deref, DerefMut};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, thread};

use tempfile::TempDir;
use tokio::runtime::Builder;

/// Timeout of starting a process, and of its last run.
const PATIENCE: Duration = Duration::from_secs(120);

const SIGKILL: i32 = 9;

/// Number of kills, unless the variable sets it.
pub(crate) fn kills(default: u32) -> u32 {
    variable("THALWEG_KILLS").unwrap_or(default)
}

/// Seed of the moments.
pub(crate) fn seed() -> u64 {
    variable("THALWEG_SEED").unwrap_or_else(|| u64::from(std::process::id()))
}

fn variable<N: std::str::FromStr>(name: &str) -> Option<N> {
    env::var(name).ok()?.parse().ok()
}

/// Pseudorandom numbers, for tests only.
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers that follow from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// The killing process.
pub(crate) struct Kills {
    test: &'static str,
    dir: TempDir,
    settings: Vec<(&'static str, String)>,
    kills: u32,
    within: Duration,
}

impl Kills {
    /// Kills the process that runs the test with this path, which begins with [`Killed::this`].
    pub(crate) fn of(test: &'static str, kills: u32) -> Self {
        Self {
            test,
            dir: tempfile::tempdir().expect("there is room"),
            settings: Vec::new(),
            kills,
            within: Duration::from_millis(100),
        }
    }

    /// A setting for the process, returned by [`Killed::setting`].
    pub(crate) fn setting(mut self, name: &'static str, value: impl ToString) -> Self {
        self.settings.push((name, value.to_string()));
        self
    }

    /// Maximum time from the start of a process to its kill.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// The directory of the test, which the processes find as [`Killed::dir`].
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts and kills processes, and lets the last one finish.
    ///
    /// # Panics
    /// A process does not start, or the last one does not finish.
    pub(crate) fn run(&self) {
        let (mut chance, mut hits) = (Chance::new(seed()), 0);
        for _ in 0..self.kills {
            let mut child = self.start();
            self.wait_for(&mut child, "begun");
            let millis = u64::try_from(self.within.as_millis()).unwrap_or(u64::MAX);
            thread::sleep(Duration::from_millis(chance.below(millis.max(1))));
            let _ = child.kill();
            let ended = child.wait().expect("it has ended");
            hits += u32::from(ended.signal() == Some(SIGKILL));
        }
        self.wait_for(&mut self.start(), "done");
        // Processes that had finished before do not count as killed.
        println!("{}: killed {hits} times, seed {}", self.test, seed());
    }

    fn start(&self) -> Running {
        let _ = fs::remove_file(self.dir().join("begun"));
        let _ = fs::remove_file(self.dir().join("done"));
        self.spawn("")
    }

    /// Starts one of several processes that run at the same time, each with its own name, the setting `NAME`.
    pub(crate) fn spawn(&self, name: &str) -> Running {
        let errors = self.dir().join(format!("errors{name}"));
        let errors = File::create(errors).expect("there is room");
        let out = errors.try_clone().expect("there are descriptors");
        let mut child = Command::new(env::current_exe().expect("it runs"));
        child.args(["--exact", self.test, "--nocapture"]);
        child.env("THALWEG_KILL_DIR", self.dir());
        child.env("THALWEG_KILL_NAME", name);
        for (name, value) in &self.settings {
            child.env(format!("THALWEG_KILL_{name}"), value);
        }
        child.stdout(out).stderr(errors).stdin(Stdio::null());
        Running(child.spawn().expect("it can be started"))
    }

    /// Waits until the process has written a mark, or has ended.
    fn wait_for(&self, child: &mut Child, mark: &str) {
        let end = Instant::now() + PATIENCE;
        let is_there = || self.dir().join(mark).exists();
        while !is_there() {
            let has_ended = child.try_wait().is_ok_and(|ended| ended.is_some());
            if (has_ended || Instant::now() > end) && !is_there() {
                let errors = fs::read_to_string(self.dir().join("errors")).unwrap_or_default();
                panic!("{} has not {mark}: {errors}", self.test);
            }
            thread::sleep(Duration::from_millis(2));
        }
        if mark == "done" {
            let _ = child.wait();
        }
    }
}

/// A process, killed on drop: it must not outlive a test that fails.
pub(crate) struct Running(Child);

impl Deref for Running {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Running {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The killed process.
pub(crate) struct Killed(PathBuf);

impl Killed {
    /// `None` in an ordinary run of the tests, where the test has nothing to do.
    pub(crate) fn this() -> Option<Self> {
        env::var_os("THALWEG_KILL_DIR").map(|dir| Self(dir.into()))
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        env::var(format!("THALWEG_KILL_{name}")).expect("the test has said so")
    }

    /// Notes that the process may be killed from now on.
    pub(crate) fn begin(&self) {
        fs::write(self.0.join("begun"), "").expect("there is room");
    }

    /// Runs a pipeline to its end, and notes that it has finished.
    pub(crate) fn run<E: std::fmt::Display>(self, pipeline: impl Future<Output = Result<(), E>>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        let ended = runtime
            .expect("there are descriptors")
            .block_on(async { pipeline.await.map_err(|error| error.to_string()) });
        ended.expect("it runs until it is killed");
        fs::write(self.0.join("done"), "").expect("there is room");
    }
}

/// The numbers from 1 on in a file, one per line, with repetitions.
pub(crate) struct Numbers {
    path: PathBuf,
    read: u64,
    has: Vec<bool>,
    missing: usize,
}

impl Numbers {
    /// Fails if one of them is greater than `last`.
    pub(crate) fn of(path: PathBuf, last: u32) -> Self {
        Self {
            path,
            read: 0,
            has: vec![false; last as usize],
            missing: last as usize,
        }
    }

    /// The first missing number.
    pub(crate) fn missing(&mut self) -> Option<usize> {
        self.read_on();
        self.has.iter().position(|has| !has).map(|at| at + 1)
    }

    /// Waits until all numbers are there.
    pub(crate) async fn all(&mut self) {
        while self.missing > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            self.read_on();
        }
    }

    /// Reads whole lines; the last one may be incomplete.
    fn read_on(&mut self) {
        let mut text = String::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.read))?;
            file.read_to_string(&mut text)
        });
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if read.is_err() {
            return;
        }
        self.read += whole as u64;
        for line in text[..whole].lines() {
            let at = line.parse::<usize>().ok().and_then(|x| x.checked_sub(1));
            if let Some(has) = at.and_then(|at| self.has.get_mut(at)) {
                self.missing -= usize::from(!*has);
                *has = true;
            }
        }
    }
}
