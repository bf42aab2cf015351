//! The ways into a run.

use std::any::Any;
use std::sync::Arc;

use super::Run;
use crate::graph::cell::{Link, Outlet, Receive};
use crate::graph::node::{AnyNode, NodeId};
use crate::graph::output::Edge;
use crate::graph::pass::Pass;
use crate::operator::{Element, EmitResult};

/// A way into a run, which the run replaces.
pub(crate) struct Door<T: Element> {
    place: Place<T>,
    /// Where elements go that do not enter.
    around: Edge<T>,
}

enum Place<T> {
    /// The edge from a node to the first one of the run.
    Between(Arc<dyn AnyNode>, NodeId),
    /// All edges of a node.
    Behind(Outlet<T>),
}

impl<T: Element> Door<T> {
    /// The edge between two nodes, if there is one of this type.
    pub(super) fn between(from: Arc<dyn AnyNode>, to: NodeId, pass: &Pass) -> Option<Self> {
        let around = from.edge(to, pass)?.downcast_ref::<Edge<T>>()?.clone();
        let place = Place::Between(from, to);
        Some(Self { place, around })
    }

    /// All edges of a node.
    pub(super) fn behind(fork: &Outlet<T>) -> Self {
        Self {
            place: Place::Behind(fork.clone()),
            around: Arc::new(Fan(fork.clone())),
        }
    }

    pub(super) fn open(&self, run: &Arc<Run<T>>, pass: &Pass) {
        let edge: Edge<T> = Arc::new(FusedEdge {
            run: run.clone(),
            around: self.around.clone(),
        });
        match &self.place {
            Place::Between(from, to) => from.set_edge(*to, Box::new(edge), pass),
            Place::Behind(fork) => fork.output().set_detour(Some(edge), pass),
        }
    }

    pub(super) fn close(&self, pass: &Pass) {
        match &self.place {
            Place::Between(from, to) => from.set_edge(*to, Box::new(self.around.clone()), pass),
            Place::Behind(fork) => fork.output().set_detour(None, pass),
        }
    }
}

/// What takes the place of an edge, or of all edges of a node.
struct FusedEdge<T: Element> {
    run: Arc<Run<T>>,
    around: Edge<T>,
}

impl<T: Element> Receive<T> for FusedEdge<T> {
    #[inline]
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.run.receive(x, &self.around, pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        self.run.receive_many(xs, &self.around, pass);
    }

    fn takes(&self, batch: &dyn Any, pass: &Pass) -> bool {
        self.run.takes(batch, pass)
    }

    fn receive_host_batch(&self, batch: &mut dyn Any, pass: &mut Pass) -> usize {
        self.run
            .with_body(pass, |body, cx| body.run_host_batch(batch, cx))
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}

/// All edges of a node, one after the other.
struct Fan<T>(Outlet<T>);

impl<T: Element> Receive<T> for Fan<T> {
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.0.output().receive(x, pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        self.0.output().receive_many(xs, pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }
}
