//! Names of tasks: the live task of each name, and their textual form.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use thalweg_tasks::host::Slot;

use super::task_types::Calls;
use crate::lock::lock;

/// Prefix of a key that is not text: a Python literal follows.
const LITERAL: char = '\0';

/// Name of a task: as given, or made from its number.
pub(super) fn name(slot: &Slot<Calls>) -> String {
    slot.key().map_or_else(
        || unnamed(slot.number()),
        |key| key.trim_start_matches(LITERAL).to_owned(),
    )
}

/// Name of an unnamed task.
pub(super) fn unnamed(number: u64) -> String {
    format!("task-{number:x}")
}

/// A task's key, as the original object.
pub(super) fn key<'py>(py: Python<'py>, slot: &Slot<Calls>) -> PyResult<Bound<'py, PyAny>> {
    match slot.key().and_then(|key| key.strip_prefix(LITERAL)) {
        None => Ok(name(slot).into_pyobject(py)?.into_any()),
        Some(literal) => py.import("ast")?.call_method1("literal_eval", (literal,)),
    }
}

/// The named live tasks of an engine.
#[derive(Default)]
pub(super) struct Names {
    known: Mutex<HashMap<Box<str>, Named>>,
    /// Number of tasks that were renamed.
    renamed: AtomicU64,
}

struct Named {
    slot: Weak<Slot<Calls>>,
    /// Token that distinguishes its call from others, if one was given.
    call: Option<i64>,
}

impl Names {
    /// The task with a name.
    pub(super) fn find(&self, name: &str) -> Option<Arc<Slot<Calls>>> {
        lock(&self.known).get(name)?.slot.upgrade()
    }

    /// The task with a name, if it is the same call.
    ///
    /// # Errors
    /// `ValueError` if it is a different call.
    pub(super) fn find_call(
        &self,
        name: &str,
        call: Option<i64>,
    ) -> PyResult<Option<Arc<Slot<Calls>>>> {
        let (slot, other) = match lock(&self.known).get(name) {
            Some(named) => (named.slot.upgrade(), named.call),
            None => return Ok(None),
        };
        match slot {
            Some(slot) if call.zip(other).is_some_and(|(call, other)| call != other) => {
                let name = self::name(&slot);
                Err(PyValueError::new_err(format!(
                    "key: {name:?} is the key of another call, whose future is still held: give each call its own"
                )))
            }
            slot => Ok(slot),
        }
    }

    /// The name, or a similar one if a live task has it.
    pub(super) fn free(&self, name: String) -> String {
        if self.find(&name).is_none() {
            return name;
        }
        let more = self.renamed.fetch_add(1, Ordering::Relaxed) + 1;
        self.free(format!("{name}-{more:x}"))
    }

    /// Registers a task's name, if it has one, and its token.
    pub(super) fn note(&self, slot: &Arc<Slot<Calls>>, call: Option<i64>) {
        let Some(name) = slot.key() else { return };
        let mut known = lock(&self.known);
        if known.len() == known.capacity() {
            known.retain(|_, named| named.slot.strong_count() > 0);
        }
        let slot = Arc::downgrade(slot);
        known.insert(name.into(), Named { slot, call });
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<Arc<Slot<Calls>>> {
        let known = lock(&self.known);
        known
            .values()
            .filter_map(|named| named.slot.upgrade())
            .collect()
    }
}
