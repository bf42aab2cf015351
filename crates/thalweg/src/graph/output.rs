//! Destinations of a node's elements.

use std::any::Any;
use std::cell::RefMut;
use std::collections::VecDeque;
use std::sync::Arc;

use super::cell::{Link, Links, OpCell, Receive, Slot, gate};
use super::counter::Counter;
use super::neighbours::Neighbours;
use super::node::{Cut, NodeId};
use super::pass::{Lease, Pass};
use crate::operator::{Element, EmitResult};

/// Reference of an edge that keeps its downstream node alive.
pub(crate) type Edge<T> = Arc<dyn Receive<T>>;

/// The outgoing side of a node. It is the receiver of its own fan-out: a node with several downstreams sends to its
/// output, which passes on to each in turn.
///
/// Laid out in this order, so that what the hot path touches shares cache lines.
#[repr(C)]
pub(crate) struct Output<T> {
    links: Links<T>,
    sent: Counter,
    id: NodeId,
    fan: OpCell<()>,
    edges: Slot<Neighbours<Edge<T>>>,
    /// Receives all elements instead of the downstreams, if there are several.
    detour: Slot<Option<Edge<T>>>,
    /// Elements that arrived while an earlier one was being passed to the downstreams.
    backlog: Slot<VecDeque<(T, Lease)>>,
    /// The batch of `emit_many` in flight, kept for its memory.
    spare: Slot<Vec<T>>,
}

impl<T: Element> Output<T> {
    pub(crate) fn new(id: NodeId) -> Self {
        Self {
            links: Links::new(),
            sent: Counter::default(),
            id,
            fan: OpCell::new(()),
            edges: Slot::new(Neighbours::default()),
            detour: Slot::new(None),
            backlog: Slot::new(VecDeque::new()),
            spare: Slot::new(Vec::new()),
        }
    }

    #[inline(always)]
    pub(crate) fn send(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.sent.add(1);
        self.links.send(x, pass)
    }

    /// Sends the output of a transform for an element already counted.
    #[inline(always)]
    pub(crate) fn pass_on(&self, x: T, pass: &mut Pass) -> EmitResult {
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

    /// The receiver of all elements, if it accepts a host batch.
    pub(crate) fn receiver_of(&self, batch: &dyn Any, pass: &Pass) -> Option<Edge<T>> {
        let edges = self.edges.get(pass);
        let mut receivers = edges.iter();
        let only = match (receivers.next(), receivers.next()) {
            (Some((_, only)), None) => only.clone(),
            _ => self.detour.get(pass).clone()?,
        };
        only.takes(batch, pass).then_some(only)
    }

    /// Where elements for several downstreams go.
    fn fan(&self, pass: &Pass) -> Link<T> {
        match &*self.detour.get(pass) {
            Some(detour) => detour.link(),
            None => Link::to(self),
        }
    }

    /// Sends all elements to another receiver if there are several downstreams, or to these again.
    pub(crate) fn set_detour(&self, detour: Option<Edge<T>>, pass: &Pass) {
        let old = std::mem::replace(&mut *self.detour.get(pass), detour);
        self.links.change(self.fan(pass), pass, |_| ());
        drop(old);
    }

    /// Counts elements that have been sent another way.
    pub(crate) fn count(&self, elements: u64) {
        self.sent.add(elements);
    }

    /// Undoes that for elements that are sent later.
    pub(crate) fn discount(&self, elements: u64) {
        self.sent.take_back(elements);
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

    /// The edges, valid until one changes.
    pub(crate) fn edges<'a>(&'a self, pass: &'a Pass) -> RefMut<'a, Neighbours<Edge<T>>> {
        self.edges.get(pass)
    }

    /// Adds an edge after the others.
    pub(crate) fn connect(&self, to: NodeId, receiver: Edge<T>, pass: &Pass) {
        let link = receiver.link();
        self.edges.get(pass).push(to, receiver);
        self.links
            .change(self.fan(pass), pass, |links| links.push(link));
    }

    /// Removes the edges to one node, or all.
    pub(crate) fn cut(&self, to: Option<NodeId>, cut: &mut Cut, pass: &Pass) {
        let mut edges = self.edges.get(pass);
        let fan = self.fan(pass);
        let mut keep = |edges: Vec<Edge<T>>| {
            if !edges.is_empty() {
                cut.gone.push(Box::new(edges));
            }
        };
        let Some(to) = to else {
            self.links.change(fan, pass, |links| links.clear());
            // It refers to this node.
            keep(self.detour.get(pass).take().into_iter().collect());
            return keep(edges.take());
        };
        let mut holes = Vec::new();
        let (gone, is_moved) = edges.remove(to, |at| holes.push(at));
        self.links.change(fan, pass, |links| {
            if is_moved {
                *links = edges.iter().map(|(_, edge)| edge.link()).collect();
            } else {
                holes.into_iter().for_each(|at| links[at] = Link::nowhere());
            }
        });
        keep(gone);
        cut.has_moved |= is_moved;
    }

    /// Makes elements end on the edges to one node.
    pub(crate) fn mute(&self, to: NodeId, pass: &Pass) {
        let mut edges = self.edges.get(pass);
        edges
            .edges_mut(to)
            .for_each(|edge| *edge = Arc::new(Nowhere(0)));
        self.links.change(self.fan(pass), pass, |links| {
            edges.close_up();
            *links = edges.iter().map(|(_, edge)| edge.link()).collect();
        });
    }

    /// Replaces the edge to a node by another one to it.
    pub(crate) fn set_edge(&self, to: NodeId, edge: Edge<T>, pass: &Pass) {
        let mut edges = self.edges.get(pass);
        let old = edges
            .edges_mut(to)
            .next()
            .map(|old| std::mem::replace(old, edge));
        self.links.change(self.fan(pass), pass, |links| {
            edges.close_up();
            *links = edges.iter().map(|(_, edge)| edge.link()).collect();
        });
        drop(edges);
        drop(old);
    }

    /// Whether nothing is being passed to several downstreams, or waits for that.
    pub(crate) fn is_at_rest(&self, pass: &Pass) -> bool {
        self.fan.gate(pass) == 0
    }

    /// Marks an element as being passed to the downstreams, or not; returns whether the flag has changed.
    pub(crate) fn set_handing(&self, is_handing: bool, pass: &Pass) -> bool {
        let was_handing = self.fan.gate(pass) & gate::BUSY != 0;
        if is_handing {
            self.fan.close_gate(gate::BUSY, pass);
        } else {
            self.fan.open_gate(gate::BUSY, pass);
        }
        was_handing != is_handing
    }

    /// Moves the edges to one node before the others; returns whether there are any.
    pub(crate) fn move_to_first(&self, to: NodeId, pass: &Pass) -> bool {
        let mut edges = self.edges.get(pass);
        if !edges.contains(to) {
            return false;
        }
        edges.move_to_first(to);
        self.links.change(self.fan(pass), pass, |links| {
            *links = edges.iter().map(|(_, edge)| edge.link()).collect();
        });
        true
    }

    pub(crate) fn leads_nowhere(&self, pass: &Pass) -> bool {
        self.edges.get(pass).is_empty()
    }

    /// Visits the elements that wait for their turn.
    pub(crate) fn traverse(&self, visit: &mut dyn FnMut(&dyn Any), pass: &Pass) {
        self.backlog.get(pass).iter().for_each(|(x, _)| visit(x));
    }

    /// Drops elements that wait here and whose emitters have given up.
    pub(crate) fn withdraw(&self, pass: &Pass) {
        let backlog = std::mem::take(&mut *self.backlog.get(pass));
        let kept = backlog.into_iter().filter(|(_, lease)| lease.stays());
        let kept = kept.collect();
        *self.backlog.get(pass) = kept;
    }

    pub(crate) fn backlog_len(&self, pass: &Pass) -> usize {
        self.backlog.get(pass).len()
    }

    /// Sends the elements that arrived while another was being passed to the downstreams.
    #[cold]
    pub(crate) fn drain_backlog(&self, pass: &mut Pass) {
        while self.fan.gate(pass) & gate::BUSY == 0 {
            let Some((x, lease)) = self.backlog.get(pass).pop_front() else {
                self.fan.open_gate(gate::QUEUED, pass);
                return;
            };
            pass.with_lease(lease, |pass| self.hand_around(x, pass));
        }
    }

    fn hand_around(&self, x: T, pass: &mut Pass) -> EmitResult {
        let (graph, id) = (pass.graph_ref(), self.id);
        let unwound = || graph.get().note_unwound(id);
        self.fan
            .run(pass, unwound, |(), pass| self.links.send_each(x, pass))
            .unwrap_or(Ok(()))
    }
}

impl<T: Element> Receive<T> for Output<T> {
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        if self.fan.gate(pass) != 0 {
            let lease = pass.hold();
            self.backlog.get(pass).push_back((x, lease));
            if let Some(node) = pass.graph().node(self.id, pass) {
                pass.graph().note_in_flight(node.core(), pass);
            }
            self.fan.close_gate(gate::QUEUED, pass);
            return Ok(());
        }
        let result = self.hand_around(x, pass);
        if self.fan.gate(pass) != 0 {
            self.drain_backlog(pass);
        }
        result
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        receive_each(self, xs, pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}

/// End of elements that would close a cycle. It has an address, for a link to it.
struct Nowhere(#[expect(dead_code, reason = "for its address")] u8);

impl<T> Receive<T> for Nowhere {
    fn receive(&self, _: T, _: &mut Pass) -> EmitResult {
        Ok(())
    }

    fn receive_many(&self, xs: &mut Vec<T>, _: &mut Pass) {
        xs.clear();
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}

/// Sends a batch one by one. A failure ends the way of its own element only.
pub(crate) fn receive_each<T>(to: &impl Receive<T>, xs: &mut Vec<T>, pass: &mut Pass) {
    for x in xs.drain(..) {
        if pass.catch(|pass| to.receive(x, pass)).is_err() {
            pass.keep_failure();
        }
    }
}
