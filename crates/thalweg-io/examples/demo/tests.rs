//! The whole demo, run as a child process: this test program again, switched to the demo by a variable.

#![allow(clippy::unwrap_used)]

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::check::assert_prints;

/// Variable with the demo's arguments, one per line.
const ARGS: &str = "THALWEG_DEMO_ARGS";

#[test]
#[ignore = "the other tests run it, as a child"]
fn the_demo() {
    let args = env::var(ARGS).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let code = runtime.block_on(super::demo(args.lines().map(Into::into)));
    std::process::exit(code.into());
}

/// A running demo, killed on drop.
struct Demo(Child);

impl Demo {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--exact", "tests::the_demo", "--ignored", "--nocapture"])
            .env(ARGS, args.join("\n"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Writes its standard input, and waits for its end.
    fn end(mut self, input: &'static [u8]) -> Ended {
        let mut stdin = self.0.stdin.take().unwrap();
        let writer = std::thread::spawn(move || stdin.write_all(input));
        let (mut stdout, mut stderr) = (String::new(), String::new());
        let read = self.0.stdout.take();
        read.map(|mut out| out.read_to_string(&mut stdout).unwrap());
        let read = self.0.stderr.take();
        read.map(|mut err| err.read_to_string(&mut stderr).unwrap());
        // A demo that does not read its standard input closes it.
        let _ = writer.join().unwrap();
        let code = self.0.wait().unwrap().code();
        Ended {
            code,
            stdout,
            stderr,
        }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // An error means that the demo has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ended {
    /// The printed result whose first line has this name.
    fn result(&self, first: &str) -> String {
        let lines = self.stdout.lines();
        let lines = lines.skip_while(|line| !line.starts_with(&format!("{first:16}")));
        let lines = lines.take_while(|line| !line.is_empty());
        lines.map(|line| format!("{line}\n")).collect()
    }

    /// The command that checks it.
    fn check(&self) -> &str {
        let mut lines = self.stdout.lines();
        lines.find(|line| *line == "To check it:");
        lines.next().unwrap().trim()
    }

    /// The counters of a node: in, out and failed.
    fn counters(&self, node: &str) -> Vec<u64> {
        let lines = self.stdout.lines();
        let mut counters = lines.filter_map(|line| line.strip_prefix(node));
        let line = counters.next_back().unwrap();
        let numbers = line.split_whitespace().take(3);
        numbers.map(|number| number.parse().unwrap()).collect()
    }
}

/// A thousand lines with numbers, and ten without.
const INPUT: &[u8] = include_bytes!("input.csv");

#[test]
fn a_file_gives_the_result_of_the_check_command() {
    let directory = tempfile::tempdir().unwrap();
    let (file, svg) = (
        directory.path().join("input.csv"),
        directory.path().join("a.svg"),
    );
    fs::write(&file, INPUT).unwrap();
    let (file, svg) = (file.to_str().unwrap(), svg.to_str().unwrap());
    let ended = Demo::start(&["--input", file, "--svg", svg]).end(b"");
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let result = ended.result("lines");
    assert!(
        result.contains("numbers         1000, and 10 lines without\n"),
        "{result}"
    );
    assert_prints(ended.check(), &result);
    assert_eq!(ended.stdout.matches("set aside: ").count(), 3);
    assert_eq!(ended.counters("numbers"), [1010, 1000, 10]);
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg"));
}

#[test]
fn standard_input_gives_the_same_result() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("input.csv");
    fs::write(&file, INPUT).unwrap();
    let ended = Demo::start(&["--input", "-"]).end(INPUT);
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let check = ended.check().strip_prefix("your input | ").unwrap();
    let command = format!("cat {} | {check}", super::check::quoted(&file));
    assert_prints(&command, &ended.result("lines"));
}

#[cfg(target_os = "linux")]
#[test]
fn this_machine_gives_the_result_of_the_check_command() {
    let ended = Demo::start(&["--seconds", "2.5"]).end(b"");
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let result = ended.result("readings");
    let counters = ended.counters("readings");
    assert!(
        result.starts_with(&format!("readings        {} over ", counters[1])),
        "{result}"
    );
    assert_eq!(counters[1] + counters[2], counters[0]);
    assert_prints(ended.check(), &result);
    let record = Path::new(ended.check().split(' ').next_back().unwrap());
    fs::remove_file(record).unwrap();
}

#[cfg(all(target_os = "linux", feature = "sse", feature = "sqlite"))]
#[test]
fn a_local_feed_is_counted_and_saved() {
    use thalweg_io::prelude::*;
    use thalweg_io::sql::{Database, Query, SqlValue};

    let ended = Demo::start(&["--url", "local", "--seconds", "2"]).end(b"");
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let [edits, arrived, failed] = ended.counters("wikis")[..] else {
        panic!("{}", ended.stdout)
    };
    assert!(edits > 0 && arrived == edits && failed == 0);
    assert!(ended.stdout.contains(&format!("\n{edits} edits of ")));
    assert!(ended.stdout.contains(" edits a second in "));

    let path = ended.check().split(' ').nth(1).unwrap();
    let database = Database::open(&format!("sqlite:{path}")).unwrap();
    let query = "SELECT rowid AS id, edits FROM windows";
    let rows = thalweg::Stream::from_sql(&database, Query::new(query, "id"));
    let counts = rows
        .map(|row| row.get("edits").and_then(SqlValue::as_i64))
        .sink_to_list();
    rows.run("10s").wait().unwrap();
    let sum: i64 = counts.to_vec().into_iter().flatten().sum();
    assert_eq!(sum, i64::try_from(edits).unwrap());
    fs::remove_file(path).unwrap();
}

#[cfg(unix)]
#[test]
fn ctrl_c_drains_and_the_result_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("growing.csv");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .unwrap();
    file.write_all(b"1\n2\n").unwrap();
    let args = ["--input", path.to_str().unwrap(), "--seconds", "1000"];
    let mut demo = Demo::start(&args);
    let stdout = BufReader::new(demo.0.stdout.take().unwrap());
    let mut lines = stdout.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("lines 2   numbers 2")));
    file.write_all(b"6\n").unwrap();
    assert!(lines.any(|line| line.contains("lines 3   numbers 3")));

    let id = demo.0.id().to_string();
    let signalled = Command::new("kill").args(["-INT", &id]).status();
    assert!(signalled.unwrap().success());
    let rest: Vec<String> = lines.collect();
    let ended = Ended {
        stdout: rest.join("\n"),
        ..demo.end(b"")
    };
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let result = ended.result("lines");
    assert!(result.contains("mean            3.000000\n"), "{result}");
    assert_prints(ended.check(), &result);
}

#[test]
fn errors_are_explained() {
    let missing = Demo::start(&["--input", "no-such-file"]).end(b"");
    assert_eq!(missing.code, Some(1));
    assert!(
        missing.stderr.contains("cannot open no-such-file: "),
        "{}",
        missing.stderr
    );
    assert!(!missing.stdout.contains("To check it"));

    let wrong = Demo::start(&["--seconds", "soon"]).end(b"");
    assert_eq!(wrong.code, Some(2));
    assert!(wrong.stderr.contains("Usage: demo"), "{}", wrong.stderr);
}
