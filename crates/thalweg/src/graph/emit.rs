//! Entry of an element into a graph.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::{Outlet, Start};
use super::completion::{Completion, Emit};
use super::monitor::Entry;
use super::pass::{Lease, Pass};
use super::state::Phase;
use super::{Access, Core, Graph, Inside, NodeId, detour, late, thread_state};
use crate::failure::{Error, Failure, Kind};
use crate::operator::{Element, EmitResult};

/// Kind of emitter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A user, who receives failures and is refused after a drain.
    Outside,
    /// A source of the pipeline, or a node.
    Source,
}

impl Graph {
    /// Sends an element from a node to those downstream.
    #[inline]
    pub(crate) fn emit<T: Element, S: Start<T>>(
        self: &Arc<Self>,
        node: &S,
        x: T,
        lease: Lease,
        origin: Origin,
    ) -> Emit {
        let me = thread_state::thread_id();
        if self.merged.get().is_none() && self.monitor.try_enter(me) == Entry::Entered {
            thread_state::enter();
            // The graph may have been merged just before we got in.
            let detours = self.detours.load(Ordering::Relaxed);
            if self.merged.get().is_none()
                && (detours == 0
                    || detours == detour::TIMED && self.timing.skips_one()
                    || self.pass_unseen(detours, 1, !lease.acks.is_none()))
            {
                return self.emit_inside(node, x, lease, origin, me);
            }
            self.leave(me, false);
        }
        self.emit_contended(node, x, lease, origin, false)
    }

    #[inline(always)]
    fn emit_inside<T: Element, S: Start<T>>(
        &self,
        node: &S,
        x: T,
        lease: Lease,
        origin: Origin,
        me: usize,
    ) -> Emit {
        // A clean pass has nothing to drop.
        let mut pass = ManuallyDrop::new(Pass::new(self, lease, false));
        let result = match catch_unwind(AssertUnwindSafe(|| node.send(x, &mut pass))) {
            Ok(result) => result,
            Err(payload) => pass.unwound(payload),
        };
        if result.is_ok()
            && pass.is_clean()
            && !self.attention.load(Ordering::Relaxed)
            && !thread_state::is_flagged()
            && self.monitor.leave_at_once(me)
        {
            thread_state::leave();
            return Emit::ready();
        }
        let inside = Inside::new(self, me);
        self.emitted(
            ManuallyDrop::into_inner(pass),
            result,
            origin,
            node.id(),
            inside,
        )
    }

    /// Ends an emission that left work to do.
    #[cold]
    #[inline(never)]
    fn emitted(
        &self,
        pass: Pass,
        result: EmitResult,
        origin: Origin,
        from: NodeId,
        _inside: Inside<'_>,
    ) -> Emit {
        // Dropped before the monitor is left.
        let mut pass = pass;
        let (failures, done) = pass.end(result, from);
        self.run_agenda();
        self.open_timed(&pass);
        let failures = if failures.is_empty() && done.is_none() && origin == Origin::Outside {
            Err(self.take_unhandled(&pass))
        } else {
            Ok(failures)
        };
        self.completion(failures, done)
    }

    /// The completion to return: of failures of this element (`Ok`) or of earlier ones (`Err`).
    fn completion(
        &self,
        failures: Result<Vec<Failure>, Vec<Failure>>,
        done: Option<Arc<Completion>>,
    ) -> Emit {
        let kind = match failures {
            Ok(failures) if !failures.is_empty() => Kind::Failed(failures),
            Err(earlier) if !earlier.is_empty() => Kind::Behind(earlier),
            _ => return done.map_or_else(Emit::ready, Emit::pending),
        };
        if let Some(done) = done {
            // Drops the completion: later failures are unhandled.
            drop(Emit::pending(done));
        }
        Emit::failed(Error::new(kind), self.weak())
    }

    pub(crate) fn take_unhandled(&self, pass: &Pass) -> Vec<Failure> {
        std::mem::take(&mut self.state.get(pass).unhandled)
    }

    /// Sends an element like [`emit`](Self::emit), by a thread that leaves everything else to the runtime.
    pub(crate) fn emit_as_guest<T: Element>(
        self: &Arc<Self>,
        node: &Outlet<T>,
        x: T,
        lease: Lease,
    ) -> Emit {
        self.emit_contended(node, x, lease, Origin::Outside, true)
    }

    /// Enters, as a guest or not, also if another thread is inside, or if the graph has been merged, or refuses.
    #[cold]
    #[inline(never)]
    fn emit_contended<T: Element, S: Start<T>>(
        self: &Arc<Self>,
        node: &S,
        x: T,
        lease: Lease,
        origin: Origin,
        is_guest: bool,
    ) -> Emit {
        let me = thread_state::thread_id();
        let root = match self.access(me, true) {
            Access::Within(root) => return root.emit_within(node, x, lease, origin),
            // A thread inside a monitor waits for no other.
            Access::Occupied(root) => {
                return root.emit_by_mail(node.clone(), x, lease, origin);
            }
            Access::GivenUp(root) => {
                lease.acks.fail();
                return Emit::failed(Error::new(Kind::Interrupted), root.weak());
            }
            Access::Entered(root) => root,
        };
        let guest = is_guest.then(|| Inside::as_guest(root, me));
        if guest.is_none() {
            root.run_deferred();
        }
        if let Some(error) = root.refused(origin, thread_state::is_nested()) {
            let _inside = guest.unwrap_or_else(|| Inside::new(root, me));
            lease.acks.fail();
            return Emit::failed(error, root.weak());
        }
        let lease = root.watch_if_due(lease, node.id());
        let Some(guest) = guest else {
            return root.emit_inside(node, x, lease, origin, me);
        };
        let mut pass = Pass::new(root, lease, false);
        let result = pass.catch(|pass| node.send(x, pass));
        root.emitted(pass, result, origin, node.id(), guest)
    }

    /// The reason to refuse an element, if there is one; `is_inside` if it comes from a pipeline's function.
    fn refused(&self, origin: Origin, is_inside: bool) -> Option<Error> {
        if self.detours.load(Ordering::Relaxed) & detour::REFUSES == 0 {
            return None;
        }
        let pass = Pass::new(self, Lease::default(), false);
        let refusal = self.refusal(origin, &pass)?;
        if refusal.is_closed() && self.takes_late(is_inside) {
            self.note_late(&pass);
            return None;
        }
        Some(refusal)
    }

    /// Records a late element: drained pipelines may have to be drained again.
    fn note_late(&self, pass: &Pass) {
        self.late.fetch_or(late::HAS_COME, Ordering::Relaxed);
        let mut state = self.state.get(pass);
        if let Phase::Closed = state.phase {
            state.phase = Phase::Draining;
        }
    }

    /// Emits from a function inside the graph.
    fn emit_within<T: Element, S: Start<T>>(
        &self,
        node: &S,
        x: T,
        lease: Lease,
        origin: Origin,
    ) -> Emit {
        // Elements that are inside already may circulate while the graph drains.
        match self.refused(origin, true) {
            Some(error) if !error.is_closed() => {
                lease.acks.fail();
                return Emit::failed(error, self.weak());
            }
            Some(_) => {
                self.late.fetch_or(late::HAS_COME, Ordering::Relaxed);
            }
            None => {}
        }
        thread_state::enter();
        let lease = self.watch_if_due(lease, node.id());
        let mut pass = Pass::new(self, lease, false);
        let result = self.amid_runs(&mut pass, |pass| pass.catch(|pass| node.send(x, pass)));
        let (failures, done) = pass.end(result, node.id());
        thread_state::leave();
        self.completion(Ok(failures), done)
    }

    /// Leaves the element to the thread inside.
    fn emit_by_mail<T: Element, S: Start<T>>(
        self: &Arc<Self>,
        node: S,
        x: T,
        lease: Lease,
        origin: Origin,
    ) -> Emit {
        let ticket = Completion::ticket(self.weak());
        let done = ticket.done().clone();
        done.began_at(node.id());
        let lease = Lease {
            done: Some(ticket),
            ..lease
        };
        self.post(Box::new(move |pass| {
            if let Some(error) = pass.graph().refused(origin, true) {
                lease.acks.fail();
                if let Some(ticket) = &lease.done {
                    ticket.done().refuse(error);
                }
                return;
            }
            pass.begin();
            let lease = pass.graph().watch_if_due(lease, node.id());
            pass.with_lease(lease, |pass| node.send(x, pass));
        }));
        Emit::pending(done)
    }

    /// Whether a batch may pass node by node: no node downstream can suspend or is on a cycle, so that none sees a
    /// difference.
    pub(crate) fn is_batchable(&self, pass: &Pass) -> bool {
        let mut state = self.state.get(pass);
        if let Some(is_batchable) = state.is_batchable {
            return is_batchable;
        }
        let is_batchable = state
            .nodes
            .values()
            .all(|node| !node.core().suspends() && !node.is_looped(pass));
        state.is_batchable = Some(is_batchable);
        is_batchable
    }

    /// Records that a node that might not suspend keeps an element while its emitter waits: from now on elements arrive
    /// one by one.
    #[cold]
    pub(crate) fn begin_to_suspend(&self, node: &Core, pass: &Pass) {
        if node.begin_to_suspend() {
            self.state.get(pass).is_batchable = Some(false);
            pass.stop_batches();
        }
    }

    /// Sends a batch, if it may pass as one; returns it if not.
    pub(crate) fn emit_batch<T: Element>(
        self: &Arc<Self>,
        node: &Outlet<T>,
        batch: &mut Vec<T>,
        origin: Origin,
    ) -> Option<Emit> {
        self.emit_at_once(node, batch.len(), origin, |_| {
            Some(|pass: &mut Pass| {
                node.output().send_many(batch, pass);
                batch.clear();
            })
        })
    }

    /// Sends a host batch, if all of it goes to one receiver that accepts it; returns also how many elements at its end
    /// are left.
    pub(crate) fn emit_host_batch<T: Element>(
        self: &Arc<Self>,
        node: &Outlet<T>,
        batch: &mut dyn Any,
        len: usize,
        origin: Origin,
    ) -> Option<(Emit, usize)> {
        let mut left = 0;
        let rest = &mut left;
        let emit = self.emit_at_once(node, len, origin, |pass| {
            let receiver = node.output().receiver_of(batch, pass)?;
            Some(move |pass: &mut Pass| {
                node.output().count(len as u64);
                *rest = receiver.receive_host_batch(batch, pass);
                node.output().discount(*rest as u64);
            })
        })?;
        Some((emit, left))
    }

    /// Sends `len` elements prepared by `prepare`, if they may pass as one batch.
    fn emit_at_once<T: Element, F: FnOnce(&mut Pass)>(
        self: &Arc<Self>,
        node: &Outlet<T>,
        len: usize,
        origin: Origin,
        prepare: impl FnOnce(&Pass) -> Option<F>,
    ) -> Option<Emit> {
        let me = thread_state::thread_id();
        let root = self.root();
        let root = if root.monitor.try_enter(me) == Entry::Entered {
            thread_state::enter();
            root
        } else if !thread_state::is_inside()
            && let Access::Entered(root) = self.access(me, true)
        {
            root.run_deferred();
            root
        } else {
            return None;
        };
        let detours = root.detours.load(Ordering::Relaxed);
        let has_detour = detours != 0 && !root.pass_unseen(detours, len, false);
        let mut pass = Pass::new(root, Lease::default(), false);
        let may_pass = root.merged.get().is_none() && !has_detour && root.is_batchable(&pass);
        let send = if may_pass { prepare(&pass) } else { None };
        let Some(send) = send else {
            root.leave(me, false);
            return None;
        };
        let result = pass.catch(|pass| {
            send(pass);
            Ok(())
        });
        let emit = root.emitted(pass, result, origin, node.id(), Inside::new(root, me));
        Some(emit)
    }
}

impl Pass {
    /// End of an emission: failures, and the completion if the element is still held.
    fn end(&mut self, result: EmitResult, from: NodeId) -> (Vec<Failure>, Option<Arc<Completion>>) {
        self.adopt_waited();
        let mut failures = self.take_failures();
        if result.is_err() {
            failures.extend(self.take_failure());
        }
        let lease = std::mem::take(&mut self.lease);
        if !failures.is_empty() {
            lease.acks.fail();
        }
        let done = lease.done.as_ref().map(|ticket| ticket.done().clone());
        if let Some(done) = &done {
            done.began_at(from);
        }
        (failures, done)
    }
}
