//! The nodes of a run.

use std::sync::Arc;

use super::{Added, AnyRun, FusedPart};
use crate::failure::BoxError;
use crate::graph::cell::{Outlet, Receive};
use crate::graph::node::AnyNode;
use crate::graph::pass::Pass;
use crate::operator::{Element, EmitResult};

/// A node of a run, whatever its elements are.
pub(crate) trait Fusing: AnyNode {
    /// Whether it can be fused: it is on no cycle, nothing waits, and its policy permits it.
    fn may_fuse(&self, may_skip: bool, pass: &Pass) -> bool;
    /// Sets the run that it belongs to, or none.
    fn set_run(&self, run: Option<&Arc<dyn AnyRun>>, pass: &Pass);
    /// Adds elements that fused code has processed to its counters.
    fn add_progress(&self, added: Added, pass: &Pass);
    /// Marks it as running, or as sending an element to its downstreams; returns whether that has changed.
    fn begin_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Undoes that; returns whether elements have arrived meanwhile.
    fn end_work(&self, is_handing: bool, pass: &Pass) -> bool;
    /// Whether it is sending an element to its downstreams, or others wait for that.
    fn is_handing(&self, pass: &Pass) -> bool;
    /// Whether elements wait before or after it.
    fn has_waiting(&self, pass: &Pass) -> bool;
    /// Processes elements waiting before it.
    fn take_up(&self, pass: &mut Pass);
    /// Processes elements waiting after it.
    fn hand_on(&self, pass: &mut Pass);
}

/// A node of a run that passes elements to it.
pub(crate) trait Fusable<T>: Fusing {
    /// Applies the policy to an element that has been counted.
    fn fail_at(&self, element: T, cause: BoxError, pass: &mut Pass) -> EmitResult;
    /// Processes an element that arrives another way.
    fn take(&self, element: T, pass: &mut Pass) -> EmitResult;
    /// Processes an element that has been counted.
    fn take_counted(&self, element: T, pass: &mut Pass) -> EmitResult;
}

/// A node of a run.
pub(crate) enum Member<T: Element> {
    /// It takes elements of the run's type.
    Node(Arc<dyn Fusable<T>>),
    /// It has inlets of its own, or follows such a node: elements come to it by exits, or by itself.
    Join(Arc<dyn Fusing>),
    /// The first one, if it passes elements on by itself: it stands for the way to its downstreams.
    Fork(Outlet<T>),
}

impl<T: Element> Member<T> {
    /// A node, if it can be fused.
    pub(super) fn node(node: Arc<dyn AnyNode>, may_skip: bool, pass: &Pass) -> Option<Self> {
        let fusing = node.clone().fusing();
        if !fusing.may_fuse(may_skip, pass) {
            return None;
        }
        Some(match node.fusable().downcast::<Arc<dyn Fusable<T>>>() {
            Ok(node) => Self::Node(*node),
            Err(_) => Self::Join(fusing),
        })
    }

    /// The way behind a node, if nothing is on it.
    pub(super) fn fork(outlet: &Outlet<T>, part: &FusedPart, pass: &Pass) -> Option<Self> {
        let is_at_rest = outlet.id() == part.id && outlet.output().is_at_rest(pass);
        is_at_rest.then(|| Self::Fork(outlet.clone()))
    }

    pub(super) fn is_join(&self) -> bool {
        matches!(self, Self::Join(_))
    }

    fn fusing(&self) -> Option<&dyn Fusing> {
        match self {
            Self::Node(node) => Some(&**node),
            Self::Join(node) => Some(&**node),
            Self::Fork(_) => None,
        }
    }

    pub(super) fn set_run(&self, run: Option<&Arc<dyn AnyRun>>, pass: &Pass) {
        if let Some(node) = self.fusing() {
            node.set_run(run, pass);
        }
    }

    pub(super) fn fail_at(&self, element: T, cause: BoxError, pass: &mut Pass) -> EmitResult {
        match self {
            Self::Node(node) => node.fail_at(element, cause, pass),
            // Fused code calls no function of these.
            Self::Join(node) => {
                node.report(cause, pass);
                Ok(())
            }
            Self::Fork(fork) => {
                fork.report(cause, pass);
                Ok(())
            }
        }
    }

    /// Processes an element that arrives another way.
    pub(super) fn take(&self, element: T, pass: &mut Pass) -> EmitResult {
        match self {
            Self::Node(node) => node.take(element, pass),
            // It cannot be known at which of its inlets.
            Self::Join(node) => {
                let cause =
                    "fused code passed an element to a node with several inlets: use an exit";
                node.report(cause.into(), pass);
                Ok(())
            }
            Self::Fork(fork) => fork.output().receive(element, pass),
        }
    }

    /// Processes an element that has been counted.
    pub(super) fn take_counted(&self, element: T, pass: &mut Pass) -> EmitResult {
        match self {
            Self::Node(node) => node.take_counted(element, pass),
            other => other.take(element, pass),
        }
    }

    /// Adds elements to its counters, unless it counts them itself.
    pub(super) fn add_progress(&self, added: Added, pass: &Pass) {
        if let Some(node) = self.fusing() {
            node.add_progress(added, pass);
        }
    }

    pub(super) fn begin_work(&self, is_handing: bool, pass: &Pass) -> bool {
        match self {
            Self::Fork(fork) => is_handing && fork.output().set_handing(true, pass),
            other => other
                .fusing()
                .is_some_and(|node| node.begin_work(is_handing, pass)),
        }
    }

    pub(super) fn end_work(&self, is_handing: bool, pass: &Pass) -> bool {
        match self {
            Self::Fork(fork) => {
                fork.output().set_handing(false, pass);
                fork.output().backlog_len(pass) > 0
            }
            other => other
                .fusing()
                .is_some_and(|node| node.end_work(is_handing, pass)),
        }
    }

    pub(super) fn has_waiting(&self, pass: &Pass) -> bool {
        match self {
            Self::Fork(fork) => fork.output().backlog_len(pass) > 0,
            other => other.fusing().is_some_and(|node| node.has_waiting(pass)),
        }
    }

    pub(super) fn take_up(&self, pass: &mut Pass) {
        if let Some(node) = self.fusing() {
            node.take_up(pass);
        }
    }

    pub(super) fn hand_on(&self, pass: &mut Pass) {
        match self {
            Self::Fork(fork) => fork.output().drain_backlog(pass),
            other => {
                if let Some(node) = other.fusing() {
                    node.hand_on(pass);
                }
            }
        }
    }

    #[inline]
    pub(super) fn is_handing(&self, pass: &Pass) -> bool {
        match self {
            Self::Fork(fork) => !fork.output().is_at_rest(pass),
            other => other.fusing().is_some_and(|node| node.is_handing(pass)),
        }
    }

    pub(super) fn is_empty(&self, pass: &Pass) -> bool {
        let held = self.fusing().map(|node| node.held(pass));
        held.is_none_or(|held| held.in_flight == 0 && held.buffered == 0)
    }
}
