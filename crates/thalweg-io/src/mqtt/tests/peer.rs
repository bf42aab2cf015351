//! The broker's end of a connection, packet by packet, in MQTT 3.1.1.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

pub(super) struct Peer {
    listener: TcpListener,
    stream: TcpStream,
}

/// A published message.
pub(super) struct Written {
    pub(super) packet_id: u16,
    pub(super) payload: String,
}

/// Serves the first connection to a new port by a function.
pub(super) fn serve<R: Send + 'static>(
    f: impl FnOnce(Peer) -> R + Send + 'static,
) -> io::Result<(u16, JoinHandle<R>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let served = thread::spawn(move || {
        let stream = listener.accept().expect("somebody connects").0;
        f(Peer { listener, stream })
    });
    Ok((port, served))
}

impl Peer {
    /// The next packet: its first byte and its payload.
    pub(super) fn packet(&mut self) -> (u8, Vec<u8>) {
        let [first] = self.bytes();
        let (mut len, mut shift) = (0, 0);
        loop {
            let [byte] = self.bytes();
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                break;
            }
        }
        let mut body = vec![0; len];
        self.stream.read_exact(&mut body).expect("a packet");
        (first, body)
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).expect("more");
        bytes
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("somebody reads");
    }

    /// Accepts a client.
    pub(super) fn accept(&mut self) {
        assert_eq!(self.packet().0, 0x10, "a connection begins so");
        self.send(&[0x20, 2, 0, 0]);
    }

    /// Accepts a client with an existing session.
    pub(super) fn accept_again(&mut self) {
        assert_eq!(self.packet().0, 0x10, "a connection begins so");
        self.send(&[0x20, 2, 1, 0]);
    }

    /// Accepts a client that subscribes.
    pub(super) fn accept_subscriber(&mut self) {
        self.accept();
        let subscription = self.subscription();
        self.confirm(subscription);
    }

    /// Waits for a subscription; returns the id of its packet.
    pub(super) fn subscription(&mut self) -> [u8; 2] {
        let (first, body) = self.packet();
        assert_eq!(first, 0x82, "it subscribes");
        [body[0], body[1]]
    }

    /// Confirms a subscription.
    pub(super) fn confirm(&mut self, [high, low]: [u8; 2]) {
        self.send(&[0x90, 3, high, low, 1]);
    }

    /// Sends a short message, with the quality of service 1.
    pub(super) fn publish(&mut self, topic: &str, packet_id: u8, payload: &str) {
        let len = 2 + topic.len() + 2 + payload.len();
        let mut packet = vec![0x32, u8::try_from(len).expect("it is short")];
        packet.extend([0, u8::try_from(topic.len()).expect("it is short")]);
        packet.extend(topic.bytes());
        packet.extend([0, packet_id]);
        packet.extend(payload.bytes());
        self.send(&packet);
    }

    /// Waits for an acknowledgement; returns its packet id.
    pub(super) fn acknowledged(&mut self) -> u8 {
        let (first, body) = self.packet();
        assert_eq!(first, 0x40, "an acknowledgement");
        body[1]
    }

    /// Waits for a message with the quality of service 1.
    pub(super) fn published(&mut self) -> Written {
        let (first, body) = self.packet();
        assert_eq!(first & 0xf6, 0x32, "a message");
        let len = 2 + usize::from(body[1]);
        Written {
            packet_id: u16::from_be_bytes([body[len], body[len + 1]]),
            payload: String::from_utf8_lossy(&body[len + 2..]).into_owned(),
        }
    }

    pub(super) fn acknowledge(&mut self, packet_id: u16) {
        let [high, low] = packet_id.to_be_bytes();
        self.send(&[0x40, 2, high, low]);
    }

    /// Waits until the client disconnects, which may not have read everything before.
    pub(super) fn finish(mut self) {
        let _ = io::copy(&mut self.stream, &mut io::sink());
    }

    /// Waits for another connection; returns the previous one.
    pub(super) fn next_connection(&mut self) -> TcpStream {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let next = self.listener.accept().expect("somebody connects").0;
        std::mem::replace(&mut self.stream, next)
    }
}
