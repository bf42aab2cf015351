use std::sync::{Mutex, MutexGuard, PoisonError};

/// The contents of a mutex. What it guards is whole between statements: a panic elsewhere does not
/// spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
