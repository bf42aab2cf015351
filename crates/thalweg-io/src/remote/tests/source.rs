use std::collections::HashMap;

use thalweg::Failure;

use super::*;
use crate::files::Records;
use crate::remote::{FromUrl, UrlSource};
use crate::{Lines, Position};

/// Runs a source to its end; returns elements and failures.
fn run<T: thalweg::Element>(source: UrlSource<T>) -> (Vec<T>, Vec<String>) {
    let records = Stream::from_url(source.remote(quick()));
    let (sender, failures) = std::sync::mpsc::channel();
    records.on_unhandled(move |failure: Failure| sender.send(failure.cause().to_string()).unwrap());
    let list = records.sink_to_list();
    let _ = records.run("1min").wait();
    (list.to_vec(), failures.try_iter().collect())
}

#[test]
fn lines_are_read_over_broken_connections() {
    let lines: Vec<String> = (0..20_000).map(|number| format!("line {number}")).collect();
    let server = StandIn::with(&[("/lines", (lines.join("\n") + "\n").as_bytes())]);
    let proxy = Proxy::to(&server.address).fault(Fault::CutAfter(50_000));
    let proxy = proxy.start().unwrap();
    let url = format!("http://{}/lines", proxy.address());
    let records = Records::lines(Lines::text()).unwrap();
    let (found, failures) = run(UrlSource::new(url, records));
    assert!(found == lines, "{failures:?}");
    assert!(server.lock().asked.len() > 3);
}

#[test]
fn chunks_add_up_to_the_content() {
    let content = numbers(3 << 20);
    let server = StandIn::with(&[("/file", &content), ("/empty", b"")]);
    let (found, _) = run(UrlSource::new(server.url("/file"), Records::chunks()));
    assert!(found.concat() == content);
    let (found, failures) = run(UrlSource::new(server.url("/empty"), Records::chunks()));
    assert!(found.is_empty() && failures.is_empty());
}

#[test]
fn a_position_resumes_at_its_byte_even_after_a_header() {
    let server = StandIn::with(&[
        ("/lines", b"one\ntwo\nthree\n"),
        ("/rows.csv", b"name,depth\nspring,1\nmouth,9\n"),
    ]);
    let position = Position::behind("lines", "4");
    let records = Records::lines(Lines::text()).unwrap();
    let source = UrlSource::new(server.url("/lines"), records.clone()).position(&position);
    assert_eq!(run(source).0, ["two", "three"]);
    assert_eq!(position.value().as_deref(), Some("14"));
    // Everything has been read.
    let source = UrlSource::new(server.url("/lines"), records.clone()).position(&position);
    assert!(run(source).0.is_empty());
    // The file was replaced.
    server
        .lock()
        .files
        .insert("/lines".to_owned(), "new\n".into());
    let source = UrlSource::new(server.url("/lines"), records).position(&position);
    assert_eq!(run(source).0, ["new"]);
    assert!(
        server
            .lock()
            .asked
            .contains(&"GET /lines bytes=4-".to_owned())
    );

    type Row = HashMap<String, String>;
    let position = Position::behind("rows", "20");
    let source = UrlSource::new(server.url("/rows.csv"), Records::<Row>::csv());
    let (rows, _) = run(source.position(&position));
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["name"], "mouth");
}

#[test]
fn an_invalid_record_is_a_failure_and_a_missing_file_ends_the_source() {
    let server = StandIn::with(&[("/values", b"[1]\n[2\n[3]\n")]);
    let records = Records::<[u32; 1]>::jsonl();
    let (found, failures) = run(UrlSource::new(
        server.url("/values?key=secret"),
        records.clone(),
    ));
    assert_eq!(found, [[1], [3]]);
    let place = format!("http://{}/values: line 2, byte 4: ", server.address);
    assert!(failures[0].starts_with(&place), "{failures:?}");
    let (found, failures) = run(UrlSource::new(server.url("/none"), records));
    assert!(found.is_empty());
    assert!(
        failures[0].contains("404 Not Found; check its name"),
        "{failures:?}"
    );
}

#[test]
fn a_stopped_source_resumes_after_its_last_record() {
    let lines: Vec<String> = (0..100_000).map(|number| number.to_string()).collect();
    let server = StandIn::with(&[("/lines", lines.join("\n").as_bytes())]);
    let records = Records::lines(Lines::text()).unwrap();
    let numbers = Stream::from_url(UrlSource::new(server.url("/lines"), records).remote(quick()));
    let (sender, seen) = std::sync::mpsc::channel();
    let list = numbers
        .inspect(move |line| {
            if line == "5000" {
                sender.send(()).unwrap();
            }
        })
        .sink_to_list();
    numbers.start().unwrap();
    seen.recv().unwrap();
    numbers.stop();
    numbers.start().unwrap();
    numbers.run("1min").wait().unwrap();
    assert!(list.to_vec() == lines, "{}", list.to_vec().len());
}
