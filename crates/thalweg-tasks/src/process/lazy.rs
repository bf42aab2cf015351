//! What a worker process has been sent, read on first use.

use super::parcel::Parcel;
use crate::sync::{Mutex, lock};
use std::collections::HashMap;
use std::sync::Arc;

/// A payload that is read on first use.
pub(super) enum Lazy<T> {
    Sent(Arc<Parcel>),
    Read(T),
}

/// What has been sent, not read: for values that each task is to have for itself.
pub(super) fn sent<T>(from: &Mutex<HashMap<u64, Lazy<T>>>, id: u64) -> Result<Arc<Parcel>, Parcel> {
    match lock(from).get(&id) {
        Some(Lazy::Sent(parcel)) => Ok(parcel.clone()),
        _ => Err(missing()),
    }
}

/// Drops what is not needed any more.
pub(super) fn forget<T>(from: &Mutex<HashMap<u64, T>>, ids: &[u64]) {
    let gone: Vec<_> = {
        let mut from = lock(from);
        ids.iter().filter_map(|id| from.remove(id)).collect()
    };
    // Not under the lock: to drop something of the user's may do anything.
    drop(gone);
}

/// What was made of a thing before, or is made of it now.
pub(super) fn make<T: Clone>(
    from: &Mutex<HashMap<u64, Lazy<T>>>,
    id: u64,
    make: impl FnOnce(&Parcel) -> Result<T, Parcel>,
) -> Result<T, Parcel> {
    let parcel = {
        let from = lock(from);
        match from.get(&id).ok_or_else(missing)? {
            Lazy::Read(made) => return Ok(made.clone()),
            Lazy::Sent(parcel) => parcel.clone(),
        }
    };
    let made = make(&parcel)?;
    let before = lock(from)
        .get_mut(&id)
        .map(|lazy| std::mem::replace(lazy, Lazy::Read(made.clone())));
    // Not under the lock: another thread may have read it as well, and to drop that may do anything.
    drop(before);
    Ok(made)
}

/// The parent sends what a task needs before the task, and has it forgotten after it.
pub(super) fn missing() -> Parcel {
    Parcel::empty()
}
