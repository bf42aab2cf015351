//! Systems other than Linux: each call fails with an error that says what to use instead.

use super::Wait;
use crate::process::protocol::wire::{Inbox, Outbox};
use std::convert::Infallible;
use std::io::{self, Write};
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use crate::process::protocol::outgoing::Outgoing;

fn missing<T>() -> io::Result<T> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "worker processes need Linux: on this system there are none, and tasks run on threads, \
         by `Client::threads(n)`, or in Python `Client(n_workers=n)`, or on a Dask cluster",
    ))
}

/// A memory file shared between processes. It does not exist on this system.
#[derive(Debug)]
pub struct SharedFile(Infallible);

impl SharedFile {
    pub(in crate::process) fn create(_name: &str) -> io::Result<Self> {
        missing()
    }

    pub(in crate::process) fn seal(&self) -> io::Result<()> {
        match self.0 {}
    }

    pub(in crate::process) fn duplicate(&self) -> io::Result<Self> {
        match self.0 {}
    }

    /// Fills the buffer with bytes from offset `at` on.
    ///
    /// # Errors
    /// There are fewer, or they cannot be read.
    pub fn read_at(&self, _bytes: &mut [u8], _at: u64) -> io::Result<()> {
        match self.0 {}
    }

    pub(in crate::process) fn write_at(&self, _bytes: &[u8], _at: u64) -> io::Result<()> {
        match self.0 {}
    }

    /// Its descriptor number.
    pub fn descriptor(&self) -> i32 {
        match self.0 {}
    }
}

impl Write for &SharedFile {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.0 {}
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(in crate::process) struct Socket(Infallible);

impl Socket {
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        missing()
    }

    pub(crate) fn send(&self, _outbox: &mut Outbox, _wait: Wait) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn shut_down(&self) {
        match self.0 {}
    }

    pub(crate) fn has_unread(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn receive(&self, _inbox: &mut Inbox) -> io::Result<bool> {
        match self.0 {}
    }
}

/// A process in its own group.
#[derive(Debug)]
pub(in crate::process) struct GroupLeader(Infallible);

impl GroupLeader {
    pub(crate) fn spawn(_command: Command, _socket: Socket) -> io::Result<Self> {
        missing()
    }

    pub(crate) fn id(&self) -> u32 {
        match self.0 {}
    }

    pub(crate) fn kill(&mut self) {
        match self.0 {}
    }

    pub(crate) fn reap(&mut self) -> io::Result<ExitStatus> {
        match self.0 {}
    }

    pub(crate) fn shut_down_at_its_end(&mut self, _outgoing: &Arc<Outgoing>) -> io::Result<()> {
        match self.0 {}
    }
}

pub(in crate::process) fn open_limit() -> u64 {
    0
}

pub(in crate::process) fn now() -> u64 {
    0
}

pub(in crate::process) fn memory_of(_pid: u32) -> Option<u64> {
    None
}

pub(in crate::process) fn is_shortage(_error: &io::Error) -> bool {
    false
}

pub(in crate::process) fn take_standard_input() -> io::Result<Socket> {
    missing()
}

pub(in crate::process) fn end_process() {
    std::process::abort();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsupported_system_names_the_alternative() {
        let error = Socket::pair().expect_err("there is none");
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        let message = error.to_string();
        assert!(message.contains("need Linux"), "{message}");
        assert!(message.contains("Client::threads"), "{message}");
    }
}
