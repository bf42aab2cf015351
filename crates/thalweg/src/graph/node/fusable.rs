//! A node that runs as one with others.

use std::sync::Arc;

use super::{Node, NodeKind, Pass, gate};
use crate::failure::BoxError;
use crate::graph::cell::Receive;
use crate::graph::fusion::{Added, AnyRun, Fusable, Fusing};
use crate::operator::EmitResult;

impl<B: NodeKind> Node<B> {
    /// Adds the elements that fused code has processed to the counters.
    pub(super) fn settle_run(&self, pass: &Pass) {
        if self.cell.gate(pass) & gate::FUSED == 0 {
            return;
        }
        let run = self.recovery.get(pass).run();
        if let Some(run) = run {
            run.settle(pass);
        }
    }
}

impl<B: NodeKind> Fusing for Node<B> {
    fn may_fuse(&self, may_skip: bool, pass: &Pass) -> bool {
        let gate = self.cell.gate(pass);
        let open = gate::STEEP | gate::TIMED | if may_skip { gate::GUARDED } else { 0 };
        gate & !open == 0 && !self.recovery.get(pass).retries()
    }

    fn set_run(&self, run: Option<&Arc<dyn AnyRun>>, pass: &Pass) {
        match run {
            Some(_) => self.cell.close_gate(gate::FUSED, pass),
            None => self.cell.open_gate(gate::FUSED, pass),
        }
        self.core.set_fused(run.is_some());
        self.recovery.get(pass).set_run(run.map(Arc::downgrade));
    }

    fn add_progress(&self, added: Added, pass: &Pass) {
        self.cell.count(added.received, pass);
        if B::PASSES_ON {
            self.dropped.add(added.dropped);
        } else {
            self.output.count(added.made);
        }
    }

    fn begin_work(&self, is_handing: bool, pass: &Pass) -> bool {
        if is_handing {
            return self.output.set_handing(true, pass);
        }
        let is_news = self.cell.gate(pass) & gate::BUSY == 0;
        self.cell.close_gate(gate::BUSY, pass);
        is_news
    }

    fn end_work(&self, is_handing: bool, pass: &Pass) -> bool {
        if is_handing {
            self.output.set_handing(false, pass);
            return self.output.backlog_len(pass) > 0;
        }
        self.cell.open_gate(gate::BUSY, pass);
        self.is_queued(pass)
    }

    fn has_waiting(&self, pass: &Pass) -> bool {
        self.is_queued(pass) || self.output.backlog_len(pass) > 0
    }

    fn is_handing(&self, pass: &Pass) -> bool {
        !self.output.is_at_rest(pass)
    }

    fn take_up(&self, pass: &mut Pass) {
        if self.is_queued(pass) {
            self.drain_backlog(pass);
        }
    }

    fn hand_on(&self, pass: &mut Pass) {
        self.output.drain_backlog(pass);
    }
}

impl<B: NodeKind> Fusable<B::In> for Node<B> {
    fn fail_at(&self, element: B::In, cause: BoxError, pass: &mut Pass) -> EmitResult {
        self.fail(Some(element), cause, pass)
    }

    fn take(&self, element: B::In, pass: &mut Pass) -> EmitResult {
        self.receive(element, pass)
    }

    fn take_counted(&self, element: B::In, pass: &mut Pass) -> EmitResult {
        let result = self.process(element, pass);
        self.drain_backlog(pass);
        result
    }
}
