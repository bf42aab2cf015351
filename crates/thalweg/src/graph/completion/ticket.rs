//! A share in the completion of an element, owned by each holder of the element.

use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use super::super::Delivery;
use super::super::node::AnyNode;
use super::{Completion, Then};
use crate::sync::lock;

/// A share in holding an element; the last one dropped completes its emission.
pub(crate) struct Ticket {
    done: Arc<Completion>,
    /// Whether its holder has room for another element.
    admitted: bool,
}

impl Clone for Ticket {
    fn clone(&self) -> Self {
        Self::share(&self.done)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.done.holders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.finish();
        } else if !self.admitted {
            self.done.has_room();
        }
    }
}

impl Ticket {
    /// The share of the holder counted by a new completion.
    pub(super) fn first(done: Arc<Completion>) -> Self {
        Self {
            done,
            admitted: false,
        }
    }

    /// Creates another share.
    pub(super) fn share(done: &Arc<Completion>) -> Self {
        done.holders.fetch_add(1, Ordering::Relaxed);
        done.full.fetch_add(1, Ordering::Relaxed);
        Self {
            done: done.clone(),
            admitted: false,
        }
    }

    pub(crate) fn done(&self) -> &Arc<Completion> {
        &self.done
    }

    /// Notes that the holder has room for another element.
    pub(crate) fn admit(&mut self) {
        if !mem::replace(&mut self.admitted, true) {
            self.done.has_room();
        }
    }

    pub(crate) fn is_admitted(&self) -> bool {
        self.admitted
    }

    /// Releases this share. If others still hold the element without room for another, `node` is told when they have.
    /// Nobody waits for the element: failures go to the graph.
    pub(crate) fn tell(self, node: Weak<dyn AnyNode>) -> Delivery {
        let mut state = lock(&self.done.state);
        state.abandoned = true;
        // No other share can be created now: that happens inside the monitor, where we are.
        let pending = self.done.full.load(Ordering::Acquire) > 1;
        if pending {
            state.then.push(Then::Tell(node));
        }
        let failures = mem::take(&mut state.failures);
        drop(state);
        self.done.report(failures);
        if pending {
            Delivery::Pending
        } else {
            Delivery::Taken
        }
    }

    /// Releases this share, of an element that was made of another, for which `emitter` waits: that one receives
    /// failures, and waits for this one. If others still hold the element, `node` is told when they no longer do.
    pub(crate) fn hand_over(self, emitter: Ticket, node: Weak<dyn AnyNode>) -> Delivery {
        if self.done.holders.load(Ordering::Acquire) == 1 {
            self.done.release_after(emitter);
            return Delivery::Taken;
        }
        let mut state = lock(&self.done.state);
        state.then.push(Then::Tell(node));
        state.then.push(Then::Release(emitter));
        Delivery::Pending
    }
}
