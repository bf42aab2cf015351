//! Processes as sources, on a real event loop: they do not follow virtual time.

#![cfg(all(unix, feature = "process"))]
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;

use thalweg::{Error, Stream};
use thalweg_io::{Lines, Process, prelude::*, process::Stderr};

fn shell(line: &str) -> Stream<String> {
    Stream::from_process(Process::shell(line)).named("shell")
}

fn texts(error: &Error) -> Vec<String> {
    error.failures().iter().map(ToString::to_string).collect()
}

#[test]
fn lines_of_a_process_arrive_until_it_exits() {
    let lines = shell("seq 1 100000");
    let sum = lines
        .map(|line| line.parse::<u64>().unwrap())
        .scan(0, |sum, x| sum + x);
    let sums = sum.sink_to_list();
    lines.run("10s").wait().unwrap();
    assert_eq!(sums.len(), 100_000);
    assert_eq!(sums.to_vec().last(), Some(&5_000_050_000));
}

#[test]
fn a_std_command_is_accepted() {
    let mut command = Command::new("printf");
    command.args(["%s;", "a", "b"]);
    let process = Process::from(command).lines(Lines::bytes().delimiter(";"));
    let lines = Stream::from_process(process);
    let list = lines.sink_to_list();
    lines.run("10s").wait().unwrap();
    assert_eq!(list.to_vec(), [b"a", b"b"]);
}

#[test]
fn a_failed_process_is_reported_by_the_drain_after_its_last_line() {
    let lines = shell("echo one; echo oops >&2; exit 3");
    let list = lines.sink_to_list();
    let error = lines.run("10s").wait().unwrap_err();
    assert_eq!(list.to_vec(), ["one"]);
    assert_eq!(
        texts(&error),
        ["`shell` failed: `sh` failed (exit status: 3): oops"]
    );
}

#[test]
fn a_program_that_does_not_exist_is_reported_by_the_drain() {
    let lines = Stream::from_process(Process::new("no-such-program", [""; 0]));
    let error = lines.run("10s").wait().unwrap_err();
    assert!(
        texts(&error)[0].contains("cannot start `no-such-program`: "),
        "{error}"
    );
}

#[test]
fn an_invalid_line_is_a_failure_and_the_others_arrive() {
    let lines = shell(r"printf 'one\n\377\ntwo\n'");
    let (list, bad) = (lines.sink_to_list(), lines.errors().sink_to_list());
    lines.run("10s").wait().unwrap();
    assert_eq!(list.to_vec(), ["one", "two"]);
    assert_eq!(bad.len(), 1);
}

#[test]
fn standard_error_can_be_merged() {
    let process = Process::shell("echo one; echo two >&2").stderr(Stderr::Merge);
    let lines = Stream::from_process(process);
    let list = lines.sink_to_list();
    lines.run("10s").wait().unwrap();
    assert_eq!(list.to_vec(), ["one", "two"]);
}

/// The `/proc` entry of a process that has written its id.
fn entry(id: &str) -> PathBuf {
    Path::new("/proc").join(id)
}

#[cfg(target_os = "linux")]
#[test]
fn stopping_kills_the_process_and_starting_runs_it_again() {
    let lines = shell("echo $$; exec sleep 1000");
    let (sender, ids) = mpsc::channel();
    lines.sink(move |id| sender.send(id).unwrap());
    let mut seen = Vec::new();
    for _ in 0..2 {
        lines.start().unwrap();
        let id = ids.recv().unwrap();
        assert!(entry(&id).exists());
        lines.stop();
        // It is killed before the source ends; an ended source can be started.
        while entry(&id).exists() {
            std::thread::yield_now();
        }
        seen.push(id);
    }
    assert_ne!(seen[0], seen[1]);
    lines.drain("10s").wait().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn draining_kills_the_process() {
    let lines = shell("echo $$; exec sleep 1000");
    let (sender, ids) = mpsc::channel();
    lines.sink(move |id| sender.send(id).unwrap());
    lines.start().unwrap();
    let id = ids.recv().unwrap();
    lines.drain("10s").wait().unwrap();
    assert!(!entry(&id).exists());
}

#[test]
fn a_slow_sink_slows_the_process_down() {
    // Each permit lets the sink accept one line.
    let (permits, gate) = async_channel::bounded::<()>(1);
    let (taken, lines_taken) = mpsc::channel();
    let lines = Stream::from_process(Process::new("yes", ["line"]));
    lines.sink_async(move |line| {
        let (gate, taken) = (gate.clone(), taken.clone());
        async move {
            if gate.recv().await.is_ok() {
                taken.send(line).unwrap();
            }
        }
    });
    lines.start().unwrap();
    for count in 1..=1000 {
        permits.send_blocking(()).unwrap();
        assert_eq!(lines_taken.recv().unwrap(), "line");
        // The accepted lines, and one that waits for its permit.
        assert!(lines.counters().sent <= count + 1);
    }
    permits.close();
    lines.drain("10s").wait().unwrap();
}
