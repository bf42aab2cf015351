//! A real server.

use std::error::Error;
use std::time::Duration;

use crate::Nats;
use crate::testing::TestServer;

/// NATS with JetStream on its own port, killed on drop.
pub(super) struct Server(TestServer);

impl Server {
    /// Starts it; `None`, with a message, if it is not installed.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let remedy = "have `cargo xtask services up` build it, which needs Go";
        let server = TestServer::start("nats-server", remedy, |dir, port| {
            let mut arguments = vec!["--port".into(), port.to_string().into()];
            arguments.extend(["--addr", "127.0.0.1", "--jetstream"].map(Into::into));
            arguments.extend(["--store_dir".into(), dir.into()]);
            arguments
        })?;
        Ok(server.map(Self))
    }

    /// Restarts it at the same port, with its stored streams.
    pub(super) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        self.0.start_again()
    }

    /// Kills it.
    pub(super) fn stop(&mut self) {
        self.0.stop();
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }

    /// A subject of core NATS.
    pub(super) fn subject(&self, name: &str) -> Nats {
        subject(self.port(), name)
    }

    /// A subject, and a stream that stores it.
    pub(super) fn kept(&self, name: &str) -> Nats {
        kept(self.port(), name)
    }
}

pub(super) fn subject(port: u16, name: &str) -> Nats {
    Nats::new(format!("nats://127.0.0.1:{port}"), name).wait(Duration::from_millis(5))
}

pub(super) fn kept(port: u16, name: &str) -> Nats {
    subject(port, name).stream(name.to_uppercase()).create()
}
