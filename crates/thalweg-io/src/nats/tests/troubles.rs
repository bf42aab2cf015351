//! Numbers pass through a JetStream stream while the network or the server fails again and again: none is missing.

use std::sync::Arc;

use thalweg::Stream;

use super::*;
use crate::testing::Proxy;
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

/// The ends of a way through the stream: a sink, and a source.
fn ends(port: u16) -> (Stream<String>, Stream<String>) {
    let to = Stream::new();
    to.to_nats(kept(port, "numbers").retries(1000));
    let numbers = kept(port, "numbers").durable("reader");
    let messages = Stream::from_nats(numbers.ack_wait(Duration::from_millis(500)));
    (
        to,
        messages.map(|message| text(&message.payload)).buffer(64),
    )
}

#[test]
fn it_survives_a_bad_network() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port())).piece(64);
    let proxy = Arc::new(proxy.start()?);
    let (to, from) = ends(proxy.address().port());
    Passage::survives("jetstream, network", &to, &from, proxy)
}

#[test]
fn it_survives_restarts() -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let (to, from) = ends(server.port());
    Passage::survives("jetstream, restarts", &to, &from, server)
}
