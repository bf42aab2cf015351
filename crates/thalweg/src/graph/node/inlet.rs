//! The inlets of a node that has several.

use std::sync::Arc;

use super::{Node, OperatorNode, Pass};
use crate::graph::cell::{Link, Receive};
use crate::operator::{EmitResult, Operator};

/// Receives elements of type `T` for a node whose input is an enum of its inlets' types.
pub(crate) struct Inlet<Op: Operator, W> {
    pub(crate) node: Arc<Node<OperatorNode<Op>>>,
    pub(crate) wrap: W,
}

impl<T, Op, W> Receive<T> for Inlet<Op, W>
where
    Op: Operator,
    W: Fn(T) -> Op::In + Send + Sync,
{
    #[inline]
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.node.receive((self.wrap)(x), pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        super::receive_each(self, xs, pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }

    fn is_distinct(&self) -> bool {
        true
    }
}
