//! The queues of ready tasks.

use super::TaskId;
use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

/// A priority, highest first.
#[derive(Debug, Clone, Copy)]
struct Level(f64);

impl Ord for Level {
    fn cmp(&self, other: &Self) -> Ordering {
        other.0.total_cmp(&self.0)
    }
}

impl PartialOrd for Level {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Level {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Level {}

/// Tasks by priority, and then in the order of arrival; those with dependencies before those without, so that there are
/// few intermediate values.
///
/// It may contain tasks that are no longer to run.
#[derive(Debug, Default)]
pub(super) struct Ready {
    usual: VecDeque<TaskId>,
    other: BTreeMap<Level, VecDeque<TaskId>>,
}

impl Ready {
    fn queue(&mut self, priority: f64) -> &mut VecDeque<TaskId> {
        if priority == 0.0 {
            &mut self.usual
        } else {
            self.other.entry(Level(priority)).or_default()
        }
    }

    /// Queues a task without dependencies.
    pub(crate) fn push_back(&mut self, id: TaskId, priority: f64) {
        self.queue(priority).push_back(id);
    }

    /// Queues a task with dependencies.
    pub(crate) fn push_front(&mut self, id: TaskId, priority: f64) {
        self.queue(priority).push_front(id);
    }

    pub(crate) fn pop(&mut self) -> Option<TaskId> {
        if self.other.is_empty() {
            return self.usual.pop_front();
        }
        let mut first = self.other.first_entry()?;
        if first.key().0 < 0.0 && !self.usual.is_empty() {
            return self.usual.pop_front();
        }
        let id = first.get_mut().pop_front();
        if first.get().is_empty() {
            first.remove();
        }
        id
    }

    /// Takes the next task of the default priority or a higher one.
    pub(crate) fn pop_urgent(&mut self) -> Option<TaskId> {
        let most = self.other.first_key_value().map(|(level, _)| level.0);
        match self.usual.is_empty() && most.is_none_or(|most| most < 0.0) {
            true => None,
            false => self.pop(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.usual.is_empty() && self.other.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.usual.clear();
        self.other.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32) -> TaskId {
        TaskId {
            index,
            generation: 0,
        }
    }

    #[test]
    fn higher_priorities_come_first_and_equal_ones_in_order() {
        let mut ready = Ready::default();
        for (index, priority) in [(0, 0.0), (1, -1.0), (2, 0.0), (3, 2.5), (4, 10.0), (5, 2.5)] {
            ready.push_back(id(index), priority);
        }
        ready.push_front(id(6), 0.0);
        let order: Vec<_> = std::iter::from_fn(|| ready.pop())
            .map(|id| id.index)
            .collect();
        assert_eq!(order, [4, 3, 5, 6, 0, 2, 1]);
    }
}
