#![allow(clippy::unwrap_used)]

use std::fs;

use tempfile::{TempDir, tempdir};
use thalweg::{BoxError, Stream};

use super::*;
use crate::{TextFile, prelude::*};

/// File names in a folder, including hidden ones.
fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

fn content(dir: &TempDir, name: &str) -> String {
    fs::read_to_string(dir.path().join(name)).unwrap()
}

/// Lines of a file into files, with their position stored beside them.
fn kept(dir: &TempDir, name: &str) -> (Stream<String>, Files, Position) {
    let files = Files::new(dir.path().join(name)).max_rows(2);
    let position = files.position("lines").unwrap();
    let file = TextFile::new(dir.path().join("log")).until_end();
    let lines = Stream::from_textfile(file.position(&position)).map(|line| line.trim().to_owned());
    (lines, files, position)
}

#[test]
fn a_position_resumes_after_files_removed_by_others() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("log"), "a\nb\nc\n").unwrap();
    let (lines, files, position) = kept(&dir, "{number}.txt");
    assert_eq!(position.value(), None);
    lines.to_files(files);
    lines.run("60s").wait().unwrap();
    assert_eq!(position.value().as_deref(), Some("6"));
    for name in ["000000.txt", "000001.txt"] {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("log"), "a\nb\nc\nd\n").unwrap();
    let (lines, files, _) = kept(&dir, "{number}.txt");
    lines.to_files(files);
    lines.run("60s").wait().unwrap();
    assert_eq!(content(&dir, "000002.txt"), "d\n");
    assert_eq!(names(&dir), [".{number}.txt.position", "000002.txt", "log"]);
}

/// Lines; when the second file begins, another program creates a file of that name.
struct Intruded {
    path: PathBuf,
    files: u32,
}

impl Format<String> for Intruded {
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), BoxError> {
        self.files += 1;
        if self.files == 2 {
            fs::write(&self.path, "theirs")?;
        }
        Ok(())
    }

    fn add(&mut self, line: &String, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(format!("{line}\n").as_bytes());
        Ok(())
    }
}

#[test]
fn rows_of_a_lost_file_are_read_again_without_duplicates_after_it() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("log"), "a\nb\nc\nd\ne\n").unwrap();
    let (lines, files, position) = kept(&dir, "{number}.txt");
    // The second file cannot be renamed, and the third continues from its positions.
    let path = dir.path().join("000001.txt");
    lines.to_files_as(files, Intruded { path, files: 0 });
    let (fails, failures) = std::sync::mpsc::channel();
    lines.on_unhandled(move |failure| drop(fails.send(failure.to_string())));
    let _ = lines.run("60s").wait();
    let failure = failures.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(
        failure.contains("does another program write here?"),
        "{failure}"
    );
    assert_eq!(position.value().as_deref(), Some("4"));
    let (lines, files, _) = kept(&dir, "{number}.txt");
    lines.to_files(files);
    lines.run("60s").wait().unwrap();
    let written: String = names(&dir)
        .iter()
        .filter(|name| name.ends_with(".txt") && *name != "000001.txt")
        .map(|name| content(&dir, name))
        .collect();
    assert_eq!(written, "a\nb\nc\nd\ne\n");
}

#[test]
fn a_position_is_valid_only_if_its_file_was_renamed() {
    let record = |number: u64| {
        format!(
            r#"{{"next": {}, "positions": {{"lines": {{"number": {number}, "value": "{number}", "rows": ""}}}}}}"#,
            number + 1
        )
    };
    for (partials, expected) in [(&[][..], "3"), (&[3], "2"), (&[2, 3], "1"), (&[2], "1")] {
        let dir = tempdir().unwrap();
        fs::write(dir.path().join(".{number}.txt.position"), record(1)).unwrap();
        for number in 2..=3 {
            let name = format!(".00000{number}.txt.position");
            fs::write(dir.path().join(name), record(number)).unwrap();
        }
        for number in partials {
            fs::write(dir.path().join(format!(".00000{number}.txt.partial")), "").unwrap();
        }
        let files = Files::new(dir.path().join("{number}.txt"));
        let position = files.position("lines").unwrap();
        assert_eq!(position.value().as_deref(), Some(expected), "{partials:?}");
        assert_eq!(files.position("others").unwrap().value(), None);
        let left = names(&dir)
            .into_iter()
            .filter(|name| name.ends_with(".position"));
        assert_eq!(left.collect::<Vec<_>>(), [".{number}.txt.position"]);
    }
}

#[test]
fn places_without_positions_are_refused() {
    let dir = tempdir().unwrap();
    let error = Files::new(dir.path().join("all.txt")).position("lines");
    assert!(error.unwrap_err().to_string().contains("need `{number}`"));
    fs::write(dir.path().join(".{number}.txt.position"), "no record").unwrap();
    let error = Files::new(dir.path().join("{number}.txt")).position("lines");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("move it away to start over"), "{error}");
}
