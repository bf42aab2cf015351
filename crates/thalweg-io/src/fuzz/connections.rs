//! Parsers of connection bytes: a server keeps serving other clients, whatever one of them sends.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use thalweg::Stream;

use super::{cut, fuzz};
use crate::{HttpServer, WebSocketMessage, WebSocketServer, prelude::*};

/// Sends an input and nothing more, and waits until the server has closed the connection.
fn send(address: SocketAddr, head: &[u8], input: &[u8], pieces: &[usize]) {
    let mut client = open(address, head, input, pieces);
    let _ = client.shutdown(Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
}

/// Sends a head, waits for the answer to it, and sends an input.
fn open(address: SocketAddr, head: &[u8], input: &[u8], pieces: &[usize]) -> TcpStream {
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_nodelay(true).expect("it is open");
    if !head.is_empty() {
        client.write_all(head).expect("it is open");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).expect("it answers");
            answer.push(byte[0]);
        }
    }
    // The server may have closed the connection already.
    let _ = cut(input, pieces).try_for_each(|piece| client.write_all(piece));
    client
}

#[test]
fn http() {
    let words: [&[u8]; 14] = [
        b"POST / HTTP/1.1\r\n",
        b"Host: me\r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: 99999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"\r\n",
        b"5\r\nriver\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
        b"\0",
        b"Expect: 100-continue\r\n",
        b": ",
        b"GET /\xff?a=%2 HTTP/1.0\r\n",
        b"Connection: close\r\n\r\n",
    ];
    let server = HttpServer::new(0)
        .max_len(64)
        .read_timeout(Duration::from_secs(1));
    let address = server.listen().expect("a port is free");
    let bodies = Stream::from_http_server(server);
    bodies.sink(|body| assert!(body.len() <= 64));
    bodies.on_unhandled(|_| ());
    bodies.start().expect("nothing is wrong with it");
    fuzz("http", &words, |input, pieces| {
        send(address, b"", input, pieces);
        let good =
            b"POST / HTTP/1.1\r\nHost: me\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        let mut answer = Vec::new();
        let mut client = open(address, b"", good, &[usize::MAX]);
        client
            .read_to_end(&mut answer)
            .expect("it answers, and closes the connection");
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{}",
            answer.escape_ascii()
        );
    });
}

#[test]
fn websocket() {
    let head = b"GET / HTTP/1.1\r\nHost: me\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let words: [&[u8]; 10] = [
        b"\x81\x82\0\0\0\0ok",
        b"\x82\x80\0\0\0\0",
        b"\x01\x81\0\0\0\0a",
        b"\x80\x81\0\0\0\0b",
        b"\x89\x80\0\0\0\0",
        b"\x88\x80\0\0\0\0",
        b"\x81\xfe\xff\xff",
        b"\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xff",
        b"\0",
    ];
    let server = WebSocketServer::new(0).max_len(64);
    let address = server.listen().expect("a port is free");
    let messages = Stream::from_websocket(server);
    let (sends, come) = std::sync::mpsc::channel();
    messages.sink(move |message: WebSocketMessage| {
        assert!(message.as_ref().len() <= 64);
        // The test has failed elsewhere.
        let _ = sends.send(message);
    });
    messages.on_unhandled(|_| ());
    messages.start().expect("nothing is wrong with it");
    let mut number = 0_u32;
    fuzz("websocket", &words, |input, pieces| {
        send(address, head, input, pieces);
        number += 1;
        let text = format!("{number:08}");
        let good = [b"\x81\x88\0\0\0\0", text.as_bytes()].concat();
        send(address, head, &good, &[usize::MAX]);
        let expected = WebSocketMessage::Text(text);
        assert!(come.iter().any(|message| message == expected));
    });
}
