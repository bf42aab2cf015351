use std::any::Any;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::{AtWork, Door, Fused, FusedContext, Member, Progress};
use crate::graph::cell::{Link, Slot};
use crate::graph::output::Edge;
use crate::graph::pass::{Lease, Pass};
use crate::operator::{Element, EmitResult};

/// Fused nodes, whatever their element type.
pub(crate) trait AnyRun: Send + Sync {
    /// Gives the nodes back their edges.
    fn end(&self, pass: &Pass);
    /// Updates the nodes' counters.
    fn settle(&self, pass: &Pass);
    /// Sends what it holds in the middle of an element to where others join it, if it is running.
    fn let_go(&self, pass: &mut Pass);
    /// Whether it has nodes that suspend, and take no batches by themselves.
    fn has_joins(&self) -> bool;
    /// Ends a batch after the current element, if it is running.
    fn stop(&self);
    /// Marks the active nodes, if it is running; returns those it has marked.
    fn mark(&self, pass: &Pass) -> Option<AtWork>;
    fn unmark(&self, marks: AtWork, pass: &Pass);
    /// A node processes an element by itself, until [`leave`](Self::leave): elements that arrive by the edges meanwhile
    /// do so as well.
    fn enter(&self);
    fn leave(&self);
}

pub(crate) struct Run<T: Element> {
    /// Number of nodes processing elements by themselves, plus one if the body is running: then arriving elements go to
    /// the nodes.
    occupied: AtomicUsize,
    /// Whether elements have arrived at nodes while the body was running.
    has_left: AtomicBool,
    pub(super) body: Box<dyn Fused<T>>,
    pub(super) exits: Vec<Link<T>>,
    pub(super) members: Vec<Member<T>>,
    doors: Vec<Door<T>>,
    is_running: AtomicBool,
    has_joins: bool,
    /// Indices of the nodes with several downstreams. If one of them is sending to them by itself, other elements wait
    /// for their turn there.
    fans: Vec<usize>,
    counted: Slot<Vec<Progress>>,
    me: Weak<Self>,
}

/// The scope in which the body is running. Ends by a drop, because a node behind an exit may panic.
struct Running<'a, T: Element>(&'a Run<T>);

impl<'a, T: Element> Running<'a, T> {
    #[inline(always)]
    fn begin(run: &'a Run<T>) -> Self {
        run.occupied.store(1, Ordering::Relaxed);
        run.is_running.store(true, Ordering::Relaxed);
        Self(run)
    }
}

impl<T: Element> Drop for Running<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.0.is_running.store(false, Ordering::Relaxed);
        self.0.occupied.store(0, Ordering::Relaxed);
    }
}

impl<T: Element> Run<T> {
    pub(super) fn new(
        members: Vec<Member<T>>,
        fans: Vec<usize>,
        exits: Vec<Link<T>>,
        doors: Vec<Door<T>>,
        body: Box<dyn Fused<T>>,
    ) -> Arc<Self> {
        let counted = Slot::new(body.progress());
        let has_joins = members.iter().any(Member::is_join);
        Arc::new_cyclic(|me| Self {
            occupied: AtomicUsize::new(0),
            has_left: AtomicBool::new(false),
            body,
            exits,
            members,
            doors,
            is_running: AtomicBool::new(false),
            has_joins,
            fans,
            counted,
            me: me.clone(),
        })
    }

    /// Replaces the ways in.
    pub(super) fn begin(&self, pass: &Pass) {
        let Some(me) = self.me.upgrade() else {
            return;
        };
        for door in &self.doors {
            door.open(&me, pass);
        }
        let run: Arc<dyn AnyRun> = me;
        for member in &self.members {
            member.set_run(Some(&run), pass);
        }
    }

    #[inline]
    pub(super) fn receive(&self, x: T, around: &Edge<T>, pass: &mut Pass) -> EmitResult {
        if self.leaves_out(pass) || pass.is_watched() {
            return around.receive(x, pass);
        }
        let running = Running::begin(self);
        let result = self.body.run(
            x,
            &mut FusedContext {
                run: self,
                pass,
                left: 0,
            },
        );
        drop(running);
        if self.has_left.load(Ordering::Relaxed) {
            self.take_up_all(pass);
        }
        result
    }

    pub(super) fn receive_many(&self, xs: &mut Vec<T>, around: &Edge<T>, pass: &mut Pass) {
        if self.leaves_out(pass) {
            return around.receive_many(xs, pass);
        }
        self.with_body(pass, |body, cx| body.run_many(xs, cx));
    }

    /// Whether an element goes to the nodes themselves. What is held for a join does not keep its tokens.
    #[inline(always)]
    fn leaves_out(&self, pass: &Pass) -> bool {
        self.is_occupied(pass) || self.has_joins && !pass.lease.acks.is_none()
    }

    /// Whether the body is running, or nodes are at work by themselves.
    #[inline(always)]
    fn is_occupied(&self, pass: &Pass) -> bool {
        let is_handing = |fan: &usize| self.members[*fan].is_handing(pass);
        self.occupied.load(Ordering::Relaxed) != 0 || self.fans.iter().any(is_handing)
    }

    /// Whether its body accepts a host batch, and is not running.
    pub(super) fn takes(&self, batch: &dyn Any, pass: &Pass) -> bool {
        !self.is_occupied(pass) && self.body.takes(batch)
    }

    /// Returns the number of elements that the body has left.
    pub(super) fn with_body(
        &self,
        pass: &mut Pass,
        f: impl FnOnce(&dyn Fused<T>, &mut FusedContext<'_, T>),
    ) -> usize {
        let running = Running::begin(self);
        let mut cx = FusedContext {
            run: self,
            pass,
            left: 0,
        };
        f(&*self.body, &mut cx);
        let left = cx.left;
        drop(running);
        if self.has_left.load(Ordering::Relaxed) {
            self.take_up_all(pass);
        }
        left
    }

    /// Runs `f` with no node active here.
    #[inline(always)]
    pub(super) fn pause<R>(&self, pass: &mut Pass, f: impl FnOnce(&mut Pass) -> R) -> R {
        struct Pause<'a, T: Element>(&'a Run<T>);

        impl<T: Element> Drop for Pause<'_, T> {
            fn drop(&mut self) {
                let _running = std::mem::ManuallyDrop::new(Running::begin(self.0));
            }
        }

        self.is_running.store(false, Ordering::Relaxed);
        self.occupied.store(0, Ordering::Relaxed);
        let _pause = Pause(self);
        f(pass)
    }

    #[cold]
    fn take_up_all(&self, pass: &mut Pass) {
        self.has_left.store(false, Ordering::Relaxed);
        self.take_up(0..self.members.len(), None, pass);
    }

    /// Processes elements that arrived at nodes, and downstream of `node`, while these were active, innermost first.
    /// Returns whether elements wait at other nodes.
    pub(super) fn take_up(
        &self,
        nodes: Range<usize>,
        node: Option<usize>,
        pass: &mut Pass,
    ) -> bool {
        self.enter();
        for member in self.members[nodes].iter().rev() {
            member.hand_on(pass);
            member.take_up(pass);
        }
        if let Some(node) = node {
            self.members[node].hand_on(pass);
        }
        self.leave();
        self.members.iter().any(|member| member.has_waiting(pass))
    }

    /// Updates the nodes' counters.
    pub(super) fn settle(&self, pass: &Pass) {
        let now = self.body.progress();
        let before = std::mem::replace(&mut *self.counted.get(pass), now.clone());
        for ((member, now), before) in self.members.iter().zip(now).zip(before) {
            member.add_progress(now.since(before), pass);
        }
    }
}

impl<T: Element> AnyRun for Run<T> {
    fn end(&self, pass: &Pass) {
        Run::settle(self, pass);
        self.body.set_aside();
        for door in &self.doors {
            door.close(pass);
        }
        for member in &self.members {
            member.set_run(None, pass);
        }
    }

    fn settle(&self, pass: &Pass) {
        Run::settle(self, pass);
    }

    fn let_go(&self, pass: &mut Pass) {
        if !self.is_running.load(Ordering::Relaxed) {
            return;
        }
        for (exit, x) in self.body.let_go() {
            // They have no tokens, and room is there.
            pass.with_lease(Lease::default(), |pass| self.exits[exit].send(x, pass));
        }
    }

    fn has_joins(&self) -> bool {
        self.has_joins
    }

    fn stop(&self) {
        if self.is_running.load(Ordering::Relaxed) {
            self.body.stop();
        }
    }

    fn mark(&self, pass: &Pass) -> Option<AtWork> {
        if !self.is_running.load(Ordering::Relaxed) {
            return None;
        }
        let AtWork {
            busy,
            handing_around,
        } = self.body.at_work();
        let news = |nodes: Vec<usize>, is_handing| {
            let begin = |node: &usize| self.members[*node].begin_work(is_handing, pass);
            nodes.into_iter().filter(begin).collect()
        };
        Some(AtWork {
            busy: news(busy, false),
            handing_around: news(handing_around, true),
        })
    }

    fn unmark(&self, marks: AtWork, pass: &Pass) {
        let end = |nodes: Vec<usize>, is_handing| {
            for node in nodes {
                if self.members[node].end_work(is_handing, pass) {
                    self.has_left.store(true, Ordering::Relaxed);
                    self.body.set_aside();
                }
            }
        };
        end(marks.busy, false);
        end(marks.handing_around, true);
    }

    fn enter(&self) {
        if self.is_running.load(Ordering::Relaxed) {
            self.has_left.store(true, Ordering::Relaxed);
        }
        self.body.set_aside();
        self.occupied.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.occupied.fetch_sub(1, Ordering::Relaxed);
    }
}
