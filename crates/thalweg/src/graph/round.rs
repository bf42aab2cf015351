//! The edge that closes a cycle.

use super::cell::{Link, Receive, Slot};
use super::node::NodeId;
use super::output::Edge;
use super::pass::Pass;
use crate::operator::EmitResult;

/// An element that comes over such an edge does not wait for room on the cycle: two full queues on it would wait for
/// each other. Their limits apply to elements from outside.
pub(super) struct Return<T> {
    receiver: Edge<T>,
    from: NodeId,
    to: NodeId,
    /// Whether it closes a cycle, and the number of removed edges when that was found.
    closes: Slot<(bool, u64)>,
}

impl<T> Return<T> {
    pub(super) fn new(receiver: Edge<T>, from: NodeId, to: NodeId) -> Self {
        Self {
            receiver,
            from,
            to,
            closes: Slot::new((false, 0)),
        }
    }

    fn closes(&self, pass: &Pass) -> bool {
        let cuts = pass.graph().cuts(pass);
        let (closes, then) = *self.closes.get(pass);
        if then == cuts {
            return closes;
        }
        let closes = pass.graph().still_closes(self.to, self.from, pass);
        *self.closes.get(pass) = (closes, cuts);
        closes
    }
}

impl<T> Receive<T> for Return<T> {
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        let round = Round::begin(self.closes(pass), pass);
        self.receiver.receive(x, round.pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        let round = Round::begin(self.closes(pass), pass);
        self.receiver.receive_many(xs, round.pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }

    fn is_distinct(&self) -> bool {
        self.receiver.is_distinct()
    }

    fn parted(&self, pass: &Pass) {
        self.receiver.parted(pass);
    }
}

/// The scope in which an element comes back.
struct Round<'a> {
    pass: &'a mut Pass,
    outer: bool,
}

impl<'a> Round<'a> {
    fn begin(closes: bool, pass: &'a mut Pass) -> Self {
        let outer = pass.lease.has_come_round;
        pass.lease.has_come_round = outer || closes;
        Self { pass, outer }
    }
}

/// Ended by a drop, because a function downstream may panic, and the pass may continue with its next element.
impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.pass.lease.has_come_round = self.outer;
    }
}
