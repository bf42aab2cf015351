#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use thalweg::{Failure, Stream};

use super::*;
use crate::testing::{Fault, Proxy};
use crate::web::testing::serve;

const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nConnection: close\r\n\r\n";
const END: &str = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

fn feed(text: &str) -> Vec<Vec<u8>> {
    vec![HEAD.into(), text.into()]
}

/// Runs a feed to its end; returns data of events, and failures.
fn run(sse: Sse) -> (Vec<String>, Vec<String>) {
    let events = Stream::from_sse(sse.wait(Duration::ZERO));
    let list = events.map(|event| event.data.clone()).sink_to_list();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let failed = failures.clone();
    events.on_unhandled(move |failure: Failure| {
        failed.lock().unwrap().push(failure.cause().to_string())
    });
    // The error that ends the feed is among the failures too.
    let _ = events.run("1min").wait();
    let failures = failures.lock().unwrap().clone();
    (list.to_vec(), failures)
}

#[test]
fn a_broken_feed_resumes_after_the_last_event() {
    let text = "id: 1\ndata: Grüße\n\nid: 2\ndata: half";
    let within = text.find('ü').unwrap() + 1;
    let (start, rest) = text.as_bytes().split_at(within);
    let (url, server) = serve([
        vec![HEAD.into(), start.into(), rest.into()],
        feed("id: 2\ndata: whole\n\n"),
        vec![END.into()],
    ]);
    let (data, failures) = run(Sse::new(url)
        .options(RequestOptions::new().header("x-key", "7"))
        .last_event_id("0"));
    assert_eq!(data, ["Grüße", "whole"]);
    assert!(failures.is_empty(), "{failures:?}");
    for (request, id) in server.join().unwrap().iter().zip(["0", "1", "2"]) {
        assert!(
            request.contains(&format!("\r\nlast-event-id: {id}\r\n")),
            "{request}"
        );
        assert!(request.contains("\r\nx-key: 7\r\n"), "{request}");
    }
}

#[test]
fn a_busy_server_is_retried_and_reported() {
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nConnection: close\r\n\r\n";
    let broken = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 99\r\n\r\ndata: a\n\n";
    let (url, server) = serve([
        vec![busy.into()],
        vec![broken.into()],
        feed("data: b\n\n"),
        vec![END.into()],
    ]);
    let (data, failures) = run(Sse::new(url));
    assert_eq!(data, ["a", "b"]);
    assert_eq!(failures.len(), 2, "{failures:?}");
    assert!(
        failures[0].ends_with("/feed answered 503 Service Unavailable"),
        "{failures:?}"
    );
    assert!(
        failures[1].starts_with("lost the connection to http://127.0.0.1:"),
        "{failures:?}"
    );
    assert!(!format!("{failures:?}").contains("secret"));
    server.join().unwrap();
}

#[test]
fn a_permanent_error_ends_the_source() {
    for (answer, error) in [
        ("404 Not Found\r\n", "answered 404 Not Found"),
        (
            "200 OK\r\nContent-Type: text/html\r\n",
            "sent \"text/html\", not \"text/event-stream\"",
        ),
        (
            "200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n",
            "respect `Accept-Encoding: identity`",
        ),
        (
            "302 Found\r\nLocation: https://127.0.0.1/\r\n",
            "which is not followed: its scheme is another",
        ),
        (
            "302 Found\r\nLocation: file:///secret\r\n",
            "which is not followed: its scheme is another",
        ),
    ] {
        let answer = format!("HTTP/1.1 {answer}Connection: close\r\n\r\n");
        let (url, server) = serve([vec![answer.into()]]);
        let (data, failures) = run(Sse::new(url));
        assert!(data.is_empty());
        assert!(
            failures.len() == 1 && failures[0].contains(error),
            "{failures:?}"
        );
        server.join().unwrap();
    }
}

#[test]
fn a_redirect_is_followed_without_the_headers_of_another_server() {
    let (target, to) = serve([feed("retry: 0\ndata: a\n\n"), vec![END.into()]]);
    let moved = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {target}\r\nConnection: close\r\n\r\n"
    );
    let (url, from) = serve([vec![moved.clone().into()], vec![moved.into()]]);
    let (data, failures) = run(Sse::new(url).options(RequestOptions::new().header("x-key", "7")));
    assert_eq!((data, failures), (vec!["a".to_owned()], vec![]));
    assert!(
        from.join()
            .unwrap()
            .iter()
            .all(|request| request.contains("x-key"))
    );
    assert!(
        !to.join()
            .unwrap()
            .iter()
            .any(|request| request.contains("x-key"))
    );
}

#[test]
fn wrong_arguments_are_reported() {
    for (sse, error) in [
        (
            Sse::new("nowhere"),
            "cannot ask \"nowhere\": relative URL without a base",
        ),
        (
            Sse::new("ftp://a/b"),
            "cannot ask \"ftp://a/b\": its scheme is neither `http` nor `https`",
        ),
        (
            Sse::new("http://a").options(RequestOptions::new().header("a b", "c")),
            "cannot ask \"http://a/\": \"a b\" is not the name of a header",
        ),
        (
            Sse::new("http://a").options(RequestOptions::new().header("a", "\n")),
            "cannot ask \"http://a/\": the value of header \"a\" has characters that headers cannot have",
        ),
    ] {
        assert_eq!(run(sse).1, [error]);
    }
    let options = RequestOptions::new().header("authorization", "secret");
    assert!(!format!("{options:?}").contains("secret"));
    let secret = Sse::new("http://user:secret@a/?key=secret").options(options);
    assert_eq!(format!("{secret:?}"), "Sse { url: \"http://a/\", .. }");
    let none = Sse::new("http//a/?key=secret");
    assert_eq!(format!("{none:?}"), "Sse { url: \"http//a/\", .. }");
    assert!(!format!("{:?}", none.check()).contains("secret"));
}

#[test]
fn an_oversized_event_fails_alone() {
    let (url, server) = serve([feed("data: 0123456789\n\ndata: a\n\n"), vec![END.into()]]);
    let (data, failures) = run(Sse::new(url).max_len(8));
    assert_eq!(data, ["a"]);
    assert!(
        failures.len() == 1 && failures[0].ends_with("an event is longer than 8 bytes"),
        "{failures:?}"
    );
    server.join().unwrap();
}

#[test]
fn a_silent_server_is_disconnected() {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let is_over = Arc::new(AtomicBool::new(false));
    let ends = is_over.clone();
    let serving = thread::spawn(move || {
        let _silent = server.accept().unwrap();
        while !ends.load(Ordering::SeqCst) {
            let mut client = server.accept().unwrap().0;
            let mut request = [0; 1024];
            // On a slow machine the client may have timed out.
            let len = client.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..len]).to_lowercase();
            let is_done = request.contains("last-event-id: 1");
            let answer = if is_done {
                END.to_owned()
            } else {
                format!("{HEAD}id: 1\ndata: a\n\n")
            };
            let _ = client.write_all(answer.as_bytes());
        }
    });
    let sse = Sse::new(format!("http://{address}/"));
    let limit = Duration::from_millis(50);
    let options = RequestOptions::new().connect_timeout(limit);
    let (data, failures) = run(sse.options(options).idle_timeout(limit));
    assert_eq!(data, ["a"]);
    assert!(failures[0].ends_with("for 50ms"), "{failures:?}");
    is_over.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address).unwrap());
    serving.join().unwrap();
}

/// Sends each connection the events after the last one the client has; returns the address.
fn serve_events(count: u32) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n")
                && client.read(&mut byte).is_ok_and(|read| read == 1)
            {
                request.push(byte[0]);
            }
            let request = String::from_utf8_lossy(&request).to_lowercase();
            let last = request
                .split("\r\n")
                .find_map(|line| line.strip_prefix("last-event-id: "));
            let last: u32 = last.and_then(|id| id.parse().ok()).unwrap_or(0);
            if last == count {
                // The client has everything and does not reconnect.
                let _ = client.write_all(END.as_bytes());
                return;
            }
            let events = (last + 1..=count).map(|id| format!("id: {id}\ndata: äöü {id}\n\n"));
            // The connection may have been cut.
            let _ = client.write_all((HEAD.to_string() + &events.collect::<String>()).as_bytes());
        }
    });
    address
}

#[test]
fn nothing_is_lost_or_doubled_behind_a_faulty_proxy() {
    for fault in [
        Fault::CutAfter(700),
        Fault::StallAfter(700),
        Fault::Slow(Duration::from_micros(50)),
    ] {
        let server = serve_events(200);
        let proxy = Proxy::to(&server.to_string())
            .fault(fault)
            .piece(5)
            .start()
            .unwrap();
        let sse = Sse::new(format!("http://{}/", proxy.address()))
            .idle_timeout(Duration::from_millis(100));
        let (data, _) = run(sse);
        assert!(
            data.into_iter().eq((1..=200).map(|id| format!("äöü {id}"))),
            "{fault:?}"
        );
        assert!(
            proxy.connections() > 3 || matches!(fault, Fault::Slow(_)),
            "{fault:?}"
        );
    }
}
