//! Awaitables running on asyncio loops. A closed loop never reports their outcomes.

use std::collections::BTreeMap;
use std::sync::{Mutex, Weak};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::awaitable::Outcome;
use super::handles;
use crate::lock::lock;

/// Awaited outcomes, by the address of their loop and a serial number.
static PENDING: Mutex<Pending> = Mutex::new(Pending {
    outcomes: BTreeMap::new(),
    serial: 0,
});

struct Pending {
    outcomes: BTreeMap<(usize, u64), Weak<Mutex<Outcome>>>,
    serial: u64,
}

/// An entry of the register, removed on drop.
pub(super) struct Registered((usize, u64));

/// Registers an outcome that the loop on this thread will report.
pub(super) fn register(py: Python<'_>, outcome: Weak<Mutex<Outcome>>) -> PyResult<Registered> {
    let running = handles::running(py)?;
    let address = running.map_or(0, |running| running.as_ptr().addr());
    let mut pending = lock(&PENDING);
    pending.serial += 1;
    let key = (address, pending.serial);
    pending.outcomes.insert(key, outcome);
    Ok(Registered(key))
}

impl Drop for Registered {
    fn drop(&mut self) {
        lock(&PENDING).outcomes.remove(&self.0);
    }
}

/// Fails all outcomes that wait for a closed loop.
pub(super) fn fail(address: usize) {
    let waiting: Vec<_> = lock(&PENDING)
        .outcomes
        .range((address, 0)..=(address, u64::MAX))
        .filter_map(|(_, outcome)| outcome.upgrade())
        .collect();
    for outcome in waiting {
        Outcome::give(
            &outcome,
            Err(PyRuntimeError::new_err(
                "the event loop was closed while the call was at work",
            )),
        );
    }
}
