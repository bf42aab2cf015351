use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Wake;

use super::{Node, NodeKind};
use crate::graph::Graph;

/// Passes an event to a node: the action of a waker.
pub(super) struct Nudge<B: NodeKind> {
    graph: Weak<Graph>,
    node: Weak<Node<B>>,
    key: u64,
    event: fn() -> B::Event,
    /// Whether the runtime has been asked to pass it, and has not yet.
    is_pending: AtomicBool,
}

impl<B: NodeKind> Nudge<B> {
    pub(super) fn new(
        graph: Weak<Graph>,
        node: Weak<Node<B>>,
        key: u64,
        event: fn() -> B::Event,
    ) -> Self {
        Self {
            graph,
            node,
            key,
            event,
            is_pending: AtomicBool::new(false),
        }
    }
}

impl<B: NodeKind> Wake for Nudge<B> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.is_pending.swap(true, Ordering::AcqRel) {
            return;
        }
        let Some(graph) = self.graph.upgrade() else {
            return;
        };
        let arrival = Arrival::new(self.clone(), false);
        graph.root().spawn(Box::pin(async move { arrival.tell() }));
    }
}

/// A nudge in flight. If it is dropped earlier, its runtime has ended.
struct Arrival<B: NodeKind> {
    nudge: Option<Arc<Nudge<B>>>,
    /// Whether it is passed as an alarm, since those of some runtimes outlive them.
    is_alarm: bool,
}

impl<B: NodeKind> Arrival<B> {
    fn new(nudge: Arc<Nudge<B>>, is_alarm: bool) -> Self {
        let nudge = Some(nudge);
        Self { nudge, is_alarm }
    }

    fn tell(mut self) {
        let Some(nudge) = self.nudge.take() else {
            return;
        };
        nudge.is_pending.store(false, Ordering::Release);
        let (Some(graph), Some(node)) = (nudge.graph.upgrade(), nudge.node.upgrade()) else {
            return;
        };
        graph.deliver(Box::new(move |pass| {
            node.nudged(nudge.key, nudge.event, pass);
        }));
    }
}

impl<B: NodeKind> Drop for Arrival<B> {
    fn drop(&mut self) {
        let Some(nudge) = self.nudge.take() else {
            return;
        };
        let Some(graph) = nudge.graph.upgrade() else {
            return;
        };
        match graph.root().runtime() {
            Some(runtime) if !self.is_alarm => {
                let arrival = Self::new(nudge, true);
                runtime.wake_at(runtime.now(), Box::new(move || arrival.tell()));
            }
            _ => graph.post(Box::new(|pass| pass.graph().runtime_ended(pass))),
        }
    }
}
