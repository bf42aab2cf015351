use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use thalweg::{OnError, Retry, Stream};
use tokio::runtime::{Builder, Runtime};

use super::*;

type Tested = Result<(), Box<dyn Error>>;

fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors")
}

/// Sends texts through a node that fails on non-numbers, and stores these as dead letters.
async fn fail(letters: &DeadLetters, texts: &[&str]) -> Tested {
    let source = Stream::new();
    let numbers = source
        .try_map(|text: &String| text.parse::<i32>())
        .named("parse");
    numbers
        .errors()
        .to_dead_letters(letters, |text: &String| text.as_str().into());
    source
        .emit_many(texts.iter().map(|text| (*text).to_string()))
        .await?;
    Ok(source.drain("30s").await?)
}

/// The letters of a replay, all of them acknowledged.
async fn replay(letters: &DeadLetters) -> Result<Vec<DeadLetter>, Box<dyn Error>> {
    let again = Stream::from_dead_letters(letters);
    let list = again.sink_to_list();
    again.run("30s").await?;
    Ok(list.to_vec())
}

fn texts(letters: &[DeadLetter]) -> Vec<String> {
    letters
        .iter()
        .map(|letter| letter.element.text().unwrap_or_default())
        .collect()
}

/// Checks common to all places of letters.
async fn each_is_replayed_once(letters: &DeadLetters) -> Tested {
    fail(letters, &["1", "two", "3", "four\n"]).await?;
    let first = replay(letters).await?;
    assert_eq!(texts(&first), ["two", "four\n"]);
    assert_eq!(
        first[1],
        DeadLetter {
            node: "parse".to_string(),
            ordinal: 4,
            attempt: 1,
            error: "invalid digit found in string".to_string(),
            element: "four\n".into(),
        }
    );
    assert_eq!(replay(letters).await?, []);
    // Letters that fail again are stored again, one attempt later, and not replayed in the same run.
    fail(letters, &["five"]).await?;
    let again = Stream::from_dead_letters(letters);
    let numbers = again.try_map(|letter| letter.element.text().unwrap_or_default().parse::<i32>());
    numbers
        .on_error(Retry::times(1).then(OnError::Raise))
        .errors()
        .to_dead_letters(letters, |letter: &DeadLetter| letter.element.clone());
    again.run("30s").await?;
    let second = replay(letters).await?;
    assert_eq!(texts(&second), ["five"]);
    assert_eq!(second[0].attempt, 2);
    assert_eq!(replay(letters).await?, []);
    Ok(())
}

fn in_dir(f: impl AsyncFnOnce(&Path) -> Tested) -> Tested {
    let dir = tempfile::tempdir()?;
    runtime().block_on(f(dir.path()))
}

#[test]
fn letters_in_a_file_are_replayed_once() -> Tested {
    in_dir(async |dir| each_is_replayed_once(&DeadLetters::file(dir.join("letters"))).await)
}

#[cfg(feature = "sqlite")]
#[test]
fn letters_in_a_table_are_replayed_once() -> Tested {
    in_dir(async |dir| {
        let url = format!("sqlite:{}", dir.join("letters.db").display());
        each_is_replayed_once(&DeadLetters::open(&url)?).await?;
        // Another table of the same database has its own position.
        let database = crate::Database::open(&url)?;
        each_is_replayed_once(&DeadLetters::table(&database, "other \"letters\"")?).await
    })
}

#[cfg(feature = "kafka")]
#[test]
fn letters_in_a_topic_are_replayed_once() -> Tested {
    let broker = crate::kafka::TestBroker::start([("letters", 1)])?;
    let url = format!("kafka://{}/letters", broker.address());
    let letters = DeadLetters::open(&url)?;
    // This broker takes that long to notice that a member has left.
    let letters = letters.option("session.timeout.ms", "6000");
    runtime().block_on(each_is_replayed_once(&letters))
}

#[test]
fn a_letter_that_fails_without_a_policy_is_replayed_again_with_its_successors() -> Tested {
    in_dir(async |dir| {
        let letters = DeadLetters::file(dir.join("letters"));
        fail(&letters, &["one", "two", "three"]).await?;
        let again = Stream::from_dead_letters(&letters);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        again.try_sink(move |letter: &DeadLetter| {
            let text = letter.element.text().unwrap_or_default();
            log.lock().expect("nobody panics").push(text.clone());
            match text.as_str() {
                "two" => Err("not yet"),
                _ => Ok(()),
            }
        });
        again.on_unhandled(|_| ());
        let ended = again.run("30s").await;
        drop(ended);
        assert_eq!(
            *seen.lock().expect("nobody panics"),
            ["one", "two", "three"]
        );
        assert_eq!(texts(&replay(&letters).await?), ["two", "three"]);
        Ok(())
    })
}

#[test]
fn a_truncated_line_is_skipped_and_reported() -> Tested {
    in_dir(async |dir| {
        let path = dir.join("letters");
        let letters = DeadLetters::file(&path);
        fail(&letters, &["one"]).await?;
        let mut text = fs::read_to_string(&path)?;
        text += "{\"node\":\"par";
        fs::write(&path, text)?;
        fail(&letters, &["two"]).await?;
        let again = Stream::from_dead_letters(&letters);
        let problems = again
            .errors()
            .map(|failure| failure.cause().to_string())
            .sink_to_list();
        let list = again
            .map(|letter| letter.element.text().unwrap_or_default())
            .sink_to_list();
        again.run("30s").await?;
        assert_eq!(list.to_vec(), ["one", "two"]);
        let [problem] = &problems.to_vec()[..] else {
            panic!("one line is no letter")
        };
        assert!(problem.contains("letters: the line at byte"), "{problem}");
        Ok(())
    })
}

#[test]
fn bytes_and_debug_texts_are_kept() -> Tested {
    in_dir(async |dir| {
        let letters = DeadLetters::file(dir.join("letters"));
        let source = Stream::new();
        let failing = source.try_map(|_: &Vec<u8>| Err::<(), _>("no"));
        failing
            .errors()
            .to_dead_letters(&letters, |bytes: &Vec<u8>| match &bytes[..] {
                [0xff, ..] => bytes.clone().into(),
                _ => Kept::shown(bytes),
            });
        source.emit_many([vec![0xff, 0, 7], vec![1]]).await?;
        source.drain("30s").await?;
        let kept: Vec<Kept> = replay(&letters)
            .await?
            .into_iter()
            .map(|letter| letter.element)
            .collect();
        assert_eq!(
            kept,
            [
                Kept::Bytes(vec![0xff, 0, 7]),
                Kept::Shown("[1]".to_string())
            ]
        );
        Ok(())
    })
}

#[test]
fn an_oversized_letter_fails_alone() -> Tested {
    in_dir(async |dir| {
        let letters = DeadLetters::file(dir.join("letters"));
        let source = Stream::new();
        let failing = source.try_map(|_: &String| Err::<(), _>("no"));
        failing
            .errors()
            .to_dead_letters(&letters, |text: &String| text.as_str().into());
        let texts = [
            "a".to_string(),
            "b".repeat(letter::MAX_LEN),
            "c".to_string(),
        ];
        let problem = match source.emit_many(texts).await {
            Ok(()) => source.drain("30s").await.expect_err("one is too long"),
            Err(problem) => problem,
        };
        assert!(
            problem.to_string().contains("16 MiB is the most"),
            "{problem}"
        );
        drop(source.drain("30s").await);
        assert_eq!(self::texts(&replay(&letters).await?), ["a", "c"]);
        Ok(())
    })
}

#[test]
fn errors_name_the_place() -> Tested {
    in_dir(async |dir| {
        let letters = DeadLetters::file(dir.join("missing"));
        let error = replay(&letters).await.expect_err("there is no file");
        assert!(error.to_string().contains("missing: "), "{error}");
        fs::write(dir.join("missing"), "")?;
        fs::write(dir.join("missing.replayed"), "soon")?;
        let error = replay(&letters).await.expect_err("that is no number");
        assert!(
            error
                .to_string()
                .contains("missing.replayed holds no number"),
            "{error}"
        );
        Ok(())
    })
}
