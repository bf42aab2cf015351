use std::collections::VecDeque;

use super::Batch;
use super::attempt::Attempt;
use super::batch::Parts;
use crate::{Context, Lease, Operator};

/// Elements that wait to be written. Emitters of those beyond the bounds wait.
pub(super) struct Queue<T, P> {
    max_len: usize,
    max_bytes: usize,
    waiting: VecDeque<Waiting<T, P>>,
    /// Number and size of the elements within the bounds.
    accepted: usize,
    bytes: usize,
}

struct Waiting<T, P> {
    element: T,
    prepared: P,
    ordinal: u64,
    bytes: usize,
    lease: Lease,
}

impl<T, P> Queue<T, P> {
    pub(super) fn new(max_len: usize, max_bytes: usize) -> Self {
        Self {
            max_len,
            max_bytes,
            waiting: VecDeque::new(),
            accepted: 0,
            bytes: 0,
        }
    }

    pub(super) fn set_max_len(&mut self, max_len: usize) {
        self.max_len = max_len;
    }

    pub(super) fn set_max_bytes(&mut self, max_bytes: usize) {
        self.max_bytes = max_bytes;
    }

    pub(super) fn push<Op: Operator>(
        &mut self,
        element: T,
        prepared: P,
        bytes: usize,
        cx: &mut Context<'_, Op>,
    ) {
        let ordinal = cx.ordinal();
        let is_next = self.accepted == self.waiting.len();
        let lease = if is_next && self.has_room(bytes) {
            self.accepted += 1;
            self.bytes = self.bytes.saturating_add(bytes);
            Lease::accepted(cx.acks())
        } else {
            cx.hold_for_room()
        };
        self.waiting.push_back(Waiting {
            element,
            prepared,
            ordinal,
            bytes,
            lease,
        });
    }

    /// An element larger than the bound fits if it is alone.
    fn has_room(&self, bytes: usize) -> bool {
        let fits = self.bytes.saturating_add(bytes) <= self.max_bytes;
        self.accepted < self.max_len && (fits || self.accepted == 0)
    }

    /// Takes all elements within the bounds; others move up.
    pub(super) fn take(&mut self) -> Option<Attempt<T, P>> {
        if self.accepted == 0 {
            return None;
        }
        let mut parts = Parts {
            elements: Vec::with_capacity(self.accepted),
            prepared: Vec::with_capacity(self.accepted),
            ordinals: Vec::with_capacity(self.accepted),
            tokens: Vec::with_capacity(self.accepted),
        };
        for waiting in self.waiting.drain(..self.accepted) {
            parts.elements.push(waiting.element);
            parts.prepared.push(waiting.prepared);
            parts.ordinals.push(waiting.ordinal);
            parts.tokens.push(waiting.lease.accept());
        }
        self.move_up();
        Some(Attempt::new(Batch::new(parts)))
    }

    fn move_up(&mut self) {
        (self.accepted, self.bytes) = (0, 0);
        while let Some(next) = self.waiting.get(self.accepted)
            && self.has_room(next.bytes)
        {
            self.bytes = self.bytes.saturating_add(next.bytes);
            let next = &mut self.waiting[self.accepted];
            next.lease = Lease::accepted(std::mem::take(&mut next.lease).accept());
            self.accepted += 1;
        }
    }

    /// Drops elements beyond the bounds whose emitters have given up.
    pub(super) fn withdraw(&mut self) {
        let (mut at, accepted) = (0, self.accepted);
        self.waiting.retain(|waiting| {
            at += 1;
            at <= accepted || waiting.lease.stays()
        });
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|waiting| &waiting.element)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}
