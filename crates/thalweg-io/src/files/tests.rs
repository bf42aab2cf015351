#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use thalweg::{Ack, BoxError, Outcome, Stream, VirtualClock};

use super::part::REFUSED;
use super::*;
use crate::files::format::TextLines;

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

/// Emits with a token; returns the receiver of its outcome.
fn emit(source: &Stream<String>, line: &str) -> (Result<(), thalweg::Error>, Receiver<Outcome>) {
    let (sender, outcome) = channel();
    let ack = Ack::new(move |outcome| {
        let _ = sender.send(outcome);
    });
    (source.emit_with(line.to_string(), ack).wait(), outcome)
}

#[test]
fn a_complete_file_is_renamed_and_its_elements_are_acknowledged() {
    let dir = tempdir().unwrap();
    let clock = VirtualClock::new();
    let lines = Stream::on(&clock);
    lines.to_files(
        Files::new(dir.path().join("{number}.txt"))
            .max_rows(2)
            .sync(false),
    );
    let (emitted, first) = emit(&lines, "one");
    emitted.unwrap();
    assert_eq!(names(&dir), [".000000.txt.partial"]);
    assert!(first.try_recv().is_err());
    let (emitted, second) = emit(&lines, "two");
    emitted.unwrap();
    assert_eq!(names(&dir), ["000000.txt"]);
    assert_eq!(content(&dir, "000000.txt"), "one\ntwo\n");
    assert_eq!(
        [first.try_recv(), second.try_recv()],
        [Ok(Outcome::Delivered); 2]
    );
    // The drain writes the tail.
    let (emitted, third) = emit(&lines, "three");
    emitted.unwrap();
    clock.block_on(lines.drain("1s")).unwrap();
    assert_eq!(names(&dir), ["000000.txt", "000001.txt"]);
    assert_eq!(third.try_recv(), Ok(Outcome::Delivered));
}

#[test]
fn synced_files_are_renamed_at_the_end_and_all_elements_acknowledged() {
    let dir = tempdir().unwrap();
    let lines = Stream::new();
    lines.to_files(Files::new(dir.path().join("{number}")).max_rows(1));
    let outcomes: Vec<_> = (0..50)
        .map(|number| {
            let (emitted, outcome) = emit(&lines, &number.to_string());
            emitted.unwrap();
            outcome
        })
        .collect();
    lines.drain("60s").wait().unwrap();
    assert_eq!(names(&dir).len(), 50);
    for (number, outcome) in outcomes.iter().enumerate() {
        assert_eq!(outcome.try_recv(), Ok(Outcome::Delivered));
        assert_eq!(
            content(&dir, &format!("{number:06}")),
            format!("{number}\n")
        );
    }
}

#[test]
fn a_file_is_rolled_over_by_size_and_by_age() {
    let dir = tempdir().unwrap();
    let clock = VirtualClock::new();
    let lines = Stream::on(&clock);
    let files = Files::new(dir.path().join("{number}-{start}"))
        .max_bytes(8)
        .max_age("1min");
    lines.to_files(files.sync(false).start(SystemTime::UNIX_EPOCH));
    for line in ["1234567", "a"] {
        lines.emit(line).wait().unwrap();
    }
    assert_eq!(
        names(&dir),
        [
            ".000001-19700101T000000Z.partial",
            "000000-19700101T000000Z"
        ]
    );
    clock.advance(Duration::from_secs(59));
    lines.emit("b").wait().unwrap();
    assert_eq!(names(&dir).len(), 2);
    clock.advance(Duration::from_secs(1));
    assert_eq!(content(&dir, "000001-19700101T000000Z"), "a\nb\n");
    // The age is that of the file, not of the pipeline.
    clock.advance(Duration::from_secs(30));
    lines.emit("c").wait().unwrap();
    clock.advance(Duration::from_secs(59));
    assert_eq!(names(&dir)[0], ".000002-19700101T000130Z.partial");
    clock.advance(Duration::from_secs(1));
    assert_eq!(names(&dir)[2], "000002-19700101T000130Z");
    // Empty files are not written.
    clock.advance(Duration::from_secs(3600));
    clock.block_on(lines.drain("1s")).unwrap();
    assert_eq!(names(&dir).len(), 3);
}

#[test]
fn file_numbers_continue_and_unfinished_files_are_removed() {
    let dir = tempdir().unwrap();
    for other in [
        "000007.txt",
        ".000008.txt.partial",
        ".other.txt.partial",
        "9.txt",
    ] {
        fs::write(dir.path().join(other), "before").unwrap();
    }
    let lines = Stream::new();
    lines.to_files(dir.path().join("{number}.txt"));
    lines.emit("now").wait().unwrap();
    lines.drain("10s").wait().unwrap();
    assert_eq!(
        names(&dir),
        [".other.txt.partial", "000007.txt", "000008.txt", "9.txt"]
    );
    assert_eq!(content(&dir, "000008.txt"), "now\n");
}

#[test]
fn a_complete_single_file_replaces_the_previous_one() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("all.txt"), "before").unwrap();
    let lines = Stream::new();
    lines.to_files(dir.path().join("all.txt"));
    lines.emit("now").wait().unwrap();
    assert_eq!(content(&dir, "all.txt"), "before");
    lines.drain("10s").wait().unwrap();
    assert_eq!(content(&dir, "all.txt"), "now\n");
    assert_eq!(names(&dir), ["all.txt"]);
}

#[test]
fn a_dropped_pipeline_leaves_no_file_and_fails_its_elements() {
    let dir = tempdir().unwrap();
    let lines = Stream::new();
    lines.to_files(dir.path().join("all.txt"));
    let (emitted, outcome) = emit(&lines, "lost");
    emitted.unwrap();
    drop(lines);
    assert!(names(&dir).is_empty());
    assert_eq!(outcome.try_recv(), Ok(Outcome::Failed));
}

#[cfg(feature = "tokio")]
#[test]
fn files_are_finished_after_the_end_of_the_event_loop() {
    let dir = tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    let lines = {
        let _context = runtime.enter();
        Stream::on(thalweg::EventLoop::current().unwrap())
    };
    lines.to_files(Files::new(dir.path().join("a.txt")));
    let (emitted, outcome) = emit(&lines, "one");
    emitted.unwrap();
    drop(runtime);
    lines.drain("60s").wait().unwrap();
    assert_eq!(content(&dir, "a.txt"), "one\n");
    assert_eq!(outcome.recv().unwrap(), Outcome::Delivered);
}

/// Two pipelines with the same file, as when a cell of a notebook is run again.
fn two_at_one_file(dir: &TempDir) -> [(Stream<String>, Receiver<Outcome>); 2] {
    ["first", "second"].map(|line| {
        let lines = Stream::new();
        lines.to_files(Files::new(dir.path().join("a.txt")));
        let (emitted, outcome) = emit(&lines, line);
        emitted.unwrap();
        (lines, outcome)
    })
}

#[cfg(unix)]
#[test]
fn a_dropped_pipeline_leaves_the_file_that_another_has_begun_meanwhile() {
    let dir = tempdir().unwrap();
    let [(first, lost), (second, delivered)] = two_at_one_file(&dir);
    drop(first);
    assert_eq!(lost.recv().unwrap(), Outcome::Failed);
    second.drain("60s").wait().unwrap();
    assert_eq!(content(&dir, "a.txt"), "second\n");
    assert_eq!(delivered.recv().unwrap(), Outcome::Delivered);
}

#[cfg(unix)]
#[test]
fn a_file_that_another_pipeline_has_begun_meanwhile_is_not_passed_off_as_ones_own() {
    let dir = tempdir().unwrap();
    let [(first, lost), (second, delivered)] = two_at_one_file(&dir);
    let refused = first.drain("60s").wait().unwrap_err().to_string();
    assert!(
        refused.contains("another pipeline has begun the same file"),
        "{refused}"
    );
    assert_eq!(lost.recv().unwrap(), Outcome::Failed);
    second.drain("60s").wait().unwrap();
    assert_eq!(content(&dir, "a.txt"), "second\n");
    assert_eq!(delivered.recv().unwrap(), Outcome::Delivered);
}

#[test]
fn an_element_that_cannot_be_written_leaves_nothing_behind() {
    struct Picky;
    impl Format<String> for Picky {
        fn add(&mut self, x: &String, out: &mut Vec<u8>) -> Result<(), BoxError> {
            out.extend_from_slice(x.as_bytes());
            if x == "bad" {
                Err("it is bad".into())
            } else {
                Ok(())
            }
        }
    }
    let dir = tempdir().unwrap();
    let path = dir.path().join("all.txt");
    let lines = Stream::new();
    lines.to_files_as(&path, Picky);
    emit(&lines, "a").0.unwrap();
    let (emitted, outcome) = emit(&lines, "bad");
    let error = emitted.unwrap_err().to_string();
    assert!(
        error.contains(&format!("{}: it is bad", path.display())),
        "{error}"
    );
    assert_eq!(outcome.try_recv(), Ok(Outcome::Failed));
    emit(&lines, "c").0.unwrap();
    lines.drain("10s").wait().unwrap();
    assert_eq!(content(&dir, "all.txt"), "ac");
}

/// Emits a line to files with this name; returns the error.
fn refused(path: &Path) -> String {
    let lines = Stream::new();
    lines.to_files(path);
    let error = lines.emit("a line").wait().unwrap_err().to_string();
    lines.drain("10s").wait().unwrap();
    error
}

#[test]
fn a_missing_folder_is_named_and_retried() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("folder");
    for name in ["all.txt", "{number}.txt"] {
        let error = refused(&folder.join(name));
        assert!(
            error.contains(&format!("cannot create {}", folder.display())),
            "{error}"
        );
        assert!(
            error.contains(&format!("is there a folder {}?", folder.display())),
            "{error}"
        );
    }
    let lines = Stream::new();
    lines.to_files(folder.join("{number}.txt"));
    lines.emit("lost").wait().unwrap_err();
    fs::create_dir(&folder).unwrap();
    lines.emit("kept").wait().unwrap();
    lines.drain("10s").wait().unwrap();
    assert_eq!(
        fs::read_to_string(folder.join("000000.txt")).unwrap(),
        "kept\n"
    );
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    if fs::write(dir.path().join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    let error = refused(&dir.path().join("all.txt"));
    assert!(error.contains("give this user the rights"), "{error}");
}

/// A folder on a disk of this size in KiB, unmounted on drop; `None` if this user may not mount.
#[cfg(target_os = "linux")]
struct SmallDisk(TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(kib: usize) -> Option<Self> {
        use std::process::{Command, Stdio};

        let dir = tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]);
        mount.arg(dir.path()).stderr(Stdio::null());
        match mount.status() {
            Ok(status) if status.success() => Some(Self(dir)),
            _ => {
                eprintln!("skipped: this user may not mount a small disk");
                None
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg(self.0.path())
            .status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn after_a_full_disk_nothing_is_missing_or_duplicated() {
    let Some(disk) = SmallDisk::mount(256) else {
        return;
    };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![0; 100 * 1024]).unwrap();
    let lines = Stream::new();
    lines.to_files(disk.0.path().join("{number}.txt"));
    let line = |number: usize| format!("{number:0999}");
    let mut failures = 0;
    for number in 0..200 {
        let (emitted, outcome) = emit(&lines, &line(number));
        if let Err(error) = emitted {
            failures += 1;
            let error = error.to_string();
            assert!(error.contains("cannot write to "), "{error}");
            assert!(
                error.contains(&format!(
                    "make room on the disk of {}",
                    disk.0.path().display()
                )),
                "{error}"
            );
            assert_eq!(outcome.try_recv(), Ok(Outcome::Failed));
            fs::remove_file(&ballast).unwrap();
            emit(&lines, &line(number)).0.unwrap();
        }
    }
    assert_eq!(failures, 1);
    lines.drain("10s").wait().unwrap();
    let all: String = (0..200).map(|number| line(number) + "\n").collect();
    assert_eq!(content(&disk.0, "000000.txt"), all);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_fails_the_drain_and_leaves_no_partial_file() {
    let Some(disk) = SmallDisk::mount(16) else {
        return;
    };
    let lines = Stream::new();
    lines.to_files(disk.0.path().join("all.txt"));
    let (emitted, outcome) = emit(&lines, &"x".repeat(40_000));
    emitted.unwrap();
    let error = lines.drain("10s").wait().unwrap_err().to_string();
    assert!(error.contains("make room on the disk"), "{error}");
    drop(lines);
    assert!(names(&disk.0).is_empty());
    assert_eq!(outcome.try_recv(), Ok(Outcome::Failed));
}

#[test]
fn a_file_of_another_program_is_not_overwritten() {
    let dir = tempdir().unwrap();
    let clock = VirtualClock::new();
    let lines = Stream::on(&clock);
    lines.to_files(Files::new(dir.path().join("{number}.txt")).sync(false));
    lines.emit("ours").wait().unwrap();
    fs::write(dir.path().join("000000.txt"), "theirs").unwrap();
    let error = clock.block_on(lines.drain("1s")).unwrap_err().to_string();
    assert!(
        error.contains("does another program write here?"),
        "{error}"
    );
    assert_eq!(content(&dir, "000000.txt"), "theirs");
}

#[test]
fn a_single_file_with_too_many_unacknowledged_elements_is_an_error() {
    let dir = tempdir().unwrap();
    let lines = Stream::new();
    lines.to_files(dir.path().join("all.txt"));
    for _ in 0..32_768 {
        lines
            .emit_with(String::new(), Ack::new(|_| ()))
            .wait()
            .unwrap();
    }
    let error = emit(&lines, "").0.unwrap_err().to_string();
    assert!(error.contains("put `{number}` into its name"), "{error}");
    lines.emit(String::new()).wait().unwrap();
}

#[test]
fn csv_has_a_header_in_each_file() {
    #[derive(Clone, Serialize)]
    struct Pair {
        a: u32,
        b: &'static str,
    }
    let dir = tempdir().unwrap();
    let pairs = Stream::new();
    pairs.to_csv(Files::new(dir.path().join("{number}.csv")).max_rows(2));
    for (a, b) in [(1, "x"), (2, "y\"z"), (3, "")] {
        pairs.emit(Pair { a, b }).wait().unwrap();
    }
    pairs.drain("10s").wait().unwrap();
    assert_eq!(content(&dir, "000000.csv"), "a,b\n1,x\n2,\"y\"\"z\"\n");
    assert_eq!(content(&dir, "000001.csv"), "a,b\n3,\n");
}

#[test]
fn a_wrong_name_is_a_build_error() {
    let lines: Stream<String> = Stream::new();
    lines.to_files_as(Files::new("all.txt").max_rows(3), TextLines);
    let error = lines.check().unwrap_err().to_string();
    assert!(error.contains("files that end need `{number}`"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_non_file_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    use std::os::unix::net::UnixListener;

    let dir = tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    for name in [&path, dir.path()] {
        let lines: Stream<String> = Stream::new();
        lines.to_files_as(Files::new(name), TextLines);
        let error = lines.check().unwrap_err().to_string();
        assert!(error.contains("give it a name of its own"), "{error}");
    }
    drop(listener);
    fs::remove_file(&path).unwrap();

    // Created meanwhile.
    let lines = Stream::new();
    lines.to_files_as(Files::new(&path).sync(false), TextLines);
    lines.emit("one".to_string()).wait().unwrap();
    let _listener = UnixListener::bind(&path).unwrap();
    let error = lines.drain("1s").wait().unwrap_err().to_string();
    assert!(error.contains("give it a name of its own"), "{error}");
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_batches_must_share_columns_and_unsupported_values_are_named() {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int64Array, RecordBatch};

    let batch = |name| {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        RecordBatch::try_from_iter([(name, column)]).unwrap()
    };
    let dir = tempdir().unwrap();
    let path = dir.path().join("all.parquet");
    let batches = Stream::new();
    batches.to_parquet(&path);
    batches.emit(batch("a")).wait().unwrap();
    let error = batches.emit(batch("b")).wait().unwrap_err().to_string();
    let columns = "those of its first batch, a Int64, and this one has b Int64";
    assert!(error.contains(columns), "{error}");
    batches.emit(batch("a")).wait().unwrap();
    batches.drain("10s").wait().unwrap();
    let read = Stream::from_parquet(&path);
    let rows = read.map(|batch| batch.num_rows()).sink_to_list();
    read.run("10s").wait().unwrap();
    assert_eq!(rows.to_vec().iter().sum::<usize>(), 4);

    fs::write(&path, "no parquet").unwrap();
    let read = Stream::from_parquet(&path);
    let error = read.run("10s").wait().unwrap_err().to_string();
    assert!(
        error.contains(&format!("cannot read {}: ", path.display())),
        "{error}"
    );
}

#[test]
fn a_file_refused_by_the_disk_is_rewritten() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("000000.txt");
    REFUSED
        .lock()
        .unwrap()
        .extend([path.clone(), path.clone(), path]);
    let lines = Stream::new();
    lines.to_files(Files::new(dir.path().join("{number}.txt")).max_rows(2));
    let outcomes = ["a", "b", "c"].map(|line| emit(&lines, line).1);
    lines.drain("60s").wait().unwrap();
    for outcome in outcomes {
        assert_eq!(outcome.recv(), Ok(Outcome::Delivered));
    }
    assert_eq!(names(&dir), ["000000.txt", "000001.txt"]);
    assert_eq!(content(&dir, "000000.txt"), "a\nb\n");
    assert!(
        REFUSED
            .lock()
            .unwrap()
            .iter()
            .all(|one| !one.starts_with(dir.path()))
    );
}
