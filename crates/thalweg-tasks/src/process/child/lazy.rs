//! Received payloads, deserialized on first use.

use crate::process::protocol::payload::Payload;
use crate::process::protocol::wire::{Files, Sent};
use crate::sync::{Mutex, lock};
use std::collections::HashMap;
use std::sync::Arc;

/// A received payload, or why it could not be received.
pub(in crate::process) type Received = Result<Arc<Payload>, String>;

/// A payload that is deserialized on first use.
pub(in crate::process) enum Lazy<T> {
    Sent(Received),
    Read(T),
}

pub(in crate::process) fn forget<T>(from: &Mutex<HashMap<u64, T>>, ids: &[u64]) {
    let gone: Vec<_> = {
        let mut from = lock(from);
        ids.iter().filter_map(|id| from.remove(id)).collect()
    };
    // Not under the lock: dropping a user's object may run anything.
    drop(gone);
}

/// Returns the deserialized value, created on first use.
pub(in crate::process) fn make<T: Clone>(
    from: &Mutex<HashMap<u64, Lazy<T>>>,
    id: u64,
    make: impl FnOnce(&Received) -> Result<T, Payload>,
) -> Result<T, Payload> {
    let payload = {
        let from = lock(from);
        match from.get(&id).ok_or_else(missing)? {
            Lazy::Read(made) => return Ok(made.clone()),
            Lazy::Sent(payload) => payload.clone(),
        }
    };
    let made = make(&payload)?;
    let before = lock(from)
        .get_mut(&id)
        .map(|lazy| std::mem::replace(lazy, Lazy::Read(made.clone())));
    // Not under the lock: another thread may have deserialized it as well, and dropping that may run anything.
    drop(before);
    Ok(made)
}

/// Whether it has been deserialized.
pub(in crate::process) fn is_read<T>(from: &Mutex<HashMap<u64, Lazy<T>>>, id: u64) -> bool {
    matches!(lock(from).get(&id), Some(Lazy::Read(_)))
}

/// The payload itself, for values of which each task deserializes its own copy.
pub(in crate::process) fn sent<T>(
    from: &Mutex<HashMap<u64, Lazy<T>>>,
    id: u64,
) -> Result<Received, Payload> {
    match lock(from).get(&id) {
        Some(Lazy::Sent(received)) => Ok(received.clone()),
        _ => Err(missing()),
    }
}

/// The value created here, unless it has been forgotten.
pub(in crate::process) fn read<T: Clone>(
    from: &Mutex<HashMap<u64, Lazy<T>>>,
    id: u64,
) -> Option<T> {
    match lock(from).get(&id)? {
        Lazy::Read(made) => Some(made.clone()),
        Lazy::Sent(_) => None,
    }
}

/// The payload of the value created here. With `keep`, the payload replaces it. None if it is gone.
pub(in crate::process) fn packed<T: Clone>(
    from: &Mutex<HashMap<u64, Lazy<T>>>,
    id: u64,
    keep: bool,
    pack: impl FnOnce(&T) -> Result<Payload, Payload>,
) -> Option<Result<Arc<Payload>, Payload>> {
    let made = match lock(from).get(&id)? {
        Lazy::Sent(received) => return received.clone().ok().map(Ok),
        Lazy::Read(made) => made.clone(),
    };
    let payload = match pack(&made) {
        Ok(payload) => Arc::new(payload),
        Err(error) => return Some(Err(error)),
    };
    if keep {
        let packed = Lazy::Sent(Ok(payload.clone()));
        let before = lock(from)
            .get_mut(&id)
            .map(|lazy| std::mem::replace(lazy, packed));
        // Not under the lock: dropping a user's object may run anything.
        drop(before);
    }
    Some(Ok(payload))
}

pub(in crate::process) fn receive(sent: &Sent<'_>, files: &mut Files) -> Received {
    sent.unpack(files)
        .map(Arc::new)
        .map_err(|error| error.to_string())
}

/// The parent sends the inputs of a task before the task, and has them forgotten after it.
pub(in crate::process) fn missing() -> Payload {
    Payload::empty()
}
