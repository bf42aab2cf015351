//! A real server of MongoDB's protocol.

use std::error::Error;
use std::time::Duration;

use super::MongoDb;
use crate::testing::TestServer;

/// FerretDB on its own port, killed on drop.
pub(super) struct Server(TestServer);

impl Server {
    /// Starts it; `None`, with a message, if it is not installed.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let remedy = "have `cargo xtask services up` build it, which needs Go";
        let server = TestServer::start("ferretdb-sqlite", remedy, |dir, port| {
            vec![format!("127.0.0.1:{port}").into(), dir.into()]
        })?;
        Ok(server.map(Self))
    }

    /// Restarts it at the same port, with its stored data.
    pub(super) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        self.0.start_again()
    }

    /// Kills it.
    pub(super) fn stop(&mut self) {
        self.0.stop();
    }

    pub(super) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port())
    }

    pub(super) fn collection(&self, name: &str) -> MongoDb {
        at(&self.address(), name)
    }
}

/// A collection of the server at an address.
pub(super) fn at(address: &str, name: &str) -> MongoDb {
    let uri = format!("mongodb://{address}/?serverSelectionTimeoutMS=200");
    MongoDb::new(uri, "tests", name).wait(Duration::from_millis(5))
}
