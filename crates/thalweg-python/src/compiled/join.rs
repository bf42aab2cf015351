//! Joins inside a chain: nodes to which several of its ways lead.
//!
//! The chain pairs elements itself as long as all of them come with one element. If one is missing, the engine's node
//! gets the others, and all, until it has none left.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use pyo3::types::PyList;
use thalweg::{EmitResult, FusedContext};

use super::{Compiled, Held, frame};
use crate::value::Value;

/// Number of elements that go to the engine's node, each time leaving the chain, before the chain is given up if they
/// are as many as those that do not.
const PATIENCE: u64 = 64;

/// A join as described by `thalweg.stream.compiled`.
#[derive(FromPyObject)]
pub(super) struct JoinPlan<'py> {
    place: usize,
    waiting: Bound<'py, PyList>,
    unevenness: Bound<'py, PyList>,
    held: Vec<(String, String, usize, usize)>,
    exit: usize,
}

/// A join.
pub(super) struct Join {
    place: usize,
    /// Not empty if the engine's node may have elements: then all go there.
    waiting: Py<PyList>,
    /// What is noted here lets the pipeline be compiled without this join.
    unevenness: Py<PyList>,
    held: Vec<Place>,
    /// The way of the last element to the engine's node.
    exit: usize,
    /// Number of elements that have gone there.
    left_out: AtomicU64,
}

/// A place for an element.
struct Place {
    variable: String,
    exit: usize,
    /// Whether the engine's node has got the element that is still there.
    is_taken: AtomicBool,
}

impl Place {
    /// Takes the element for the engine's node; returns whether nobody has before.
    fn take(&self) -> bool {
        !self.is_taken.swap(true, Ordering::Relaxed)
    }
}

impl From<JoinPlan<'_>> for Join {
    fn from(plan: JoinPlan<'_>) -> Self {
        let held = plan.held.into_iter();
        let held = held.map(|(variable, _, _, exit)| Place {
            variable,
            exit,
            is_taken: AtomicBool::new(false),
        });
        Self {
            place: plan.place,
            waiting: plan.waiting.unbind(),
            unevenness: plan.unevenness.unbind(),
            held: held.collect(),
            exit: plan.exit,
            left_out: AtomicU64::new(0),
        }
    }
}

impl Join {
    /// Index of its node.
    pub(super) fn place(&self) -> usize {
        self.place
    }

    /// Number of upstreams.
    pub(super) fn inlets(&self) -> u64 {
        self.held.len() as u64 + 1
    }

    fn set_waiting(&self, py: Python<'_>, is_waiting: bool) {
        let waiting = self.waiting.bind(py);
        // Neither fails: the list has room for one.
        let _ = match (is_waiting, waiting.is_empty()) {
            (true, true) => waiting.append(true),
            (false, false) => waiting.del_slice(0, waiting.len()),
            _ => Ok(()),
        };
    }
}

impl Compiled {
    /// Notes that elements come to joins by other ways.
    pub(super) fn leave_joins(&self, py: Python<'_>) {
        for join in &self.joins {
            join.set_waiting(py, true);
        }
    }

    /// Looks for elements that the engine's nodes have.
    pub(super) fn look_at_joins(&self, py: Python<'_>, cx: &FusedContext<'_, Value>) {
        for join in &self.joins {
            join.set_waiting(py, !cx.is_empty(join.place));
        }
    }

    /// Sends an element to a join of the engine.
    pub(super) fn send_to_join(
        &self,
        exit: usize,
        x: Value,
        py: Python<'_>,
        cx: &mut FusedContext<'_, Value>,
    ) -> EmitResult {
        let result = cx.send(exit, x);
        let leads_here =
            |join: &&Join| join.exit == exit || join.held.iter().any(|held| held.exit == exit);
        if let Some(join) = self.joins.iter().find(leads_here) {
            join.set_waiting(py, !cx.is_empty(join.place));
            let left_out = join.left_out.fetch_add(1, Ordering::Relaxed) + 1;
            let together = self
                .received
                .load(Ordering::Relaxed)
                .saturating_sub(left_out);
            if left_out > PATIENCE && left_out > together {
                self.give_up(join, py);
            }
        }
        result
    }

    /// Sends elements that are held, since others may come to their joins. The chain still has them, until it goes on:
    /// see [`forget_held`](Self::forget_held).
    pub(super) fn send_held(
        &self,
        held: &Held<'_>,
        py: Python<'_>,
        cx: &mut FusedContext<'_, Value>,
    ) {
        for (exit, x) in held {
            let is_held = !x.is(&self.signals.done);
            if is_held && self.place(*exit).is_some_and(Place::take) {
                let result = self.send_to_join(*exit, Value::from(x.clone()), py, cx);
                cx.keep_failure(result);
            }
        }
    }

    /// Notes that the chain now drops what it has held.
    pub(super) fn forget_held(&self, held: &Held<'_>) {
        for place in held.iter().filter_map(|(exit, _)| self.place(*exit)) {
            place.is_taken.store(false, Ordering::Relaxed);
        }
    }

    fn place(&self, exit: usize) -> Option<&Place> {
        let mut places = self.joins.iter().flat_map(|join| &join.held);
        places.find(|place| place.exit == exit)
    }

    #[cold]
    fn give_up(&self, join: &Join, py: Python<'_>) {
        let unevenness = join.unevenness.bind(py);
        if unevenness.is_empty() && unevenness.append(true).is_ok() {
            self.pipeline.get().note_change();
        }
    }

    /// What is held for joins, before an element comes into the pipeline by another way.
    pub(super) fn let_go(&self, py: Python<'_>) -> Vec<(usize, Value)> {
        if self.joins.is_empty() {
            return Vec::new();
        }
        let Ok(variables) = frame::Variables::of(self.generator.bind(py)) else {
            return Vec::new();
        };
        self.leave_joins(py);
        let places = self.joins.iter().flat_map(|join| &join.held);
        let held = places.filter_map(|place| {
            let x = variables.get(&place.variable)?;
            let is_held = !x.is(&self.signals.done);
            (is_held && place.take()).then(|| (place.exit, Value::from(x)))
        });
        held.collect()
    }
}
