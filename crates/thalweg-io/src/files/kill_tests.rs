//! A pipeline from a file into files is killed at random moments and restarted until it is done: no partial file has
//! its final name, and no element is missing.

use std::{fs, thread};

use thalweg::Stream;

use super::*;
use crate::testing::kills::{Killed, Kills, kills};
use crate::{Position, TextFile, prelude::*};

/// Enough elements that a killed run is never the last one.
fn elements() -> u32 {
    40_000 * kills(3)
}

/// Run by the test in a child process.
#[test]
fn child() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let dir = killed.dir().to_path_buf();
    killed.begin();
    let kept = fs::read_to_string(dir.join("position")).ok();
    let position = match kept {
        Some(value) => Position::behind("lines", value),
        None => Position::new("lines"),
    };
    let file = TextFile::new(dir.join("lines")).until_end();
    let lines = Stream::from_textfile(file.position(&position));
    let numbers = lines.try_map(|line: &String| line.parse::<u32>());
    numbers.to_jsonl(Files::new(dir.join("out/{number}.jsonl")).max_rows(1000));
    let (path, new) = (dir.join("position"), dir.join("position.new"));
    // The thread ends with the process.
    thread::spawn(move || {
        loop {
            if let Some(value) = position.value() {
                let kept = fs::write(&new, value).and_then(|()| fs::rename(&new, &path));
                kept.expect("there is room");
            }
            thread::yield_now();
        }
    });
    killed.run(async move { lines.run("50s").await });
}

#[test]
fn a_killed_pipeline_from_a_file_to_files_loses_nothing_and_renames_no_partial_file() {
    let killing = Kills::of("files::kill_tests::child", kills(3));
    let dir = killing.dir();
    fs::create_dir(dir.join("out")).expect("there is room");
    let lines: String = (1..=elements())
        .map(|number| format!("{number}\n"))
        .collect();
    fs::write(dir.join("lines"), lines).expect("there is room");
    killing.run();
    let mut seen = vec![false; elements() as usize + 1];
    let mut files = 0;
    for entry in fs::read_dir(dir.join("out")).expect("it is there") {
        let path = entry.expect("it is there").path();
        let name = path.file_name().expect("it has one").to_string_lossy();
        assert!(!name.starts_with('.'), "{name} was left unfinished");
        let text = fs::read_to_string(&path).expect("it is there");
        let numbers = text
            .lines()
            .map(|line| line.parse::<u32>().expect("a number"));
        let count = numbers
            .inspect(|number| seen[*number as usize] = true)
            .count();
        assert!(text.ends_with('\n') && count <= 1000, "{name} is not whole");
        files += usize::from(count == 1000);
    }
    assert!(files >= elements() as usize / 1000);
    assert!(seen[1..].iter().all(|seen| *seen), "elements are missing");
}

/// Run by the test in a child process.
#[test]
fn child_with_a_position() {
    let Some(killed) = Killed::this() else {
        return;
    };
    let dir = killed.dir().to_path_buf();
    killed.begin();
    let files = Files::new(dir.join("out/{number}.jsonl")).max_rows(700);
    let position = files.position("lines").expect("it can be read");
    let file = TextFile::new(dir.join("lines")).until_end();
    let lines = Stream::from_textfile(file.position(&position));
    let numbers = lines.try_map(|line: &String| line.parse::<u32>());
    // Some elements make two rows, some none.
    let rows = numbers.map(|number| (0..number % 3).map(|at| (number, at)).collect::<Vec<_>>());
    rows.flatten().to_jsonl(files);
    killed.run(async move { lines.run("50s").await });
}

#[test]
fn a_killed_pipeline_with_a_stored_position_loses_and_doubles_nothing() {
    let killing = Kills::of("files::kill_tests::child_with_a_position", kills(3));
    let dir = killing.dir();
    fs::create_dir(dir.join("out")).expect("there is room");
    let lines: String = (1..=elements())
        .map(|number| format!("{number}\n"))
        .collect();
    fs::write(dir.join("lines"), lines).expect("there is room");
    killing.run();
    let mut rows = Vec::new();
    for entry in fs::read_dir(dir.join("out")).expect("it is there") {
        let path = entry.expect("it is there").path();
        let name = path.file_name().expect("it has one").to_string_lossy();
        if name == ".{number}.jsonl.position" {
            continue;
        }
        assert!(!name.starts_with('.'), "{name} was left unfinished");
        let text = fs::read_to_string(&path).expect("it is there");
        rows.extend(
            text.lines()
                .map(|line| serde_json::from_str::<(u32, u32)>(line).expect("a row")),
        );
    }
    rows.sort_unstable();
    let all = (1..=elements()).flat_map(|number| (0..number % 3).map(move |at| (number, at)));
    assert!(rows.into_iter().eq(all), "rows are missing, or there twice");
}
