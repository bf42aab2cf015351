use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use thalweg::{Failure, OnError, Stream};
use tokio::runtime::Builder;

use super::framing::Framing;
use super::*;

/// Runs `f` within an event loop.
fn run<R>(f: impl AsyncFnOnce() -> R) -> R {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.expect("there are descriptors").block_on(f())
}

/// Waits without blocking the event loop.
async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A started source, its elements, and its failures.
fn started<T: thalweg::Element>(
    server: TcpServer<T>,
) -> (Stream<T>, mpsc::Receiver<T>, mpsc::Receiver<String>) {
    let (sends, received) = mpsc::channel();
    let (fails, failed) = mpsc::channel();
    let source = Stream::from_tcp(server);
    source.sink(move |x| drop(sends.send(x)));
    source.on_unhandled(move |failure: Failure| drop(fails.send(failure.cause().to_string())));
    source.start().expect("nothing is wrong");
    (source, received, failed)
}

#[test]
fn lines_do_not_depend_on_packet_boundaries() {
    let server = TcpServer::new(0).lines(Lines::bytes().keep_delimiter(true));
    let address = server.listen().expect("there is a port");
    let (_source, received, _) = started(server);
    let mut client = TcpStream::connect(address).expect("it listens");
    for piece in ["on", "e\r", "\ntwo\nth", "", "ree\n"] {
        client.write_all(piece.as_bytes()).expect("it reads");
        client.flush().expect("it reads");
        thread::yield_now();
    }
    let lines: Vec<_> = received.iter().take(3).collect();
    assert_eq!(lines, [&b"one\r\n"[..], b"two\n", b"three\n"]);
}

#[test]
fn connections_are_read_concurrently_and_each_in_order() {
    const CLIENTS: usize = 50;
    const LINES: usize = 200;
    let server = TcpServer::new(0);
    let address = server.listen().expect("there is a port");
    let (_source, received, _) = started(server);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                let mut connection = TcpStream::connect(address).expect("it listens");
                for line in 0..LINES {
                    writeln!(connection, "{client} {line}").expect("it reads");
                }
            })
        })
        .collect();
    let mut next = [0; CLIENTS];
    for line in received.iter().take(CLIENTS * LINES) {
        let (client, line) = line.split_once(' ').expect("two numbers");
        let client: usize = client.parse().expect("a number");
        assert_eq!(line.parse(), Ok(next[client]));
        next[client] += 1;
    }
    assert_eq!(next, [LINES; CLIENTS]);
    for client in clients {
        client.join().expect("it does not panic");
    }
}

#[test]
fn an_invalid_message_is_a_failure_and_later_ones_arrive() {
    let server = TcpServer::new(0).max_len(5);
    let address = server.listen().expect("there is a port");
    let (_source, received, failed) = started(server);
    let mut client = TcpStream::connect(address).expect("it listens");
    client
        .write_all(b"first\nmuch too long\n\xff\nlast\nhalf")
        .expect("it reads");
    let peer = client.local_addr().expect("it is connected");
    drop(client);
    assert_eq!(
        [received.recv(), received.recv()],
        [Ok("first".into()), Ok("last".into())]
    );
    let failures: Vec<_> = failed.iter().take(3).collect();
    assert_eq!(
        failures,
        [
            format!("from {peer}: the line at byte 6 is longer than the 5 bytes allowed"),
            format!("from {peer}: invalid UTF-8 at byte 20, in the line at byte 20"),
            format!("from {peer}: the connection ended within a message, after 4 bytes of it"),
        ]
    );
}

#[test]
fn messages_received_before_a_stop_are_emitted_after_the_next_start() {
    let server = TcpServer::new(0);
    let address = server.listen().expect("there is a port");
    let lines = run(async || {
        let source = Stream::from_tcp(server.host("127.0.0.1"));
        let list = source.sink_to_list();
        let first = source.slice(0..1, 1);
        let seen = first.sink_to_list();
        source.start().expect("nothing is wrong");
        let mut client = TcpStream::connect(address).expect("it listens");
        client.write_all(b"one\n").expect("it reads");
        until(|| !seen.is_empty()).await;
        source.stop();
        // The peer is notified.
        client.set_nonblocking(true).expect("it can be");
        until(|| matches!(client.read(&mut [0; 8]), Ok(0))).await;
        source.start().expect("nothing is wrong");
        source.drain("10s").await.expect("nothing is left");
        list.to_vec()
    });
    assert_eq!(lines, ["one"]);
}

#[test]
fn messages_go_from_a_sink_to_a_source() {
    for width in [PrefixWidth::Two, PrefixWidth::Four, PrefixWidth::Eight] {
        let server = TcpServer::new(0).length_prefixed(width);
        let port = server.listen().expect("there is a port").port();
        let (_source, received, _) = started(server);
        let messages: Vec<Vec<u8>> = (0..500).map(|len| vec![len as u8; len]).collect();
        run(async || {
            let sent = Stream::new();
            sent.to_tcp(TcpClient::new("localhost", port).length_prefixed(width));
            sent.emit_many(messages.clone())
                .await
                .expect("there is room");
            sent.drain("10s").await.expect("it is read");
        });
        let got: Vec<_> = received.iter().take(messages.len()).collect();
        assert_eq!(got, messages);
    }
}

#[test]
fn an_oversized_message_fails_alone() {
    let server = TcpServer::new(0).length_prefixed(PrefixWidth::One);
    let port = server.listen().expect("there is a port").port();
    let (_source, received, _) = started(server);
    let failed = run(async || {
        let (sent, failures) = (Stream::new(), Stream::new());
        let failed = failures.map(|failure: Failure| failure.cause().to_string());
        let failed = failed.sink_to_list();
        let sink = sent.to_tcp(TcpClient::new("localhost", port).length_prefixed(PrefixWidth::One));
        sink.on_error(OnError::Route(failures));
        let messages = [vec![1; 255], vec![2; 256], vec![3]];
        sent.emit_many(messages).await.expect("there is room");
        sent.drain("10s").await.expect("the others are read");
        failed.to_vec()
    });
    assert_eq!(
        [received.recv(), received.recv()],
        [Ok(vec![1; 255]), Ok(vec![3])]
    );
    let expected =
        format!("to localhost:{port}: a message of 256 bytes, and its length has to fit into 1");
    assert_eq!(failed, [expected]);
}

#[test]
fn unsent_messages_are_delivered_when_the_server_returns() {
    let first = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = first.local_addr().expect("it is bound");
    let (sends, received) = mpsc::channel();
    let serving = thread::spawn(move || {
        let mut line = String::new();
        let mut connection = BufReader::new(first.accept().expect("it connects").0);
        connection.read_line(&mut line).expect("it sends");
        sends.send(line).expect("the test listens");
        // The port is closed for a while.
        drop((connection, first));
        thread::sleep(Duration::from_millis(30));
        let again = TcpListener::bind(address).expect("the port is free");
        let connection = BufReader::new(again.accept().expect("it connects").0);
        for line in connection.lines() {
            sends.send(line.expect("text")).expect("the test listens");
        }
    });
    run(async || {
        let sent = Stream::new();
        sent.to_tcp(
            TcpClient::new("127.0.0.1", address.port())
                .wait(Duration::from_millis(1))
                .retries(1000),
        );
        sent.emit("one").await.expect("there is room");
        let mut first = None;
        until(|| {
            first = received.try_recv().ok();
            first.is_some()
        })
        .await;
        assert_eq!(first.as_deref(), Some("one\n"));
        // The end of the connection must have arrived here.
        tokio::time::sleep(Duration::from_millis(10)).await;
        sent.emit("two").await.expect("there is room");
        sent.drain("60s").await.expect("it can be sent");
    });
    assert_eq!(received.recv().as_deref(), Ok("two"));
    serving.join().expect("it does not panic");
}

#[test]
fn an_unreachable_server_is_named_with_the_number_of_attempts() {
    let free = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let error = run(async || {
        let sent = Stream::new();
        let client = TcpClient::new("127.0.0.1", port).retries(2);
        sent.to_tcp(client.wait(Duration::from_millis(1)));
        sent.emit("one").await.expect("there is room");
        sent.drain("10s").await.expect_err("nobody listens")
    });
    let text = error.to_string();
    assert!(
        text.contains(&format!("127.0.0.1:{port} cannot be reached: ")),
        "{text}"
    );
    assert!(text.contains("tried 3 times"), "{text}");
}

#[test]
fn taken_ports_and_missing_files_are_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let port = taken.local_addr().expect("it is bound").port();
    let server = TcpServer::new(port).host("127.0.0.1");
    let error = server.listen().expect_err("it is taken").to_string();
    assert!(
        error.starts_with(&format!("cannot listen at 127.0.0.1:{port}: ")),
        "{error}"
    );
    let server = TcpServer::new(0).tls(TlsFiles::new("/no/certificate", "/no/key"));
    let error = server.check().expect_err("there are none").to_string();
    assert!(error.starts_with("TLS: /no/key: "), "{error}");
}

proptest! {
    #[test]
    fn length_prefixed_messages_do_not_depend_on_chunk_boundaries(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 0..20),
        pieces in prop::collection::vec(1_usize..9, 1..40),
    ) {
        const MAX_LEN: usize = 8;
        let bytes: Vec<u8> = messages
            .iter()
            .flat_map(|message| [vec![0, message.len() as u8], message.clone()].concat())
            .collect();
        let framing = Framing::Prefixed { width: PrefixWidth::Two, max_len: MAX_LEN, make: <[u8]>::to_vec };
        let mut cutter = framing.cutter().expect("there is no delimiter");
        let mut got = Vec::new();
        let (mut rest, mut pieces) = (&bytes[..], pieces.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(*pieces.next().expect("they go round")));
            cutter.push(piece);
            got.extend(std::iter::from_fn(|| cutter.next()).map(Result::ok));
            rest = behind;
        }
        let expected: Vec<_> = messages
            .into_iter()
            .map(|message| (message.len() <= MAX_LEN).then_some(message))
            .collect();
        prop_assert_eq!(got, expected);
        prop_assert_eq!(cutter.rest(), 0);
    }
}
