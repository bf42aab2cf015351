//! Standard input as a source. A program has only one, so these tests run this test program again, as
//! a child process with its own standard input.

#![cfg(feature = "reader")]
#![allow(clippy::unwrap_used)]

use std::env;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use thalweg::Stream;
use thalweg_io::prelude::*;

/// Body of the child process: prints each line of its standard input backwards.
#[test]
#[ignore = "the other tests run it, with a standard input"]
fn child() {
    let lines = Stream::from_stdin();
    let bad = lines.errors();
    bad.sink(|failure| println!("> {failure}"));
    let backwards = lines.map(|line| line.chars().rev().collect::<String>());
    backwards.sink(|line| println!("> {line}"));
    lines.run("10s").wait().unwrap();
}

fn backwards(input: &'static [u8]) -> Vec<String> {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input).unwrap());
    let mut output = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut output)
        .unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success(), "{output}");
    let lines = output.lines().filter_map(|line| line.split_once("> "));
    lines.map(|(_, line)| line.to_owned()).collect()
}

#[test]
fn every_line_arrives_including_the_last_one() {
    assert_eq!(backwards(b"one\n\ntwo"), ["eno", "", "owt"]);
    assert!(backwards(b"").is_empty());
}

#[test]
fn an_invalid_line_is_a_failure_and_the_others_arrive() {
    let printed = backwards(b"one\n\xff\ntwo\n");
    let bad = "standard input: invalid UTF-8 at byte 4, in the line at byte 4";
    assert_eq!((&*printed[0], &*printed[2]), ("eno", "owt"));
    assert!(printed[1].ends_with(bad), "{}", printed[1]);
}
