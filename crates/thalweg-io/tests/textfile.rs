//! Text files at both ends of pipelines, on the virtual clock.

#![cfg(feature = "textfile")]
#![allow(clippy::unwrap_used)]

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use thalweg::{Ack, Error, OnError, Stream, VirtualClock};
use thalweg_io::{Lines, TextFile, TextFileSink, prelude::*};

/// Poll interval of a follower.
const LOOK: Duration = Duration::from_millis(100);

struct Log {
    dir: TempDir,
    clock: VirtualClock,
}

impl Log {
    fn new() -> Self {
        Self {
            dir: TempDir::new().unwrap(),
            clock: VirtualClock::new(),
        }
    }

    fn with(content: impl AsRef<[u8]>) -> Self {
        let log = Self::new();
        log.append(content);
        log
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("app.log")
    }

    fn append(&self, content: impl AsRef<[u8]>) {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.path()).unwrap();
        file.write_all(content.as_ref()).unwrap();
    }

    fn file(&self) -> TextFile {
        TextFile::new(self.path())
    }

    /// A stream of the file's lines, not started.
    fn follow(&self) -> Stream<String> {
        self.stream(self.file())
    }

    fn stream<T: thalweg::Element>(&self, file: TextFile<T>) -> Stream<T> {
        Stream::from_source_on(file, &self.clock).named("log")
    }

    /// Runs a stream whose file ends.
    fn run<T: thalweg::Element>(&self, stream: &Stream<T>) -> Result<(), Error> {
        self.clock.block_on(stream.run("1h"))
    }

    fn drain<T: thalweg::Element>(&self, stream: &Stream<T>) -> Result<(), Error> {
        self.clock.block_on(stream.drain("1h"))
    }
}

fn texts(error: &Error) -> Vec<String> {
    error.failures().iter().map(ToString::to_string).collect()
}

#[test]
fn a_growing_file_is_followed() {
    let log = Log::new();
    let lines = log.follow();
    let list = lines.sink_to_list();
    lines.start().unwrap();
    log.clock.advance(LOOK);
    assert!(list.is_empty(), "there is no file yet");
    log.append("one\ntwo\nthr");
    log.clock.advance(LOOK);
    assert_eq!(list.to_vec(), ["one", "two"]);
    log.append("ee\n");
    log.clock.advance(LOOK);
    assert_eq!(list.to_vec(), ["one", "two", "three"]);
}

#[test]
fn a_file_is_polled_at_the_given_interval() {
    let log = Log::with("one\n");
    let lines = log.stream(log.file().poll_interval("1min"));
    let list = lines.sink_to_list();
    lines.start().unwrap();
    log.clock.run_until_idle();
    log.append("two\n");
    log.clock.advance(Duration::from_secs(59));
    assert_eq!(list.to_vec(), ["one"]);
    log.clock.advance(Duration::from_secs(1));
    assert_eq!(list.to_vec(), ["one", "two"]);
}

#[test]
fn a_rotated_file_is_read_to_its_end_before_the_new_one() {
    let log = Log::with("one\n");
    let lines = log.follow();
    let list = lines.sink_to_list();
    lines.start().unwrap();
    log.clock.run_until_idle();
    log.append("two\n");
    fs::rename(log.path(), log.dir.path().join("app.log.1")).unwrap();
    log.append("three\n");
    log.clock.advance(3 * LOOK);
    assert_eq!(list.to_vec(), ["one", "two", "three"]);
}

#[test]
fn a_restarted_source_resumes_where_it_was() {
    let content: String = (0..1000).map(|line| format!("{line}\n")).collect();
    let log = Log::with(&content);
    let lines = log.follow();
    let list = lines.rate_limit("1s").sink_to_list();
    // The clock stops in the middle of a second, so that a line is in flight each time.
    for _ in 0..100 {
        lines.start().unwrap();
        log.clock.advance(Duration::from_millis(7300));
        lines.stop();
        log.clock.run_until_idle();
        // While it is stopped only the line in flight moves.
        let (taken, sent) = (list.len() as u64, lines.counters().sent);
        assert!(sent - taken <= 1, "{sent} sent, {taken} taken");
        log.clock.advance(Duration::from_secs(100));
        assert_eq!(lines.counters().sent, sent);
    }
    log.append("1000\n");
    lines.start().unwrap();
    log.clock.advance(Duration::from_secs(2000));
    let expected: Vec<String> = (0..=1000).map(|line| line.to_string()).collect();
    assert_eq!(list.to_vec(), expected);
}

#[test]
fn a_running_follower_can_be_drained() {
    let log = Log::with("one\ntwo\nthree\n");
    let lines = log.follow();
    let pairs = lines.partition(2).sink_to_list();
    lines.start().unwrap();
    log.clock.advance(LOOK);
    log.drain(&lines).unwrap();
    assert_eq!(pairs.to_vec(), [vec!["one", "two"], vec!["three"]]);
    assert_eq!(log.clock.now(), LOOK, "there was nothing to wait for");
    assert!(
        lines
            .emit("four".to_string())
            .wait()
            .unwrap_err()
            .is_closed()
    );
}

#[test]
fn a_drain_with_a_slow_sink_loses_no_line_that_was_read() {
    let content: String = (0..10_000).map(|line| format!("{line}\n")).collect();
    let log = Log::with(content);
    let lines = log.follow();
    let list = lines.buffer(10).rate_limit("1s").sink_to_list();
    lines.start().unwrap();
    log.clock.advance(Duration::from_secs(5));
    log.drain(&lines).unwrap();
    let sent = lines.counters().sent;
    assert_eq!(list.len() as u64, sent);
    // The buffer, one waiting at each of its ends, and those that have arrived.
    assert!((6..=20).contains(&sent), "{sent}");
}

#[test]
fn a_long_file_arrives_complete_and_in_order() {
    let content: String = (0..100_000).map(|line| format!("line {line}\n")).collect();
    let log = Log::with(&content);
    for straight in [true, false] {
        let lines = log.stream(log.file().until_end());
        let list = match straight {
            true => lines.sink_to_list(),
            false => lines.buffer(10).sink_to_list(),
        };
        log.run(&lines).unwrap();
        assert_eq!(list.take().join("\n") + "\n", content);
    }
}

#[test]
fn an_invalid_line_is_a_failure_and_the_others_arrive() {
    let log = Log::with(b"one\n\xff\ntwo\nth\xffree\nfour");
    let lines = log.stream(log.file().until_end());
    let list = lines.sink_to_list();
    let error = log.run(&lines).unwrap_err();
    assert_eq!(list.to_vec(), ["one", "two", "four"]);
    let path = log.path().display().to_string();
    assert_eq!(
        texts(&error),
        [
            format!("`log` failed: {path}: invalid UTF-8 at byte 4, in the line at byte 4"),
            format!("`log` failed: {path}: invalid UTF-8 at byte 12, in the line at byte 10"),
        ]
    );
    assert_eq!(lines.counters().failed, 2);
}

#[test]
fn invalid_lines_can_be_routed_to_an_error_stream() {
    let log = Log::with(b"one\n\xff\ntwo\n");
    let lines = log.stream(log.file().until_end());
    let (list, bad) = (lines.sink_to_list(), lines.errors().sink_to_list());
    log.run(&lines).unwrap();
    assert_eq!(list.to_vec(), ["one", "two"]);
    assert_eq!(bad.len(), 1);

    let lines = log.stream(log.file().until_end()).on_error(OnError::Skip);
    let list = lines.sink_to_list();
    log.run(&lines).unwrap();
    assert_eq!(list.to_vec(), ["one", "two"]);
}

#[test]
fn a_source_can_be_stopped_in_a_file_of_bad_lines() {
    let log = Log::with(b"\xff\n".repeat(100_000));
    let lines = log.follow().on_error(OnError::Skip);
    lines.start().unwrap();
    log.drain(&lines).unwrap();
    assert!(lines.counters().failed < 100_000);
}

#[test]
fn a_file_that_cannot_be_read_ends_the_source_with_an_error_that_names_it() {
    let log = Log::new();
    let missing = log.stream(log.file().until_end());
    let error = log.run(&missing).unwrap_err();
    let path = log.path().display().to_string();
    assert!(
        texts(&error)[0].starts_with(&format!("`log` failed: cannot open {path}: ")),
        "{error}"
    );

    fs::create_dir(log.path()).unwrap();
    let directory = log.follow();
    let error = log.run(&directory).unwrap_err();
    assert_eq!(
        texts(&error),
        [format!("`log` failed: {path} is not a regular file")]
    );
}

#[test]
fn a_temporarily_unreadable_file_is_reported_once_and_followed() {
    let log = Log::with("one\n");
    let lines = log.follow();
    let list = lines.sink_to_list();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let seen = failures.clone();
    lines.on_unhandled(move |failure| seen.lock().unwrap().push(failure.to_string()));
    lines.start().unwrap();
    log.clock.run_until_idle();
    for round in 1..=2 {
        fs::remove_file(log.path()).unwrap();
        fs::create_dir(log.path()).unwrap();
        log.clock.advance(100 * LOOK);
        assert_eq!(failures.lock().unwrap().len(), round);
        fs::remove_dir(log.path()).unwrap();
        log.append(format!("after {round}\n"));
        log.clock.advance(3 * LOOK);
    }
    assert_eq!(list.to_vec(), ["one", "after 1", "after 2"]);
}

#[test]
fn polling_without_a_pause_does_not_starve_others() {
    let log = Log::with("one\n");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let lines = Stream::from_textfile(log.file().poll_interval("0s"));
        let list = lines.sink_to_list();
        lines.start().unwrap();
        for expected in 1..5 {
            while list.len() < expected {
                tokio::task::yield_now().await;
            }
            log.append("more\n");
        }
        lines.drain("1min").await.unwrap();
    });
}

#[test]
fn invalid_settings_are_reported() {
    let log = Log::with("one\n");
    let lines = Stream::from_textfile(log.file().poll_interval(-1));
    for error in [lines.check(), lines.start(), lines.run("1s").wait()] {
        let error = error.unwrap_err();
        assert!(error.is_build());
        assert!(error.to_string().contains("`from_textfile`: "), "{error}");
    }

    for file in [log.file(), log.file().until_end()] {
        let lines = log.stream(file.lines(Lines::text().delimiter("")));
        let error = log.run(&lines).unwrap_err();
        assert!(
            error.to_string().ends_with("the delimiter is empty"),
            "{error}"
        );
    }
}

#[test]
fn a_copy_is_complete_when_the_pipeline_has_ended() {
    let content: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
    let log = Log::with(&content);
    let copy = log.dir.path().join("copy.log");
    let lines = log.stream(log.file().until_end());
    lines.sink_to_textfile(&copy);
    log.run(&lines).unwrap();
    assert_eq!(fs::read_to_string(&copy).unwrap(), content);
}

#[test]
fn a_file_that_cannot_be_opened_is_a_build_error_of_the_pipeline() {
    let log = Log::new();
    let source = Stream::<String>::new();
    let path = log.dir.path().join("no/such/directory.log");
    source.sink_to_textfile(&path);
    let error = source.emit("lost".to_string()).wait().unwrap_err();
    assert!(error.is_build());
    assert!(
        error.to_string().contains(&format!(
            "`sink_to_textfile`: cannot open {}",
            path.display()
        )),
        "{error}"
    );
}

#[test]
fn an_acknowledged_line_is_in_the_file_when_its_token_fires() {
    let log = Log::new();
    let source = Stream::new();
    source.sink_to_textfile(log.path());
    source.emit("gathered").wait().unwrap();
    assert_eq!(fs::read_to_string(log.path()).unwrap(), "");
    let (sender, fired) = std::sync::mpsc::channel();
    let path = log.path();
    let ack = Ack::new(move |_| sender.send(fs::read_to_string(path).unwrap()).unwrap());
    source.emit_with("acknowledged", ack).wait().unwrap();
    assert_eq!(fired.try_recv().unwrap(), "gathered\nacknowledged\n");
}

#[cfg(target_os = "linux")]
mod full_disk {
    use super::*;

    fn sink(source: &Stream<&'static str>) -> thalweg::Sink {
        let file = TextFileSink::append("/dev/full").unwrap();
        source
            .sink_to_textfile_with(file.flush_each(true))
            .named("full")
    }

    #[test]
    fn a_write_error_is_reported_to_the_emitter() {
        let source = Stream::new();
        sink(&source);
        let error = source.emit("lost").wait().unwrap_err();
        assert_eq!(error.failures()[0].element::<&str>(), Some("lost"));
        let text = "`full` failed on element 1: cannot write to /dev/full: ";
        assert!(error.to_string().starts_with(text), "{error}");
    }

    #[test]
    fn a_write_error_is_handled_by_the_policy() {
        let source = Stream::new();
        let sink = sink(&source);
        let dead = sink.stream().errors().sink_to_list();
        source.emit_many(["one", "two"]).wait().unwrap();
        let lost: Vec<_> = dead
            .take()
            .iter()
            .map(|lost| lost.element::<&str>())
            .collect();
        assert_eq!(lost, [Some("one"), Some("two")]);
        source.drain("5s").wait().unwrap();
    }

    #[test]
    fn unwritten_lines_are_reported_by_the_drain() {
        let source = Stream::new();
        source.sink_to_textfile("/dev/full").named("full");
        source.emit("lost").wait().unwrap();
        let error = source.drain("5s").wait().unwrap_err();
        let text = "`full` failed: cannot write to /dev/full: ";
        assert!(texts(&error)[0].starts_with(text), "{error}");
    }
}
