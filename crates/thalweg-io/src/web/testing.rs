//! A server with prepared answers.

#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// Answers each connection in pieces; then returns the requests, in lower case. The URL contains secrets.
pub(crate) fn serve<const N: usize>(
    answers: [Vec<Vec<u8>>; N],
) -> (String, JoinHandle<Vec<String>>) {
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://user:secret@{}/feed?key=secret",
        server.local_addr().unwrap()
    );
    let serving = thread::spawn(move || {
        let answer = |pieces: Vec<Vec<u8>>| {
            let mut client = server.accept().unwrap().0;
            client.set_nodelay(true).unwrap();
            let request = request(&mut client);
            for piece in pieces {
                client.write_all(&piece).unwrap();
            }
            request
        };
        answers.map(answer).into()
    });
    (url, serving)
}

fn request(client: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    String::from_utf8(request).unwrap().to_lowercase()
}
