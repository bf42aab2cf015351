//! A real broker.

use std::error::Error;
use std::fs;

use crate::Mqtt;
use crate::testing::TestServer;

/// Mosquitto on a port of its own, as long as this lives.
pub(super) struct Mosquitto(TestServer);

impl Mosquitto {
    /// Starts it; without the program, says so.
    pub(super) fn start() -> Result<Option<Self>, Box<dyn Error>> {
        let remedy =
            "install Debian's package of that name, or have `cargo xtask services up` fetch it";
        let server = TestServer::start("mosquitto", remedy, |dir, port| {
            let (path, settings) = (dir.join("settings"), settings(port));
            fs::write(&path, settings).expect("there is room");
            vec!["-c".into(), path.into()]
        })?;
        Ok(server.map(Self))
    }

    /// Starts it at the same port.
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

    pub(super) fn topic(&self, name: &str) -> Mqtt {
        Mqtt::new("127.0.0.1", self.port(), name)
    }
}

fn settings(port: u16) -> String {
    format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
}
