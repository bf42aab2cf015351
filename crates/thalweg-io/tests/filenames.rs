//! File names as a source, on the virtual clock.

#![cfg(feature = "filenames")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;
use thalweg::{Error, Stream, VirtualClock};
use thalweg_io::{Filenames, prelude::*};

const LOOK: Duration = Duration::from_millis(100);

fn names(dir: &TempDir, clock: &VirtualClock, pattern: &str) -> Stream<PathBuf> {
    Stream::from_source_on(Filenames::new(dir.path().join(pattern)), clock).named("names")
}

fn create(dir: &TempDir, names: impl IntoIterator<Item = impl AsRef<str>>) {
    for name in names {
        fs::write(dir.path().join(name.as_ref()), "").unwrap();
    }
}

fn file_names(paths: Vec<PathBuf>) -> Vec<String> {
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    paths.into_iter().map(name).collect()
}

#[test]
fn names_arrive_sorted_and_new_ones_as_they_appear() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    create(&dir, ["b.csv", "a.csv", "c.txt"]);
    let names = names(&dir, &clock, "*.csv");
    let list = names.sink_to_list();
    names.start().unwrap();
    clock.run_until_idle();
    assert_eq!(file_names(list.take()), ["a.csv", "b.csv"]);
    create(&dir, ["0.csv", "d.txt"]);
    clock.advance(LOOK);
    assert_eq!(file_names(list.take()), ["0.csv"]);
    clock.advance(10 * LOOK);
    assert!(list.is_empty());
}

#[test]
fn a_restarted_source_resumes_where_it_was() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    create(&dir, (100..150).map(|n| n.to_string()));
    let names = names(&dir, &clock, "*");
    let list = names.rate_limit("1s").sink_to_list();
    for _ in 0..10 {
        names.start().unwrap();
        clock.advance(Duration::from_millis(3300));
        names.stop();
        clock.advance(Duration::from_secs(10));
    }
    create(&dir, ["150"]);
    names.start().unwrap();
    clock.advance(Duration::from_secs(100));
    let expected: Vec<String> = (100..=150).map(|n| n.to_string()).collect();
    assert_eq!(file_names(list.take()), expected);
}

#[test]
fn a_running_source_can_be_drained() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    create(&dir, (100..150).map(|n| n.to_string()));
    let names = names(&dir, &clock, "*");
    let list = names.buffer(4).rate_limit("1s").sink_to_list();
    clock
        .block_on(async {
            names.start()?;
            clock.sleep(Duration::from_secs(3)).await;
            names.drain("1min").await
        })
        .unwrap();
    assert_eq!(list.len() as u64, names.counters().sent);
}

#[test]
fn an_invalid_pattern_is_an_error() {
    let (dir, clock) = (TempDir::new().unwrap(), VirtualClock::new());
    let wrong = names(&dir, &clock, "[a");
    let error: Error = clock.block_on(wrong.run("1s")).unwrap_err();
    assert!(error.to_string().contains("is not a pattern"), "{error}");

    let wrong = Stream::filenames(Filenames::new("*").poll_interval("soon"));
    assert!(
        wrong
            .check()
            .unwrap_err()
            .to_string()
            .contains("`filenames`: ")
    );
}
