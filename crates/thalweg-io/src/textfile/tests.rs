#![allow(clippy::unwrap_used)]

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::LineError;

/// A file that a test writes to and follows.
struct Log {
    dir: TempDir,
    writer: Option<File>,
    rotations: usize,
}

impl Log {
    fn missing() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            writer: None,
            rotations: 0,
        }
    }

    fn with(text: &str) -> Self {
        let mut log = Self::missing();
        log.create(text);
        log
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.log")
    }

    fn create(&mut self, text: &str) {
        let path = self.path();
        let created = OpenOptions::new().create_new(true).append(true).open(path);
        self.writer = Some(created.unwrap());
        self.append(text);
    }

    fn append(&mut self, text: &str) {
        self.writer
            .as_mut()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn truncate(&mut self, text: &str) {
        self.writer.as_ref().unwrap().set_len(0).unwrap();
        self.append(text);
    }

    /// Moves the file away; the writer keeps writing to it until `create`.
    fn move_away(&mut self) {
        self.rotations += 1;
        let moved = self.dir.path().join(format!("app.log.{}", self.rotations));
        fs::rename(self.path(), moved).unwrap();
    }

    fn file(&self) -> TextFile {
        TextFile::new(self.path())
    }
}

/// The lines until the file is idle or ends.
fn lines(file: &mut TextFile) -> Vec<String> {
    let mut lines = Vec::new();
    while let Poll::Line(line) = file.poll().unwrap() {
        lines.push(line);
    }
    lines
}

#[test]
fn a_file_that_is_not_followed_ends_after_its_last_line() {
    let mut log = Log::with("a\n\nb");
    let mut file = log.file().until_end();
    assert_eq!(lines(&mut file), ["a", "", "b"]);
    log.append("c\n");
    assert_eq!(file.poll().unwrap(), Poll::End);
}

#[test]
fn an_empty_file_ends_at_once_or_is_waited_for() {
    let mut log = Log::with("");
    assert_eq!(log.file().until_end().poll().unwrap(), Poll::End);
    let mut file = log.file();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append("a\n");
    assert_eq!(lines(&mut file), ["a"]);
}

#[test]
fn a_followed_line_waits_for_its_ending() {
    let mut log = Log::with("a\nb");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["a"]);
    log.append("c");
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append("d\n");
    assert_eq!(lines(&mut file), ["bcd"]);
}

#[test]
fn a_missing_file_is_waited_for_and_then_read_completely() {
    let mut log = Log::missing();
    let mut file = log.file().from_end();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.create("a\n");
    assert_eq!(lines(&mut file), ["a"]);
}

#[test]
fn a_missing_file_that_is_not_followed_is_an_error_that_names_it() {
    let log = Log::missing();
    let error = log.file().until_end().poll().unwrap_err();
    assert!(matches!(error, TextFileError::Open { .. }));
    assert_eq!(error.path(), log.path());
    assert!(
        error
            .to_string()
            .starts_with(&format!("cannot open {}: ", log.path().display()))
    );
}

#[test]
fn a_directory_is_an_error_that_names_it() {
    let log = Log::missing();
    for file in [
        TextFile::new(log.dir.path()),
        TextFile::new(log.dir.path()).until_end(),
    ] {
        let error = { file }.poll().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("{} is not a regular file", log.dir.path().display())
        );
    }
}

#[test]
fn a_path_that_cannot_be_followed_is_an_error_that_names_it() {
    let log = Log::with("a\n");
    let path = log.path().join("below-a-file.log");
    let error = TextFile::new(&path).poll().unwrap_err();
    assert!(matches!(error, TextFileError::Open { .. }));
    assert_eq!(error.path(), path);
}

#[test]
fn from_end_starts_at_the_last_unfinished_line() {
    let mut log = Log::with("old\nhalf");
    let mut file = log.file().from_end();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append(" and half\nnew\n");
    assert_eq!(lines(&mut file), ["half and half", "new"]);

    let mut log = Log::with("old\n");
    let mut file = log.file().from_end();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append("new\n");
    assert_eq!(lines(&mut file), ["new"]);
}

#[test]
fn from_end_finds_a_line_ending_split_across_blocks() {
    for padding in 0..200 {
        let log = Log::with(&format!("old=-={}", "x".repeat(padding)));
        let mut file = log.file().lines(Lines::text().delimiter("=-=")).from_end();
        file.chunk = 1;
        assert_eq!(file.poll().unwrap(), Poll::Idle);
        let mut log = log;
        log.append("!=-=");
        assert_eq!(lines(&mut file), [format!("{}!", "x".repeat(padding))]);
    }
}

#[test]
fn a_truncated_file_is_read_again_from_the_start() {
    let mut log = Log::with("one\ntwo\nunfinished");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one", "two"]);
    log.truncate("three\n");
    assert_eq!(lines(&mut file), ["unfinished", "three"]);
}

#[test]
fn a_truncated_file_that_has_grown_past_the_old_offset_is_detected() {
    let mut log = Log::with("one\n");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one"]);
    log.truncate("two\nthree\nfour\n");
    assert_eq!(lines(&mut file), ["two", "three", "four"]);
}

#[test]
fn a_moved_file_is_read_until_another_has_its_name() {
    let mut log = Log::with("one\n");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one"]);
    log.append("two\n");
    log.move_away();
    assert_eq!(lines(&mut file), ["two"]);
    log.append("three");
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append(" and a half");
    log.create("four\n");
    assert_eq!(
        file.poll().unwrap(),
        Poll::Idle,
        "writers may still hold the old file"
    );
    assert_eq!(lines(&mut file), ["three and a half", "four"]);
}

#[test]
fn two_rotations_during_one_read_lose_nothing() {
    let mut log = Log::with("one\n");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one"]);
    log.move_away();
    log.create("two\n");
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.move_away();
    log.create("three\n");
    assert_eq!(lines(&mut file), ["two"]);
    assert_eq!(lines(&mut file), ["three"]);
}

#[test]
fn a_removed_file_may_reappear() {
    let mut log = Log::with("one\n");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one"]);
    fs::remove_file(log.path()).unwrap();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.create("two\n");
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    assert_eq!(lines(&mut file), ["two"]);
}

#[test]
fn a_directory_in_place_of_the_file_is_an_error_after_the_old_file_is_read() {
    let mut log = Log::with("one\n");
    let mut file = log.file();
    assert_eq!(lines(&mut file), ["one"]);
    log.append("two\n");
    log.move_away();
    fs::create_dir(log.path()).unwrap();
    assert_eq!(file.poll().unwrap(), Poll::Line("two".to_string()));
    assert!(matches!(file.poll(), Err(TextFileError::NotAFile { .. })));
}

#[test]
fn reading_continues_after_a_bad_line() {
    let log = Log::with("");
    fs::write(log.path(), b"good\nbad \xff\nmuch too long\nfine\n").unwrap();
    let mut file = log.file().lines(Lines::text().max_len(6)).until_end();
    assert_eq!(file.poll().unwrap(), Poll::Line("good".to_string()));
    let error = file.poll().unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{}: invalid UTF-8 at byte 9, in the line at byte 5",
            log.path().display()
        )
    );
    assert!(matches!(
        file.poll().unwrap_err(),
        TextFileError::Line {
            source: LineError::TooLong {
                offset: 11,
                limit: 6
            },
            ..
        }
    ));
    assert_eq!(lines(&mut file), ["fine"]);
}

#[test]
fn offsets_in_errors_count_from_the_start_even_with_from_end() {
    let mut log = Log::with("0123456\n");
    let mut file = log.file().lines(Lines::text().max_len(2)).from_end();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    log.append("abc\n");
    assert!(matches!(
        file.poll().unwrap_err(),
        TextFileError::Line {
            source: LineError::TooLong { offset: 8, .. },
            ..
        }
    ));
}

#[test]
fn an_empty_delimiter_is_an_error() {
    let log = Log::with("a");
    let error = log.file().lines(Lines::text().delimiter("")).poll();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with("the delimiter is empty")
    );
}

#[cfg(unix)]
#[test]
fn a_redirected_symlink_is_a_rotation() {
    use std::os::unix::fs::symlink;

    let dir = TempDir::new().unwrap();
    let link = dir.path().join("current");
    fs::write(dir.path().join("monday"), "one\n").unwrap();
    fs::write(dir.path().join("tuesday"), "two\n").unwrap();
    symlink("monday", &link).unwrap();
    let mut file = TextFile::new(&link);
    assert_eq!(lines(&mut file), ["one"]);
    symlink("tuesday", dir.path().join("next")).unwrap();
    fs::rename(dir.path().join("next"), &link).unwrap();
    assert_eq!(file.poll().unwrap(), Poll::Idle);
    assert_eq!(lines(&mut file), ["two"]);
}

/// An event in the life of a followed file.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The writer appends this many bytes.
    Append(usize),
    /// The file is moved away; its writer appends this many bytes, and then starts a new file.
    Rotate(usize),
    /// The reader polls until nothing arrives.
    Look,
    /// The reader catches up, and the file is truncated.
    Truncate,
    /// The file is truncated, and its unread part is lost.
    TruncateUnread,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..40_usize).prop_map(Step::Append),
        1 => (0..40_usize).prop_map(Step::Rotate),
        4 => Just(Step::Look),
        1 => Just(Step::Truncate),
    ]
}

/// The writer: an endless text of numbered lines, cut anywhere into files. It also records what a
/// perfect reader would deliver.
struct Writer {
    log: Log,
    next: usize,
    ahead: String,
    /// The text of each file, or of each file between truncations.
    contents: Vec<String>,
}

impl Writer {
    fn new() -> Self {
        let mut writer = Self {
            log: Log::missing(),
            next: 0,
            ahead: String::new(),
            contents: Vec::new(),
        };
        let header = writer.header();
        writer.log.create(&header);
        writer
    }

    /// No two contents begin alike: otherwise no reader could tell a new file from a grown one.
    fn header(&mut self) -> String {
        let header = format!("{}#\n", self.contents.len());
        self.contents.push(header.clone());
        header
    }

    fn append(&mut self, bytes: usize) {
        while self.ahead.len() < bytes {
            self.ahead.push_str(&format!("line {:04}.\n", self.next));
            self.next += 1;
        }
        let rest = self.ahead.split_off(bytes);
        let text = std::mem::replace(&mut self.ahead, rest);
        self.contents.last_mut().unwrap().push_str(&text);
        self.log.append(&text);
    }

    fn rotate(&mut self, late: usize) {
        self.log.move_away();
        self.append(late);
        let header = self.header();
        self.log.create(&header);
    }

    fn truncate(&mut self) {
        let header = self.header();
        self.log.truncate(&header);
    }

    fn expected(&self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for content in &self.contents {
            lines.extend(content.split('\n').map(str::to_string));
            if content.ends_with('\n') {
                lines.pop();
            }
        }
        if !self.contents.last().unwrap().ends_with('\n') {
            lines.pop();
        }
        lines
    }
}

/// Polls until nothing arrives, even after the grace period for writers at a rotation.
fn catch_up(file: &mut TextFile, out: &mut Vec<String>) {
    let mut quiet = 0;
    while quiet < 3 {
        let found = lines(file);
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        out.extend(found);
    }
}

proptest! {
    #[test]
    fn no_line_is_lost_or_repeated(
        steps in prop::collection::vec(step(), 0..40),
        chunk in prop::sample::select(vec![1, 2, 7, 64, CHUNK]),
    ) {
        let mut writer = Writer::new();
        let mut file = writer.log.file();
        file.chunk = chunk;
        let mut out = lines(&mut file);
        for step in steps {
            match step {
                Step::Append(bytes) => writer.append(bytes),
                Step::Rotate(late) => {
                    writer.rotate(late);
                    out.extend(lines(&mut file));
                }
                Step::Look => out.extend(lines(&mut file)),
                Step::Truncate | Step::TruncateUnread => {
                    catch_up(&mut file, &mut out);
                    writer.truncate();
                }
            }
        }
        catch_up(&mut file, &mut out);
        prop_assert_eq!(out, writer.expected());
    }

    #[test]
    fn truncation_loses_only_unread_lines_and_keeps_order(
        steps in prop::collection::vec(
            prop_oneof![8 => step(), 2 => Just(Step::TruncateUnread)],
            0..40,
        ),
    ) {
        let mut writer = Writer::new();
        let mut file = writer.log.file();
        let mut out = Vec::new();
        for step in steps {
            match step {
                Step::Append(bytes) => writer.append(bytes),
                Step::Rotate(late) => {
                    writer.rotate(late);
                    out.extend(lines(&mut file));
                }
                Step::Look => out.extend(lines(&mut file)),
                Step::Truncate | Step::TruncateUnread => writer.truncate(),
            }
        }
        catch_up(&mut file, &mut out);
        // A truncated line is delivered in parts that cannot be told apart.
        let whole = |line: &String| line.starts_with("line ") && line.ends_with('.');
        let mut expected = writer.expected().into_iter();
        for line in out.into_iter().filter(whole) {
            prop_assert!(expected.any(|next| next == line), "{line} comes twice, or late");
        }
    }
}
