//! A real broker.

use std::error::Error;
use std::fs;
use std::path::Path;

use crate::Mqtt;
use crate::testing::TestServer;

/// Mosquitto on its own port, killed on drop.
pub(super) struct Mosquitto(TestServer);

impl Mosquitto {
    /// Starts it; `None`, with a message, if it is not installed.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let remedy =
            "install Debian's package of that name, or have `cargo xtask services up` fetch it";
        let server = TestServer::start("mosquitto", remedy, |dir, port| {
            let (path, settings) = (dir.join("settings"), settings(dir, port));
            fs::write(&path, settings).expect("there is room");
            vec!["-c".into(), path.into()]
        })?;
        Ok(server.map(Self))
    }

    /// Restarts it at the same port.
    pub(super) fn start_again(&mut self) -> Result<(), Box<dyn Error>> {
        self.0.start_again()
    }

    /// Kills it.
    pub(super) fn stop(&mut self) {
        self.0.stop();
    }

    /// Ends it, after it has stored its sessions and their messages.
    pub(super) fn end(&mut self) {
        self.0.end();
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port()
    }

    pub(super) fn topic(&self, name: &str) -> Mqtt {
        Mqtt::new("127.0.0.1", self.port(), name)
    }
}

fn settings(dir: &Path, port: u16) -> String {
    // As root, it would become another user, who may not write there.
    let dir = dir.display();
    format!(
        "listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nuser root\n\
         persistence true\npersistence_location {dir}/\n"
    )
}
