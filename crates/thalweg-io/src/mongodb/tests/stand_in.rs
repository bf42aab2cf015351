//! A mock replica set with change streams, which sends the replies scripted by tests.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use ::mongodb::bson::serialize_to_vec;

use super::super::{Bson, Document, doc};

/// Opcode of requests and replies, and the older one used in the handshake.
const MESSAGE: i32 = 2013;
const QUERY: i32 = 2004;
const REPLY: i32 = 1;

/// A test's reply to a command.
type Answer = dyn Fn(&Document) -> Document + Send + Sync;

pub(super) struct StandIn {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Document>>>,
}

impl StandIn {
    /// Replies to commands, except those of the handshake.
    pub(super) fn start(
        answer: impl Fn(&Document) -> Document + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (asked, answer) = (Arc::default(), Arc::new(answer) as Arc<Answer>);
        let server = Self {
            address,
            asked: Arc::clone(&asked),
        };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (asked, answer) = (asked.clone(), answer.clone());
                // The thread ends when the client disconnects.
                thread::spawn(move || serve(client, &asked, &*answer));
            }
        });
        Ok(server)
    }

    pub(super) fn address(&self) -> String {
        self.address.to_string()
    }

    /// The received commands of this name.
    pub(super) fn asked(&self, name: &str) -> Vec<Document> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let named = asked.iter().filter(|command| is(command, name));
        named.cloned().collect()
    }
}

/// Whether a command has this name.
pub(super) fn is(command: &Document, name: &str) -> bool {
    command.keys().next().is_some_and(|first| first == name)
}

/// A reply with the first, or the next, documents of a cursor.
pub(super) fn cursor(which: &str, documents: Vec<Document>) -> Document {
    let documents: Vec<Bson> = documents.into_iter().map(Bson::from).collect();
    doc! { "cursor": { "id": 7_i64, "ns": "tests.edits", which: documents }, "ok": 1 }
}

/// The change event of an inserted document.
pub(super) fn inserted(id: i32) -> Document {
    doc! {
        "_id": { "_data": format!("token {id}") },
        "operationType": "insert",
        "ns": { "db": "tests", "coll": "edits" },
        "documentKey": { "_id": id },
        "fullDocument": { "_id": id, "title": format!("page {id}") },
    }
}

fn serve(mut client: TcpStream, asked: &Mutex<Vec<Document>>, answer: &Answer) -> io::Result<()> {
    loop {
        let mut head = [0; 16];
        client.read_exact(&mut head)?;
        let number =
            |at: usize| i32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (len, request, kind) = (number(0), number(4), number(12));
        let mut body = vec![0; usize::try_from(len).unwrap_or_default().saturating_sub(16)];
        client.read_exact(&mut body)?;
        let begin = match kind {
            MESSAGE => 5,
            QUERY => 4 + body.iter().skip(4).position(|byte| *byte == 0).unwrap_or(0) + 9,
            _ => return Ok(()),
        };
        // The documents of an insert may follow.
        let command = body.get(begin..).unwrap_or_default();
        let command = Document::from_reader(command).map_err(io::Error::other)?;
        let said =
            match is(&command, "hello") || is(&command, "isMaster") || is(&command, "ismaster") {
                true => hello(client.local_addr()?),
                false => {
                    let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                    asked.push(command.clone());
                    drop(asked);
                    answer(&command)
                }
            };
        let said = serialize_to_vec(&said).map_err(io::Error::other)?;
        let mut message = Vec::new();
        let (answer_kind, before) = match kind {
            MESSAGE => (MESSAGE, vec![0; 5]),
            _ => (REPLY, [[0; 16].as_slice(), &1_i32.to_le_bytes()].concat()),
        };
        let len = i32::try_from(16 + before.len() + said.len()).map_err(io::Error::other)?;
        for number in [len, 1, request, answer_kind] {
            message.extend(number.to_le_bytes());
        }
        message.extend(before);
        message.extend(said);
        client.write_all(&message)?;
    }
}

fn hello(address: SocketAddr) -> Document {
    doc! {
        "ok": 1, "ismaster": true, "isWritablePrimary": true, "helloOk": false, "minWireVersion": 0, "maxWireVersion": 21,
        "maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
        "setName": "tests", "hosts": [address.to_string()], "me": address.to_string(), "primary": address.to_string(),
    }
}
