#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use thalweg::ops::SinkBatches;
use thalweg::{Ack, Outcome, Stream};

use super::*;
use crate::testing::{Fault, Proxy};

fn text(number: u32) -> WebSocketMessage {
    WebSocketMessage::Text(format!("äöü {number}"))
}

/// Messages, URL and failures of a server.
fn received(
    server: WebSocketServer,
) -> (
    Stream<WebSocketMessage>,
    String,
    Receiver<WebSocketMessage>,
    Receiver<String>,
) {
    let url = format!("ws://{}/", server.listen().unwrap());
    let messages = Stream::from_websocket(server);
    let (sends, come) = channel();
    messages.sink(move |message| drop(sends.send(message)));
    let (fails, failures) = channel();
    messages.on_unhandled(move |failure| drop(fails.send(failure.to_string())));
    messages.start().unwrap();
    (messages, url, come, failures)
}

/// A client with short timeouts.
fn client(url: &str) -> WebSocketClient {
    WebSocketClient::new(url).wait(Duration::from_millis(1))
}

#[test]
fn text_and_bytes_arrive_unchanged_and_are_acknowledged() {
    let (_messages, url, come, _) = received(WebSocketServer::new(0));
    let sent = Stream::new();
    sent.to_websocket(client(&url));
    let all = [
        text(1),
        WebSocketMessage::Binary(vec![0, 255]),
        WebSocketMessage::from(""),
    ];
    let (tells, outcomes) = channel();
    for message in &all {
        let tells = tells.clone();
        let ack = Ack::new(move |outcome| {
            let _ = tells.send(outcome);
        });
        sent.emit_with(message.clone(), ack).wait().unwrap();
    }
    for message in &all {
        assert_eq!(outcomes.recv(), Ok(Outcome::Delivered));
        assert_eq!(come.recv().as_ref(), Ok(message));
    }
    sent.drain("60s").wait().unwrap();
}

#[test]
fn an_oversized_message_ends_only_its_own_connection() {
    let (_messages, url, come, failures) = received(WebSocketServer::new(0).max_len(10));
    let sent = Stream::new();
    sent.to_websocket(client(&url).retries(0));
    sent.on_unhandled(|_| ());
    sent.emit(WebSocketMessage::from("too long by far"))
        .wait()
        .unwrap();
    let failure = failures.recv().unwrap();
    assert!(failure.contains("from 127.0.0.1:"), "{failure}");
    assert!(
        failure.contains("a message of 15 bytes, and at most 10 are allowed"),
        "{failure}"
    );
    let other = Stream::new();
    other.to_websocket(client(&url));
    other.emit(WebSocketMessage::from("short")).wait().unwrap();
    assert_eq!(come.recv(), Ok(WebSocketMessage::from("short")));
    let _ = sent.drain("60s").wait();
}

#[test]
fn the_sink_reconnects_without_loss() {
    // A pong confirms everything sent before it; the pipeline below reads all that has arrived.
    let (_messages, url, come, _) = received(WebSocketServer::new(0));
    let address = url
        .trim_start_matches("ws://")
        .trim_end_matches('/')
        .to_string();
    let proxy = Proxy::to(&address)
        .fault(Fault::CutAfter(3000))
        .piece(7)
        .start()
        .unwrap();
    let sent = Stream::new();
    let link = client(&format!("ws://{}/", proxy.address())).retries(1000);
    sent.apply(
        SinkBatches::new(WebSocketSink::new(link, |message: &WebSocketMessage| {
            Ok(message.clone())
        }))
        .max_len(50),
    );
    for number in 0..2000 {
        sent.emit(text(number)).wait().unwrap();
    }
    sent.drain("60s").wait().unwrap();
    let mut left: HashSet<_> = (0..2000).map(text).collect();
    while !left.is_empty() {
        left.remove(&come.recv().unwrap());
    }
    assert!(proxy.connections() > 1);
}

#[test]
fn the_source_reconnects_and_repeats_its_greeting() {
    let server = WebSocketServer::new(0);
    let address = server.listen().unwrap().to_string();
    let proxy = Proxy::to(&address).start().unwrap();
    let asked = Stream::from_websocket(server);
    let asked_count = Arc::new(AtomicUsize::new(0));
    let counted = asked_count.clone();
    asked.sink(move |message| {
        assert_eq!(message, WebSocketMessage::from("subscribe"));
        counted.fetch_add(1, Ordering::SeqCst);
    });
    asked.on_unhandled(|_| ());
    asked.start().unwrap();
    let url = format!("ws://{}/", proxy.address());
    let messages = Stream::from_websocket(client(&url).subscribe("subscribe"));
    let (fails, failures) = channel();
    messages.on_unhandled(move |failure| drop(fails.send(failure.to_string())));
    messages.sink(drop);
    messages.start().unwrap();
    while asked_count.load(Ordering::SeqCst) < 1 {
        thread::yield_now();
    }
    proxy.cut();
    let failure = failures.recv().unwrap();
    assert!(failure.contains("the connection is lost"), "{failure}");
    while asked_count.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    messages.stop();
}

#[test]
fn a_refusing_server_ends_the_source_and_is_named_without_secrets() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        assert_ne!(client.read(&mut [0; 4096]).unwrap(), 0);
        client
            .write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            .unwrap();
    });
    let messages = Stream::from_websocket(client(&format!("ws://{address}/feed?key=secret")));
    messages.sink(drop);
    let error = messages.run("60s").wait().unwrap_err().to_string();
    server.join().unwrap();
    assert!(
        error.contains(&format!("ws://{address}/feed cannot be reached: ")),
        "{error}"
    );
    assert!(error.contains("403"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn an_unresponsive_client_is_pinged_and_dropped() {
    let limit = Duration::from_millis(20);
    let (_messages, url, _, failures) = received(WebSocketServer::new(0).ping(limit, limit));
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    let mut silent = TcpStream::connect(address).unwrap();
    silent
        .write_all(
            b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .unwrap();
    let failure = failures.recv().unwrap();
    assert!(failure.contains("nothing has come for 0.04 s"), "{failure}");
    // The server was asked.
    let mut heard = Vec::new();
    silent.read_to_end(&mut heard).unwrap();
    assert!(heard.ends_with(&[0x89, 0]), "{heard:?}");
}

#[test]
fn non_websocket_requests_are_refused_and_others_served() {
    let (_messages, url, come, _) = received(WebSocketServer::new(0));
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    for nonsense in [&b"\0\0\0\0\r\n\r\n"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        TcpStream::connect(address)
            .unwrap()
            .write_all(nonsense)
            .unwrap();
    }
    let sent = Stream::new();
    sent.to_websocket(client(&url));
    sent.emit(text(1)).wait().unwrap();
    assert_eq!(come.recv(), Ok(text(1)));
}

#[test]
fn all_clients_get_every_message() {
    let server = WebSocketServer::new(0);
    let url = format!("ws://{}/", server.listen().unwrap());
    let shown = Stream::new();
    shown.to_websocket(server);
    let (sends, come) = channel();
    let viewers: Vec<_> = (0..3)
        .map(|viewer| {
            let messages = Stream::from_websocket(client(&url).reconnect(false));
            let sends = sends.clone();
            messages.sink(move |message| drop(sends.send((viewer, message))));
            messages.on_unhandled(|_| ());
            messages.start().unwrap();
            messages
        })
        .collect();
    let mut connected = HashSet::new();
    while connected.len() < 3 {
        shown.emit(WebSocketMessage::from("hello")).wait().unwrap();
        // One at a time, so that connected clients keep up.
        let come = come
            .recv_timeout(Duration::from_millis(5))
            .into_iter()
            .chain(come.try_iter());
        connected.extend(come.map(|(viewer, _)| viewer));
    }
    shown.emit(WebSocketMessage::from("last")).wait().unwrap();
    shown.drain("60s").wait().unwrap();
    let mut last = HashSet::new();
    while last.len() < 3 {
        let (viewer, message) = come.recv().unwrap();
        if message == WebSocketMessage::from("last") {
            last.insert(viewer);
        }
    }
    for viewer in viewers {
        viewer.stop();
    }
}

#[test]
fn an_unreachable_server_is_named_with_the_number_of_attempts() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let sent = Stream::new();
    sent.to_websocket(client(&format!("ws://{address}")).retries(2));
    sent.emit(text(1)).wait().unwrap();
    let error = sent.drain("60s").wait().unwrap_err().to_string();
    assert!(
        error.contains(&format!("ws://{address}/ cannot be reached: ")),
        "{error}"
    );
    assert!(error.contains("tried 3 times"), "{error}");
}

#[test]
fn wrong_urls_and_files_are_reported_before_anything_is_sent() {
    for (url, problem) in [
        ("http://localhost", "begins with `ws://`"),
        ("ws://me:secret@localhost", "in a header `Authorization`"),
        ("no url", "this URL: "),
    ] {
        let sent: Stream<WebSocketMessage> = Stream::new();
        sent.to_websocket(WebSocketClient::new(url));
        let error = sent.check().unwrap_err().to_string();
        assert!(
            error.contains(problem) && !error.contains("secret"),
            "{error}"
        );
    }
    let error = WebSocketClient::new("wss://localhost")
        .authorities("/no/file")
        .check();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("TLS: /no/file: ")
    );
    let error = WebSocketClient::new("ws://localhost")
        .header("two words", "")
        .check();
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("is not a valid header")
    );
}

#[test]
fn a_slow_client_is_disconnected_and_delays_nobody() {
    let server = WebSocketServer::new(0).max_behind(4);
    let address = server.listen().unwrap();
    let shown = Stream::new();
    shown.to_websocket(server);
    let proxy = Proxy::to(&address.to_string())
        .fault(Fault::StallAfter(100_000))
        .start()
        .unwrap();
    let messages =
        Stream::from_websocket(client(&format!("ws://{}", proxy.address())).reconnect(false));
    let (sends, come) = channel();
    messages.sink(move |_| {
        let _ = sends.send(());
    });
    messages.on_unhandled(|_| ());
    messages.start().unwrap();
    // More than the buffers of the connection hold.
    let large = WebSocketMessage::Binary(vec![0; 1 << 20]);
    while come.recv_timeout(Duration::from_millis(5)).is_err() {
        shown.emit(WebSocketMessage::from("hello")).wait().unwrap();
    }
    for _ in 0..100 {
        shown.emit(large.clone()).wait().unwrap();
    }
    proxy.set_fault(Fault::Slow(Duration::ZERO));
    proxy.cut();
    messages.stop();
    shown.drain("60s").wait().unwrap();
}

#[test]
fn a_page_of_another_origin_is_refused_with_a_reason() {
    let server = WebSocketServer::new(0).origin("https://app.example");
    let (messages, url, come, _) = received(server);
    let address = url.trim_start_matches("ws://").trim_end_matches('/');
    for (origin, is_admitted) in [
        (format!("http://{address}"), true),
        ("https://app.example".to_owned(), true),
        ("https://evil.example".to_owned(), false),
        ("null".to_owned(), false),
    ] {
        let source = Stream::new();
        let failed = Arc::new(AtomicUsize::new(0));
        let counted = failed.clone();
        source.on_unhandled(move |failure| {
            let text = failure.to_string();
            assert!(text.contains("403"), "{text}");
            counted.fetch_add(1, Ordering::SeqCst);
        });
        source.to_websocket(client(&url).header("Origin", origin.clone()));
        let _ = source.emit(WebSocketMessage::from(origin.as_str())).wait();
        let _ = source.drain("60s").wait();
        if is_admitted {
            assert_eq!(come.recv(), Ok(WebSocketMessage::from(origin.as_str())));
        }
        assert_eq!(failed.load(Ordering::SeqCst) == 0, is_admitted, "{origin}");
    }
    drop(messages);
}
