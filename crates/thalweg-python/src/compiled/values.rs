//! Last values of a chain's nodes: held by the chain's variables or by the nodes.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;

use super::{Compiled, Failed, Kind, Part, Signal, frame};
use crate::call;
use crate::interrupt;
use crate::lock::lock;

/// Holder of the last values.
pub(super) mod known {
    /// The chain's variables.
    pub(in crate::compiled) const BY_CHAIN: u8 = 0;
    /// The nodes, except for variables that changed since the nodes sent something themselves.
    pub(in crate::compiled) const BY_BOTH: u8 = 1;
    /// The nodes.
    pub(in crate::compiled) const BY_NODES: u8 = 2;
}

fn is_same(before: Option<&Option<Py<PyAny>>>, value: Option<&Bound<'_, PyAny>>) -> bool {
    match (before, value) {
        (Some(Some(before)), Some(value)) => value.is(before),
        _ => false,
    }
}

impl Compiled {
    /// Makes the chain forget its last values: the nodes' are newer.
    pub(super) fn forget_values(&self, py: Python<'_>) {
        self.set_aside(py);
        let none = py.None().into_bound(py);
        let mut answer = self.send_batch(&none);
        while let Ok(told) = &answer {
            if self.is_done(told) {
                self.known.store(known::BY_CHAIN, Ordering::Relaxed);
                return;
            }
            // After an interrupt: the exception, and then the chain waits again.
            let generator = self.generator.bind(py);
            let payload = call::resume(generator, &none);
            if let Ok((error, ..)) = payload.and_then(|it| it.extract::<Failed<'_>>()) {
                interrupt::keep(PyErr::from_value(error));
            }
            answer = call::resume(generator, &none).and_then(|_| self.send_batch(&none));
        }
    }

    /// Copies the last values to the nodes, which send elements themselves from now on.
    pub(crate) fn set_aside(&self, py: Python<'_>) {
        let is_running = self.is_running.load(Ordering::Relaxed);
        let (known, next) = match self.known.load(Ordering::Relaxed) {
            known::BY_NODES => return,
            known::BY_BOTH if is_running => return,
            known if is_running => (known, known::BY_BOTH),
            known => (known, known::BY_NODES),
        };
        let Ok(variables) = frame::Variables::of(self.generator.bind(py)) else {
            return;
        };
        let now: Vec<_> = self
            .parts
            .iter()
            .map(|part| self.sent(&variables, part))
            .collect();
        drop(variables);
        let before = std::mem::take(&mut *lock(&self.before));
        for (place, (part, value)) in self.parts.iter().zip(&now).enumerate() {
            let is_old = known == known::BY_BOTH && is_same(before.get(place), value.as_ref());
            if let (Some(current), Some(value)) = (&part.current, value.as_ref())
                && !is_old
            {
                current.set(py, value.as_unbound());
            }
        }
        if next == known::BY_BOTH {
            let now = now.into_iter().map(|value| value.map(Bound::unbind));
            *lock(&self.before) = now.collect();
        }
        self.known.store(next, Ordering::Relaxed);
    }

    /// A node's last value, if the chain holds it.
    pub(crate) fn current(&self, py: Python<'_>, node: usize) -> Option<Py<PyAny>> {
        let known = self.known.load(Ordering::Relaxed);
        if known == known::BY_NODES {
            return None;
        }
        let variables = frame::Variables::of(self.generator.bind(py)).ok()?;
        let value = self.sent(&variables, &self.parts[node])?;
        if known == known::BY_BOTH && is_same(lock(&self.before).get(node), Some(&value)) {
            return None;
        }
        Some(value.unbind())
    }

    pub(super) fn sent<'py>(
        &self,
        variables: &frame::Variables<'py>,
        part: &Part,
    ) -> Option<Bound<'py, PyAny>> {
        if part.kind == Kind::Ends {
            return None;
        }
        let value = variables.get(&part.value)?;
        (!value.is_instance_of::<Signal>()).then_some(value)
    }
}
