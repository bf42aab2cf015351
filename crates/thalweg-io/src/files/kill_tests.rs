//! A pipeline from a file into files is killed at random moments and started again, until it has done all: no half file
//! has a name, and no element is missing. `THALWEG_KILLS` says how often it is killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use thalweg::Stream;

use super::*;
use crate::{Position, TextFile, prelude::*};

fn kills() -> u32 {
    let kills = env::var("THALWEG_KILLS");
    kills.ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// Enough for a run that is killed not to be the last one.
fn elements() -> u32 {
    40_000 * kills()
}

/// Is run by the test, in a process of its own. It does nothing otherwise.
#[test]
fn child() {
    let Ok(dir) = env::var("THALWEG_KILL_FILES") else {
        return;
    };
    let dir = Path::new(&dir);
    let ended = (|| {
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
        // It ends with the process.
        thread::spawn(move || {
            loop {
                if let Some(value) = position.value() {
                    let kept = fs::write(&new, value).and_then(|()| fs::rename(&new, &path));
                    kept.expect("there is room");
                }
                thread::yield_now();
            }
        });
        lines.run("50s").wait()?;
        fs::write(dir.join("done"), "")?;
        Ok::<(), Box<dyn std::error::Error>>(())
    })();
    ended.expect("it runs until it is killed");
}

#[test]
fn killed_from_a_file_into_files_nothing_is_lost_and_no_half_file_has_a_name() {
    let dir = tempfile::tempdir().expect("there is room");
    let dir = dir.path();
    fs::create_dir(dir.join("out")).expect("there is room");
    let lines: String = (1..=elements())
        .map(|number| format!("{number}\n"))
        .collect();
    fs::write(dir.join("lines"), lines).expect("there is room");
    let mut chance = u64::from(std::process::id());
    for at in 0..=kills() {
        let mut child = Command::new(env::current_exe().expect("it runs"));
        child.args(["--exact", "files::kill_tests::child"]);
        child.env("THALWEG_KILL_FILES", dir);
        child.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = child.spawn().expect("it can be started");
        if at < kills() {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            thread::sleep(Duration::from_millis(10 + (chance >> 33) % 90));
            let _ = child.kill();
        }
        child.wait().expect("it has ended");
        if env::var_os("THALWEG_KILLS").is_some() {
            let position = fs::read_to_string(dir.join("position"));
            println!("{at}: behind byte {}", position.unwrap_or_default());
        }
    }
    assert!(dir.join("done").exists(), "the last run was not killed");
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
