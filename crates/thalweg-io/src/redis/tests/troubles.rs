//! Numbers pass through a stream or a list while the network or the server fails again and again: none is missing.

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

/// The ends of a way through a key: a sink, and a source.
fn ends(kind: Kind, port: u16) -> (Stream<String>, Stream<String>) {
    let redis = at(port, "numbers").group("group").retries(1000);
    let (to, read) = (Stream::new(), from(kind, redis.clone()));
    match kind {
        Kind::Stream => to.to_redis_stream(redis),
        Kind::List => to.to_redis_list(redis),
    };
    (to, read.buffer(64))
}

fn survives_a_bad_network(what: &str, kind: Kind) -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port())).piece(64);
    let proxy = Arc::new(proxy.start()?);
    let (to, from) = ends(kind, proxy.address().port());
    Passage::survives(what, &to, &from, proxy)
}

fn survives_restarts(what: &str, kind: Kind) -> Tested {
    let Some(server) = Server::start()? else {
        return Ok(());
    };
    let (to, from) = ends(kind, server.port());
    Passage::survives(what, &to, &from, server)
}

#[test]
fn a_stream_survives_a_bad_network() -> Tested {
    survives_a_bad_network("redis, stream, network", Kind::Stream)
}

#[test]
fn a_list_survives_a_bad_network() -> Tested {
    survives_a_bad_network("redis, list, network", Kind::List)
}

#[test]
fn a_stream_survives_restarts() -> Tested {
    survives_restarts("redis, stream, restarts", Kind::Stream)
}

#[test]
fn a_list_survives_restarts() -> Tested {
    survives_restarts("redis, list, restarts", Kind::List)
}
