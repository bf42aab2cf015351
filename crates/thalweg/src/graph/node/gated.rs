//! Elements that find the gate of a node closed.

use super::{Node, NodeKind, Pass, gate};
use crate::ack::{Ack, Acks};
use crate::graph::latency::Born;
use crate::graph::pass::Lease;
use crate::graph::thread_state;
use crate::operator::EmitResult;
use crate::trace::{Traced, TracedNode, Visit};

impl<B: NodeKind> Node<B> {
    /// An element that may not pass directly.
    #[cold]
    #[inline(never)]
    pub(super) fn receive_gated(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        let gate = self.cell.gate(pass);
        if gate & gate::TIMED == 0 {
            return self.receive_closed(x, pass);
        }
        if pass.is_watched() {
            return self.receive_watched(x, pass);
        }
        if gate != gate::TIMED {
            return self.receive_closed(x, pass);
        }
        self.cell.count(1, pass);
        B::accept(self, x, pass)
    }

    /// Begins the visit of an element with a lease, if it is traced; it ends when the result is dropped.
    pub(crate) fn visit(&self, lease: &Lease) -> Option<Visit> {
        if lease.acks.is_none() {
            return None;
        }
        let traced = lease.acks.payloads::<Traced>().last()?;
        let (name, kind) = (self.core.name(), self.core.kind());
        Visit::begin(traced, &TracedNode::new(&name, self.id(), kind))
    }

    /// An element that is timed or traced.
    fn receive_watched(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        let _visit = self.visit(&pass.lease);
        match pass.born() {
            Some(born) => {
                self.keep_if_asked(&x, pass);
                self.receive_timed(x, born, pass)
            }
            None => self.receive_closed(x, pass),
        }
    }

    /// Keeps an element among the newest, if requested.
    fn keep_if_asked(&self, x: &B::In, pass: &Pass) {
        let limit = pass.graph().kept_elements();
        if limit > 0 {
            let gone = self.recovery.get(pass).keep_recent(x.clone(), limit);
            // Dropping it may run anything.
            drop(gone);
        }
    }

    /// An element whose latency is recorded: on arrival, or when a node without outputs is done with it.
    fn receive_timed(&self, x: B::In, born: Born, pass: &mut Pass) -> EmitResult {
        if !self.core.is_sink && !self.output.leads_nowhere(pass) {
            self.core.note_latency(born.age());
            return self.receive_closed(x, pass);
        }
        let me = self.weak();
        let done = Ack::new(move |_| {
            if let Some(me) = me.upgrade() {
                me.core().note_latency(born.age());
            }
        });
        let outer = pass.lease.acks.clone();
        pass.lease.acks = Acks::merge([&outer, &done.into()]);
        let result = self.receive_closed(x, pass);
        pass.lease.acks = outer;
        result
    }

    fn receive_closed(&self, x: B::In, pass: &mut Pass) -> EmitResult {
        const OCCUPIED: u64 = gate::BUSY | gate::PASSING | gate::QUEUED | gate::RETRYING;
        let gate = self.cell.gate(pass);
        let is_fused = gate & gate::FUSED != 0;
        let is_too_steep = gate & OCCUPIED == 0 && !is_fused && self.is_too_steep(pass);
        if gate & OCCUPIED != 0 || is_too_steep {
            let lease = pass.hold();
            self.recovery.get(pass).backlog.push_back((x, lease));
            self.cell.close_gate(gate::QUEUED, pass);
            self.note_in_flight(pass);
            if is_too_steep && let Some(me) = self.strong() {
                pass.graph().schedule(me, pass);
            }
            return Ok(());
        }
        self.cell.count(1, pass);
        if gate & !gate::TIMED == gate::STEEP {
            return B::accept(self, x, pass);
        }
        let run = is_fused.then(|| self.recovery.get(pass).run()).flatten();
        if let Some(run) = &run {
            run.enter();
        }
        let result = self.process(x, pass);
        self.drain_backlog(pass);
        if let Some(run) = run {
            run.leave();
        }
        result
    }

    /// Whether the calls so far are nested so deeply that the element continues later, from the agenda.
    pub(super) fn is_too_steep(&self, pass: &Pass) -> bool {
        self.cell.gate(pass) & gate::STEEP != 0 && thread_state::is_steep(pass)
    }
}
