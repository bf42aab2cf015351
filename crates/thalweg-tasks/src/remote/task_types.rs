//! The task types of remote functions: messages and their answers.

use crate::client::Opens;
use crate::error::{Error, TaskError};
use crate::process::{Call, Payload, Portable};
use crate::task_types::TaskTypes;
use serde::de::DeserializeOwned;
use std::io;
use std::sync::Arc;

/// The argument with which a worker process is started.
pub(super) const WORKER_ARGUMENT: &str = "--thalweg-worker";

/// Task types for calls of [remote](crate::remote!) functions.
#[derive(Debug)]
pub enum Remotes {}

impl TaskTypes for Remotes {
    type Program = Call;
    type Value = Arc<Payload>;
    type Error = TaskError;

    fn name(program: &Call) -> Option<&str> {
        program.function.name()
    }
}

impl Portable for Remotes {
    fn call(program: &Call) -> Option<&Call> {
        Some(program)
    }

    fn received(payload: Arc<Payload>) -> Arc<Payload> {
        payload
    }

    fn payload(value: &Arc<Payload>) -> Option<&Arc<Payload>> {
        Some(value)
    }

    fn raised(payload: Payload) -> TaskError {
        match payload.bytes() {
            Ok(message) => TaskError::Panicked(String::from_utf8_lossy(&message).into_owned()),
            Err(error) => Self::unsent(error),
        }
    }

    fn unsent(error: io::Error) -> TaskError {
        TaskError::Unsent(error.to_string())
    }
}

impl<T: DeserializeOwned> Opens<T> for Remotes {
    fn open(value: &Arc<Payload>) -> Result<T, Error> {
        let bytes = value
            .bytes()
            .map_err(|error| Error::Unreadable(error.to_string()))?;
        postcard::from_bytes(&bytes).map_err(|error| Error::Unreadable(error.to_string()))
    }
}
