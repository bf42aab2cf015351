//! Position of the current element in a chain, and the counters that follow from it.

use std::sync::atomic::Ordering;

use pyo3::prelude::*;
use thalweg::{AtWork, Progress};

use super::{Compiled, Kind, Part, Position, frame};
use crate::lock::lock;

impl Compiled {
    pub(super) fn position_at(&self, line: usize) -> Option<Position> {
        *self.lines.get(line.checked_sub(1)?)?
    }

    /// Position of the current element.
    pub(super) fn position(&self, py: Python<'_>) -> Option<Position> {
        match self.attended.load(Ordering::Relaxed) {
            0 => self.position_at(frame::line(self.generator.bind(py))?),
            node => Some(Position {
                node: node - 1,
                is_behind: true,
                reached: node,
            }),
        }
    }

    pub(super) fn at_work(&self, py: Python<'_>) -> AtWork {
        let Some(position) = self.position(py) else {
            return AtWork::default();
        };
        let mut at_work = AtWork::default();
        let node = position.node;
        let part = &self.parts[node];
        if !position.is_behind || part.kind == Kind::Each {
            at_work.busy.push(node);
        }
        if position.is_behind && part.is_fan && self.attended.load(Ordering::Relaxed) == 0 {
            at_work.handing_around.push(node);
        }
        for above in self.ancestors(node) {
            if matches!(self.parts[above].kind, Kind::Each | Kind::Joins) {
                at_work.busy.push(above);
            }
            if self.parts[above].is_fan {
                at_work.handing_around.push(above);
            }
        }
        at_work
    }

    pub(super) fn ancestors(&self, node: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(self.parts[node].parent, |above| self.parts[*above].parent)
    }

    /// The nodes that the element has not reached although it has left the node above, or is there.
    pub(super) fn outstanding(&self, position: Position) -> impl Iterator<Item = usize> {
        let node = position.node;
        // A node with many outputs has produced those that it has handed on.
        let is_between = self.parts[node].kind == Kind::Each && !position.is_behind;
        let behind = self.parts.iter().enumerate().skip(position.reached);
        behind.filter_map(move |(place, part)| {
            let parent = part.parent?;
            let is_on_way =
                parent == node && !is_between || self.ancestors(node).any(|above| above == parent);
            is_on_way.then_some(place)
        })
    }

    pub(super) fn progress(&self, py: Python<'_>) -> Vec<Progress> {
        let variables = frame::Variables::of(self.generator.bind(py)).ok();
        let count = |part: &Part| -> u64 {
            let value = variables.as_ref().and_then(|known| known.get(&part.count));
            value.and_then(|count| count.extract().ok()).unwrap_or(0)
        };
        let mut received = self.received.load(Ordering::Relaxed);
        if let Some(batch) = &*lock(&self.batch) {
            received += (batch.len - frame::remaining(batch.iterator.bind(py))) as u64;
        }
        let mut absent = vec![0; self.parts.len()];
        if let Some(position) = self.position(py) {
            self.outstanding(position).for_each(|node| absent[node] = 1);
        }
        let mut progress: Vec<Progress> = Vec::with_capacity(self.parts.len());
        for (part, absent) in self.parts.iter().zip(absent) {
            let missed = part.missed.load(Ordering::Relaxed) + absent;
            let received = match part.parent {
                None => received,
                Some(parent) => progress[parent].made.saturating_sub(missed),
            };
            let made = match part.kind {
                Kind::Sends | Kind::Fork => received,
                Kind::Keeps | Kind::Joins => received.saturating_sub(count(part)),
                Kind::Each => count(part),
                Kind::Ends => 0,
            };
            progress.push(Progress { received, made });
        }
        for join in &self.joins {
            // The engine's node counts what has gone to it.
            let progress = &mut progress[join.place()];
            progress.received = progress.made * join.inlets();
        }
        progress
    }
}
