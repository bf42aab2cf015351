//! Options of librdkafka.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError as ClientError;

use super::KafkaError;

/// Parts of the names of options whose values are secret.
const SECRET: [&str; 6] = ["password", "secret", "token", "pem", "key", "jaas"];

/// Options by name. `Debug` shows no values.
#[derive(Clone, Default)]
pub(super) struct Config(BTreeMap<String, String>);

impl Config {
    pub(super) fn set(&mut self, name: String, value: String) {
        // Two names of one option.
        let name = match name.as_str() {
            "metadata.broker.list" => "bootstrap.servers".to_string(),
            _ => name,
        };
        self.0.insert(name, value);
    }

    pub(super) fn set_default(&mut self, name: &str, value: &str) {
        if !self.0.contains_key(name) {
            self.0.insert(name.to_string(), value.to_string());
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The addresses of the brokers, for errors.
    pub(super) fn brokers(&self) -> String {
        self.get("bootstrap.servers")
            .unwrap_or_default()
            .to_string()
    }

    pub(super) fn group(&self) -> String {
        self.get("group.id").unwrap_or_default().to_string()
    }

    pub(super) fn check_brokers(&self) -> Result<(), KafkaError> {
        self.need("bootstrap.servers", "the brokers, as `host:port`")
    }

    pub(super) fn need(&self, name: &str, what: &str) -> Result<(), KafkaError> {
        match self.get(name) {
            None | Some("") => Err(self.invalid(format!("the option `{name}` is missing: {what}"))),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn invalid(&self, problem: impl Into<String>) -> KafkaError {
        KafkaError::Invalid {
            brokers: self.brokers(),
            problem: problem.into(),
        }
    }

    /// Has librdkafka check names and values.
    pub(super) fn check(&self) -> Result<(), KafkaError> {
        let checked = self.client().create_native_config();
        checked.map(drop).map_err(|error| self.refused(error))
    }

    pub(super) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        for (name, value) in &self.0 {
            client.set(name, value);
        }
        client
    }

    /// The error of librdkafka without secret values.
    pub(super) fn refused(&self, error: ClientError) -> KafkaError {
        let problem = match error {
            ClientError::ClientConfig(_, problem, name, _) => {
                match SECRET.iter().any(|part| name.contains(part)) {
                    true => format!("the option `{name}` has an invalid value"),
                    false => format!("the option `{name}`: {problem}"),
                }
            }
            ClientError::ClientCreation(problem) => problem,
            error => error.to_string(),
        };
        self.invalid(match problem.contains("OpenSSL not available") {
            true => format!("{problem}; docs/CONNECT.md says how to build it with TLS"),
            false => problem,
        })
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
