#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use thalweg::{Element, Failure, Source, Stream};

use super::*;
use crate::Lines;
use crate::testing::{Fault, Proxy};
use crate::web::testing::serve;

/// Runs a source to its end; returns elements and failures.
fn run<S: Source<Item: Element + Clone>>(source: S) -> (Vec<S::Item>, Vec<String>) {
    let stream = Stream::from_source(source);
    let list = stream.sink_to_list();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = failures.clone();
    stream.on_unhandled(move |failure: Failure| {
        failed.lock().unwrap().push(failure.cause().to_string())
    });
    // The error that ends the source is among the failures too.
    let _ = stream.run("1min").wait();
    let failures = failures.lock().unwrap().clone();
    (list.to_vec(), failures)
}

fn answer(head: &str, body: &str) -> Vec<Vec<u8>> {
    let len = body.len();
    vec![
        format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {len}\r\n\r\n").into(),
        body.into(),
    ]
}

#[test]
fn an_unchanged_body_is_not_emitted() {
    let (url, server) = serve([
        answer(
            "200 OK\r\nETag: \"a\"\r\nLast-Modified: Mon, 02 Mar 2026 10:00:00 GMT",
            "one",
        ),
        vec![b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".to_vec()],
        answer("503 Service Unavailable", ""),
        answer("200 OK", "a body that is too long"),
        answer("200 OK", "two"),
        answer("410 Gone", ""),
    ]);
    let (bodies, failures) = run(HttpPoll::new(url, Duration::from_millis(1)).max_len(10));
    assert_eq!(bodies, [b"one", b"two"]);
    let requests = server.join().unwrap();
    let knows = |request: &String| {
        let since = request.contains("if-modified-since: mon, 02 mar 2026 10:00:00 gmt");
        request.contains("if-none-match: \"a\"") && since
    };
    assert_eq!(
        requests.iter().map(knows).collect::<Vec<_>>(),
        [false, true, true, true, true, false]
    );
    let ends = [
        "answered 503 Service Unavailable",
        "is longer than 10 bytes",
        "answered 410 Gone",
    ];
    assert_eq!(failures.len(), ends.len(), "{failures:?}");
    assert!(
        failures
            .iter()
            .zip(ends)
            .all(|(failure, end)| failure.ends_with(end)),
        "{failures:?}"
    );
    assert!(!format!("{failures:?}").contains("secret"));
}

#[test]
fn lines_arrive_complete_and_a_bad_one_fails_alone() {
    let (url, server) = serve([vec![
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\none\r".to_vec(),
        b"\nGr\xc3".to_vec(),
        b"\xbc\xc3\x9fe\n\xff\nfar too long\nlast".to_vec(),
    ]]);
    let (lines, failures) = run(HttpLines::new(url).lines(Lines::text().max_len(10)));
    assert_eq!(lines, ["one", "Grüße", "last"]);
    assert!(
        failures.len() == 2 && failures[0].contains("invalid UTF-8"),
        "{failures:?}"
    );
    assert!(
        failures[0].starts_with("http://127.0.0.1:") && !failures[0].contains("secret"),
        "{failures:?}"
    );
    server.join().unwrap();
}

#[test]
fn a_compressed_body_is_an_error_unless_it_was_asked_for() {
    let compressed = || answer("200 OK\r\nContent-Encoding: br", "\x03");
    let (url, server) = serve([compressed()]);
    let (lines, failures) = run(HttpLines::new(url));
    assert!(lines.is_empty() && failures.len() == 1, "{failures:?}");
    assert!(
        failures[0].contains("compressed with \"br\""),
        "{failures:?}"
    );
    let request = server.join().unwrap().concat();
    assert!(request.contains("accept-encoding: identity"), "{request}");

    let (url, server) = serve([compressed()]);
    let poll = HttpPoll::new(url, Duration::from_millis(1));
    let (bodies, failures) = run(poll.clone());
    assert!(bodies.is_empty() && failures.len() == 1, "{failures:?}");
    server.join().unwrap();

    let (url, server) = serve([compressed(), answer("410 Gone", "")]);
    let options = crate::RequestOptions::new().header("Accept-Encoding", "br");
    let poll = HttpPoll::new(url, Duration::from_millis(1)).options(options);
    assert_eq!(run(poll).0, [b"\x03"]);
    let requests = server.join().unwrap();
    assert!(requests[0].contains("accept-encoding: br"), "{requests:?}");
    assert!(!requests[0].contains("identity"), "{requests:?}");
}

#[test]
fn a_truncated_response_is_an_error_and_a_partial_line_is_dropped() {
    let (url, server) = serve([vec![
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\none\ntw".to_vec(),
    ]]);
    let (lines, failures) = run(HttpLines::new(url));
    assert_eq!(lines, ["one"]);
    assert!(
        failures.len() == 1 && failures[0].starts_with("lost the connection to http://"),
        "{failures:?}"
    );
    server.join().unwrap();
}

#[test]
fn an_error_status_ends_the_source() {
    let (url, server) = serve([answer("404 Not Found", "no such page\n")]);
    let (lines, failures) = run(HttpLines::new(url));
    assert!(
        lines.is_empty() && failures[0].ends_with("answered 404 Not Found"),
        "{failures:?}"
    );
    server.join().unwrap();
}

#[test]
fn a_truncated_body_is_a_failure_and_the_next_one_arrives_complete() {
    let body = "x".repeat(1000);
    let whole = || answer("200 OK", &body);
    let (url, server) = serve([whole(), whole(), answer("410 Gone", "")]);
    let address = url.split(['@', '/']).nth(3).expect("it has one");
    let proxy = Proxy::to(address).fault(Fault::CutAfter(400)).piece(9);
    let proxy = proxy.start().expect("a port is free");
    let bodies = Stream::from_http_poll(HttpPoll::new(
        format!("http://{}/", proxy.address()),
        Duration::from_millis(1),
    ));
    let list = bodies.sink_to_list();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = failures.clone();
    bodies.on_unhandled(move |failure: Failure| {
        proxy.set_fault(Fault::Nothing);
        failed
            .lock()
            .expect("nobody panics")
            .push(failure.to_string());
    });
    // The missing page ends the source.
    let _ = bodies.run("1min").wait();
    assert!(
        list.to_vec()
            .iter()
            .map(|body| &body[..])
            .eq([body.as_bytes()])
    );
    server.join().expect("it answers");
    assert_eq!(failures.lock().expect("nobody panics").len(), 2);
}
