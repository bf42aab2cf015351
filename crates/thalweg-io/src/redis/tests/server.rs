//! A real server.

use std::error::Error;
use std::time::Duration;

use crate::Redis;
use crate::testing::TestServer;

/// Redis on its own port, killed on drop.
pub(super) struct Server(TestServer);

impl Server {
    /// Starts it; `None`, with a message, if it is not installed.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let remedy =
            "install Debian's package of that name, or have `cargo xtask services up` fetch it";
        let server = TestServer::start("redis-server", remedy, |dir, port| {
            let mut arguments = vec!["--port".into(), port.to_string().into()];
            let fixed = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"];
            arguments.extend(fixed.map(Into::into));
            // Otherwise it may answer before it has written, while it waits for the disk.
            arguments.extend(["--appendfsync", "no"].map(Into::into));
            arguments.extend(["--dir".into(), dir.into()]);
            arguments
        })?;
        Ok(server.map(Self))
    }

    /// Restarts it at the same port, with the data of its log.
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

    pub(super) fn key(&self, name: &str) -> Redis {
        at(self.port(), name)
    }
}

/// A key of the server at a port.
pub(super) fn at(port: u16, name: &str) -> Redis {
    Redis::new(format!("redis://127.0.0.1:{port}"), name).wait(Duration::from_millis(5))
}
