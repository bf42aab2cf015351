use std::collections::VecDeque;

use crate::{Acks, Context, Lease, Operator};

/// A bounded queue. Emitters of elements beyond the bound wait until there is room. An element that has come back
/// around a cycle waits without an emitter.
pub(in crate::ops) struct Queue<T> {
    size: usize,
    accepted: VecDeque<(T, Acks)>,
    overflow: VecDeque<(T, Lease)>,
}

impl<T> Queue<T> {
    /// Default where users need not give a bound.
    pub(in crate::ops) const DEFAULT_SIZE: usize = 65_536;

    pub(in crate::ops) fn new(size: usize) -> Self {
        Self {
            size,
            accepted: VecDeque::new(),
            overflow: VecDeque::new(),
        }
    }

    pub(in crate::ops) fn size(&self) -> usize {
        self.size
    }

    /// Sets another bound. With a smaller one, queued elements stay; with a larger one, waiting emitters are released
    /// as the queue moves.
    pub(in crate::ops) fn resize(&mut self, size: usize) {
        self.size = size;
        while self.accepted.len() < size
            && let Some((x, lease)) = self.overflow.pop_front()
        {
            self.accepted.push_back((x, lease.accept()));
        }
    }

    /// Adds an element with the current element's tokens.
    pub(in crate::ops) fn push<Op: Operator>(&mut self, x: T, cx: &mut Context<'_, Op>) {
        if self.accepted.len() < self.size {
            self.accepted.push_back((x, cx.acks()));
        } else {
            let lease = cx.hold_for_room();
            self.overflow.push_back((x, lease));
        }
    }

    /// Takes the oldest element, and releases the emitter of the first one beyond the bound.
    pub(in crate::ops) fn pop(&mut self) -> Option<(T, Acks)> {
        let oldest = self.accepted.pop_front()?;
        if let Some((x, lease)) = self.overflow.pop_front() {
            self.accepted.push_back((x, lease.accept()));
        }
        Some(oldest)
    }

    /// The oldest element.
    pub(in crate::ops) fn front(&self) -> Option<&T> {
        self.accepted.front().map(|(x, _)| x)
    }

    /// All elements, oldest first.
    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = &T> {
        let accepted = self.accepted.iter().map(|(x, _)| x);
        accepted.chain(self.overflow.iter().map(|(x, _)| x))
    }

    /// Drops elements beyond the bound whose emitters have given up.
    pub(in crate::ops) fn withdraw(&mut self) {
        self.overflow.retain(|(_, lease)| lease.stays());
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.accepted.len() + self.overflow.len()
    }
}
