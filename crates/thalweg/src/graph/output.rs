//! Where a node's elements go.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::Arc;

use super::cell::{Link, Links, OpCell, Receive, Slot, gate};
use super::counter::Counter;
use super::node::NodeId;
use super::pass::{Lease, Pass};
use crate::operator::{Element, Flow};

/// An edge: who is downstream, and what keeps it alive.
pub(crate) struct Edge<T> {
    pub(crate) to: NodeId,
    pub(crate) receiver: Arc<dyn Receive<T>>,
}

impl<T> Clone for Edge<T> {
    fn clone(&self) -> Self {
        Self {
            to: self.to,
            receiver: self.receiver.clone(),
        }
    }
}

/// The outgoing side of a node. It is the receiver of its own fan-out: a node with several
/// downstreams sends to its output, which hands on to each in turn.
///
/// Laid out in this order, so that what the hot path touches shares cache lines.
#[repr(C)]
pub(crate) struct Output<T> {
    links: Links<T>,
    sent: Counter,
    id: NodeId,
    fan: OpCell<()>,
    edges: Slot<Vec<Edge<T>>>,
    /// Elements that came while an earlier one was being handed around.
    backlog: Slot<VecDeque<(T, Lease)>>,
    /// The batch of `emit_many` on its way out, kept for its memory.
    spare: Slot<Vec<T>>,
}

impl<T: Element> Output<T> {
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            links: Links::new(),
            sent: Counter::default(),
            id,
            fan: OpCell::new(()),
            edges: Slot::new(Vec::new()),
            backlog: Slot::new(VecDeque::new()),
            spare: Slot::new(Vec::new()),
        }
    }

    #[inline(always)]
    pub(crate) fn send(&self, x: T, pass: &mut Pass) -> Flow {
        self.sent.add(1);
        self.links.send(x, pass)
    }

    /// Sends an element that a transform has made of one it has counted.
    #[inline(always)]
    pub(crate) fn pass_on(&self, x: T, pass: &mut Pass) -> Flow {
        self.links.send(x, pass)
    }

    /// Sends a batch, and empties it.
    pub(crate) fn send_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        self.sent.add(xs.len() as u64);
        self.pass_on_many(xs, pass);
    }

    pub(crate) fn pass_on_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        self.links.send_many(xs, pass);
        xs.clear();
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.get()
    }

    pub(crate) fn take_spare(&self, pass: &Pass) -> Vec<T> {
        std::mem::take(&mut *self.spare.get(pass))
    }

    pub(crate) fn put_spare(&self, spare: Vec<T>, pass: &Pass) {
        *self.spare.get(pass) = spare;
    }

    pub(crate) fn edges(&self, pass: &Pass) -> Vec<Edge<T>> {
        self.edges.get(pass).clone()
    }

    /// Changes the edges; returns those that went.
    pub(crate) fn rewire(
        &self,
        pass: &Pass,
        change: impl FnOnce(&mut Vec<Edge<T>>) -> Vec<Edge<T>>,
    ) -> Vec<Edge<T>> {
        let mut edges = self.edges.get(pass);
        let gone = change(&mut edges);
        let links = edges.iter().map(|edge| edge.receiver.link()).collect();
        self.links.set(links, Link::to(self), pass);
        gone
    }

    pub(crate) fn leads_nowhere(&self, pass: &Pass) -> bool {
        self.edges.get(pass).is_empty()
    }

    /// Shows the elements that wait for their turn.
    pub(crate) fn kept(&self, see: &mut dyn FnMut(&dyn Any), pass: &Pass) {
        self.backlog.get(pass).iter().for_each(|(x, _)| see(x));
    }

    pub(crate) fn backlog_len(&self, pass: &Pass) -> usize {
        self.backlog.get(pass).len()
    }

    /// Hands on what came while an element was being handed around.
    #[cold]
    pub(crate) fn work_off(&self, pass: &mut Pass) {
        while self.fan.gate(pass) & gate::BUSY == 0 {
            let Some((x, lease)) = self.backlog.get(pass).pop_front() else {
                self.fan.open_gate(gate::QUEUED, pass);
                return;
            };
            pass.settle(lease, |pass| self.hand_around(x, pass));
        }
    }

    fn hand_around(&self, x: T, pass: &mut Pass) -> Flow {
        let (graph, id) = (pass.graph_ref(), self.id);
        let unwound = || graph.get().note_unwound(id);
        self.fan
            .run(pass, unwound, |(), pass| self.links.send_each(x, pass))
            .unwrap_or(Ok(()))
    }
}

impl<T: Element> Receive<T> for Output<T> {
    fn receive(&self, x: T, pass: &mut Pass) -> Flow {
        if self.fan.gate(pass) != 0 {
            let lease = pass.hold();
            self.backlog.get(pass).push_back((x, lease));
            self.fan.close_gate(gate::QUEUED, pass);
            return Ok(());
        }
        let flow = self.hand_around(x, pass);
        if self.fan.gate(pass) != 0 {
            self.work_off(pass);
        }
        flow
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        receive_each(self, xs, pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}

/// Hands a batch over one by one. A failure ends the way of its own element only.
pub(crate) fn receive_each<T>(to: &impl Receive<T>, xs: &mut Vec<T>, pass: &mut Pass) {
    for x in xs.drain(..) {
        if pass.catch(|pass| to.receive(x, pass)).is_err() {
            pass.keep_failure();
        }
    }
}
