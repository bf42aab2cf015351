//! The two kinds of node, [`Transform`] and [`Operator`], as the graph runs them.

use std::any::{Any, TypeId};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use super::{Held, Node, Pass};
use crate::failure::{BoxError, panic_error};
use crate::operator::{Context, Element, EmitResult, Never, Operator, OperatorError, Transform};

/// Behaviour of a node, for both kinds.
pub(crate) trait NodeKind: Send + Sized + 'static {
    type In: Element;
    type Out: Element;
    type Event: Send + 'static;
    const KIND: &'static str;
    const SINK: bool;
    const CLOSES: bool;
    const SUSPENDS: bool;
    /// Whether it accepts batches.
    const BATCHES: bool;
    /// Whether it sends at most one element for each that it receives, at once.
    const PASSES_ON: bool;

    fn label(&self) -> Option<String>;
    fn needs_runtime(&self) -> bool;
    fn begins_at_once(&self) -> bool;
    fn suspends(&self) -> bool;
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any));
    /// The operator, for callers who know its type.
    fn operator(&mut self) -> &mut dyn Any;
    fn operator_type() -> TypeId;
    fn withdraw(&mut self);
    /// Processes one element in a free node.
    fn accept(node: &Node<Self>, x: Self::In, pass: &mut Pass) -> EmitResult;
    fn accept_many(node: &Node<Self>, xs: &mut Vec<Self::In>, pass: &mut Pass);
    fn wake(node: &Node<Self>, pass: &mut Pass) -> EmitResult;
    fn delivered(node: &Node<Self>, pass: &mut Pass) -> EmitResult;
    fn event(
        node: &Node<Self>,
        key: u64,
        event: Result<Self::Event, BoxError>,
        pass: &mut Pass,
    ) -> EmitResult;
    fn flush(node: &Node<Self>, pass: &mut Pass) -> EmitResult;
    fn close(node: &Node<Self>, pass: &mut Pass) -> EmitResult;
    fn held(node: &Node<Self>, pass: &Pass) -> Held;
}

/// A node that is a [`Transform`].
pub(crate) struct TransformNode<T>(pub(crate) T);

impl<T: Transform> NodeKind for TransformNode<T> {
    type In = T::In;
    type Out = T::Out;
    type Event = Never;
    const KIND: &'static str = T::KIND;
    const SINK: bool = T::SINK;
    const CLOSES: bool = T::CLOSES;
    const SUSPENDS: bool = false;
    const BATCHES: bool = true;
    const PASSES_ON: bool = true;

    fn label(&self) -> Option<String> {
        self.0.label()
    }

    fn needs_runtime(&self) -> bool {
        false
    }

    fn begins_at_once(&self) -> bool {
        false
    }

    fn suspends(&self) -> bool {
        false
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.0.traverse(visit);
    }

    fn operator(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn operator_type() -> TypeId {
        TypeId::of::<T>()
    }

    fn withdraw(&mut self) {}

    /// The hot path. Nothing is left to do after the call of the next node, so that a chain of these is a chain of
    /// jumps.
    #[inline(always)]
    fn accept(node: &Node<Self>, x: T::In, pass: &mut Pass) -> EmitResult {
        let Some(made) = node.run(pass, |body, _| body.0.apply(x)) else {
            return Ok(());
        };
        if node.is_queued(pass) {
            return finish_queued(node, made, pass);
        }
        finish(node, made, pass)
    }

    fn accept_many(node: &Node<Self>, xs: &mut Vec<T::In>, pass: &mut Pass) {
        let mut made = node.output().take_spare(pass);
        let (offered, dropped_before) = (xs.len() as u64, node.dropped.get());
        let mut rest = xs.drain(..);
        while rest.len() > 0 {
            let before = rest.len();
            let part = catch_unwind(AssertUnwindSafe(|| {
                node.run(pass, |body, _| {
                    body.0.apply_many(&mut rest, &mut made)?;
                    // One that consumes nothing would be called for ever.
                    match rest.len() {
                        left if left == before => rest.next().map_or(Ok(None), |x| body.0.apply(x)),
                        _ => Ok(None),
                    }
                    .map(|y| made.extend(y))
                })
            }));
            node.cell.count((before - rest.len()) as u64, pass);
            let result = match part {
                Ok(None | Some(Ok(()))) => Ok(()),
                Ok(Some(Err(fault))) => node.fail(fault.element, fault.cause, pass),
                Err(payload) => pass.unwound(payload),
            };
            if result.is_err() {
                pass.keep_failure();
            }
        }
        drop(rest);
        let failed = node.dropped.get() - dropped_before;
        node.dropped.add(offered - made.len() as u64 - failed);
        node.output().pass_on_many(&mut made, pass);
        node.output().put_spare(made, pass);
        if node.is_queued(pass) {
            node.drain_backlog(pass);
        }
    }

    fn wake(_: &Node<Self>, _: &mut Pass) -> EmitResult {
        Ok(())
    }

    fn delivered(_: &Node<Self>, _: &mut Pass) -> EmitResult {
        Ok(())
    }

    fn event(_: &Node<Self>, _: u64, _: Result<Never, BoxError>, _: &mut Pass) -> EmitResult {
        Ok(())
    }

    fn flush(_: &Node<Self>, _: &mut Pass) -> EmitResult {
        Ok(())
    }

    fn close(node: &Node<Self>, pass: &mut Pass) -> EmitResult {
        let closed = node.run(pass, |body, _| caught_closing(|| body.0.close()));
        node.closed(closed, pass)
    }

    fn held(_: &Node<Self>, _: &Pass) -> Held {
        Held::default()
    }
}

#[inline(always)]
fn finish<T: Transform>(
    node: &Node<TransformNode<T>>,
    made: Result<Option<T::Out>, OperatorError<T::In>>,
    pass: &mut Pass,
) -> EmitResult {
    match made {
        Ok(Some(y)) => node.output().pass_on(y, pass),
        Ok(None) => {
            node.dropped.add(1);
            Ok(())
        }
        Err(fault) => node.fail(fault.element, fault.cause, pass),
    }
}

/// Elements arrived while the function ran: the current one goes first.
#[cold]
fn finish_queued<T: Transform>(
    node: &Node<TransformNode<T>>,
    made: Result<Option<T::Out>, OperatorError<T::In>>,
    pass: &mut Pass,
) -> EmitResult {
    let result = pass.catch(|pass| finish(node, made, pass));
    node.drain_backlog(pass);
    result
}

/// A node that is an [`Operator`].
pub(crate) struct OperatorNode<O>(pub(crate) O);

impl<O: Operator> OperatorNode<O> {
    /// Runs `f` with the operator and its context, and then the backlog that arrived meanwhile.
    #[inline(always)]
    fn visit(
        node: &Node<Self>,
        pass: &mut Pass,
        f: impl FnOnce(&mut O, &mut Context<'_, O>) -> EmitResult,
    ) -> EmitResult {
        let visited = node.run(pass, |body, pass| {
            let result = f(&mut body.0, &mut Context { node, pass });
            (result, body.0.in_flight() > 0)
        });
        let (result, has_in_flight) = visited.unwrap_or((Ok(()), false));
        if has_in_flight {
            node.note_in_flight(pass);
        }
        if node.is_queued(pass) {
            node.drain_backlog(pass);
        }
        result
    }
}

impl<O: Operator> NodeKind for OperatorNode<O> {
    type In = O::In;
    type Out = O::Out;
    type Event = O::Event;
    const KIND: &'static str = O::KIND;
    const SINK: bool = O::SINK;
    const CLOSES: bool = O::CLOSES;
    const SUSPENDS: bool = O::SUSPENDS;
    const BATCHES: bool = O::UPDATE_MANY.is_some();
    const PASSES_ON: bool = false;

    fn label(&self) -> Option<String> {
        self.0.label()
    }

    fn needs_runtime(&self) -> bool {
        self.0.needs_runtime()
    }

    fn begins_at_once(&self) -> bool {
        self.0.begins_at_once()
    }

    fn suspends(&self) -> bool {
        self.0.suspends()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.0.traverse(visit);
    }

    fn operator(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn operator_type() -> TypeId {
        TypeId::of::<O>()
    }

    fn withdraw(&mut self) {
        self.0.withdraw();
    }

    #[inline]
    fn accept(node: &Node<Self>, x: O::In, pass: &mut Pass) -> EmitResult {
        let result = Self::visit(node, pass, |operator, cx| operator.update(x, cx));
        if O::SUSPENDS && node.core.suspends() && !node.core.is_scheduled() {
            node.note_held(pass);
        }
        result
    }

    fn accept_many(node: &Node<Self>, xs: &mut Vec<O::In>, pass: &mut Pass) {
        let Some(update_many) = O::UPDATE_MANY else {
            return super::receive_each(node, xs, pass);
        };
        node.cell.count(xs.len() as u64, pass);
        let updated = pass.catch(|pass| {
            Self::visit(node, pass, |operator, cx| {
                update_many(operator, xs.drain(..), cx);
                Ok(())
            })
        });
        if updated.is_err() {
            pass.keep_failure();
        }
        if O::SUSPENDS && node.core.suspends() && !node.core.is_scheduled() {
            node.note_held(pass);
        }
    }

    fn wake(node: &Node<Self>, pass: &mut Pass) -> EmitResult {
        Self::visit(node, pass, O::wake)
    }

    fn delivered(node: &Node<Self>, pass: &mut Pass) -> EmitResult {
        Self::visit(node, pass, O::delivered)
    }

    fn event(
        node: &Node<Self>,
        key: u64,
        event: Result<O::Event, BoxError>,
        pass: &mut Pass,
    ) -> EmitResult {
        Self::visit(node, pass, |operator, cx| operator.event(key, event, cx))
    }

    fn flush(node: &Node<Self>, pass: &mut Pass) -> EmitResult {
        Self::visit(node, pass, O::flush)
    }

    fn close(node: &Node<Self>, pass: &mut Pass) -> EmitResult {
        let closed = node.run(pass, |body, _| caught_closing(|| body.0.close()));
        node.closed(closed, pass)
    }

    fn held(node: &Node<Self>, pass: &Pass) -> Held {
        node.cell
            .peek(pass, |body| Held {
                in_flight: body.0.in_flight(),
                buffered: body.0.buffered(),
            })
            .unwrap_or_default()
    }
}

impl<B: NodeKind> Node<B> {
    fn closed(&self, closed: Option<Result<(), BoxError>>, pass: &mut Pass) -> EmitResult {
        match closed {
            Some(Err(cause)) => {
                self.core.count_failed();
                pass.raise(self.core.failure(0, None, cause))
            }
            _ => Ok(()),
        }
    }

    /// Applies the policy to an element this node's function failed on.
    #[cold]
    pub(crate) fn fail(
        &self,
        element: Option<B::In>,
        cause: BoxError,
        pass: &mut Pass,
    ) -> EmitResult {
        let ordinal = self.ordinal(pass);
        let attempts = self.attempts(ordinal, pass).saturating_add(1);
        match (element, self.retry_after(attempts, &cause, pass)) {
            (Some(element), Some(pause)) => {
                self.retry_later(element, attempts, pause, pass);
                Ok(())
            }
            (element, _) => self.give_up(element, ordinal, cause, pass),
        }
    }
}

/// A panic in `close` belongs to no element.
fn caught_closing(close: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
    catch_unwind(AssertUnwindSafe(close)).unwrap_or_else(|payload| Err(panic_error(&*payload)))
}

/// An element in the form for a failure.
pub(super) fn boxed<T: Element>(element: Option<T>) -> Option<Box<dyn Any + Send>> {
    element.map(|element| Box::new(element) as _)
}

/// The result of a future, or its panic.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, BoxError> {
    let mut future = pin!(future);
    std::future::poll_fn(move |cx| {
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(panic_error(&*payload))),
        }
    })
    .await
}
