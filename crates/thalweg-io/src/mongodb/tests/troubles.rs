//! Numbers pass through a collection while the network or the server fails again and again: none is missing.

use std::sync::Arc;

use super::*;
use crate::testing::kills::Chance;
use crate::testing::trouble::{Breakable, Passage};

impl Breakable for Server {
    fn fail(&mut self, _: &mut Chance) {
        self.stop();
    }

    fn repair(&mut self) {
        self.start_again().expect("it has started before");
    }
}

/// The ends of a way through the collection of a server at an address: a sink, and a source.
fn ends(address: &str) -> (Stream<String>, Stream<String>) {
    let numbers = at(address, "numbers").retries(1000);
    let to = Stream::new();
    let edits = to.map(|number: String| edit(number.parse().expect("it was sent as a number")));
    edits.to_mongodb(numbers.clone());
    let changes = Stream::from_mongodb(numbers.cursor("_id").poll("10ms"));
    let read = changes.map(|change| {
        let document = change.document.expect("nothing is deleted");
        document.get_i32("_id").expect("it has one").to_string()
    });
    (to, read.buffer(64))
}

#[test]
fn it_survives_a_bad_network() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let proxy = Arc::new(Proxy::to(&server.address()).piece(64).start()?);
    let (to, from) = ends(&proxy.address().to_string());
    Passage::survives("mongodb, network", &to, &from, proxy)
}

#[test]
fn it_survives_restarts() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let (to, from) = ends(&server.address());
    Passage::survives("mongodb, restarts", &to, &from, server)
}
