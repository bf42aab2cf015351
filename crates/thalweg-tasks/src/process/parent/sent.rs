//! Payloads that a worker has been sent and keeps.

use crate::process::protocol::outgoing::Outgoing;
use crate::process::protocol::payload::{Payload, Recipient};
use crate::process::protocol::wire::ToWorker;
use crate::sync::{Mutex, lock};
use std::collections::HashSet;
use std::sync::{Arc, Weak};

/// The functions and large values that a worker keeps. It forgets them when nobody here holds them any more.
#[derive(Debug)]
pub(in crate::process) struct Remembered {
    ids: Mutex<HashSet<u64>>,
    outgoing: Arc<Outgoing>,
    /// The worker's connection.
    process: u32,
}

impl Remembered {
    pub(crate) fn new(outgoing: Arc<Outgoing>) -> Arc<Self> {
        Arc::new(Self {
            ids: Mutex::default(),
            outgoing,
            process: std::process::id(),
        })
    }

    /// Records that a payload is sent. Returns whether it is the first time.
    pub(crate) fn add(self: &Arc<Self>, payload: &Payload) -> bool {
        let is_new = lock(&self.ids).insert(payload.id());
        if is_new {
            let this: Weak<Self> = Arc::downgrade(self);
            payload.tell_when_gone(this);
        }
        is_new
    }
}

impl Recipient for Remembered {
    fn forget(&self, id: u64) {
        if self.process != std::process::id() || !lock(&self.ids).remove(&id) {
            return;
        }
        // A dead worker has forgotten everything.
        let _ = self.outgoing.outbox().put(&ToWorker::Forget { id });
        self.outgoing.flush();
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;
    use crate::process::protocol::wire::{Inbox, read};
    use crate::process::system::Socket;
    use std::io;

    #[test]
    fn unreferenced_payloads_are_forgotten_at_once() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let remembered = Remembered::new(Outgoing::new(ours));
        let payload = Arc::new(Payload::small(vec![1]));
        let id = payload.id();
        assert!(remembered.add(&payload));
        assert!(!remembered.add(&payload), "it is sent once");
        let other = payload.clone();
        drop(payload);
        assert!(lock(&remembered.ids).contains(&id));
        drop(other);
        let mut inbox = Inbox::default();
        assert!(theirs.receive(&mut inbox)?);
        let mut forgotten = None;
        inbox.first(|message, _| {
            if let ToWorker::Forget { id } = read(message)? {
                forgotten = Some(id);
            }
            Ok(())
        })?;
        assert_eq!(forgotten, Some(id));
        assert!(lock(&remembered.ids).is_empty());
        Ok(())
    }
}
