//! The parts of a chain. Each contains the parts before it, so that all are one function to the compiler.

use std::any::Any;
use std::marker::PhantomData;

use super::PartStopped;
use crate::debug::shows;
use crate::failure::BoxError;

/// A part of a [`Chain`](super::Chain), with the parts before it.
pub trait ChainStep: Send + 'static {
    /// Input type of the first part.
    type In;
    /// Output type of this part.
    type Out;

    /// Passes one element through all parts; returns the output, if any, or the failure.
    ///
    /// # Errors
    /// A part failed.
    fn apply(&mut self, x: Self::In) -> Result<Option<Self::Out>, PartStopped>;

    /// Visits the states of all parts.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any));
}

/// The beginning of a chain.
pub struct Begin<T>(PhantomData<fn(T)>);

shows!([T] Begin<T> {});

impl<T> Default for Begin<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: 'static> ChainStep for Begin<T> {
    type In = T;
    type Out = T;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<T>, PartStopped> {
        Ok(Some(x))
    }

    fn traverse(&self, _: &mut dyn FnMut(&dyn Any)) {}
}

/// See [`Chain::map`](super::Chain::map).
pub struct Mapped<S, F> {
    pub(super) before: S,
    pub(super) f: F,
}

shows!([S, F] Mapped<S, F> {});

/// See [`Chain::try_map`](super::Chain::try_map).
pub struct TryMapped<S, F> {
    pub(super) before: S,
    pub(super) f: F,
    pub(super) place: usize,
}

shows!([S, F] TryMapped<S, F> { place });

/// See [`Chain::filter`](super::Chain::filter).
pub struct Filtered<S, F> {
    pub(super) before: S,
    pub(super) f: F,
}

shows!([S, F] Filtered<S, F> {});

/// See [`Chain::filter_map`](super::Chain::filter_map).
pub struct FilterMapped<S, F> {
    pub(super) before: S,
    pub(super) f: F,
}

shows!([S, F] FilterMapped<S, F> {});

/// See [`Chain::inspect`](super::Chain::inspect).
pub struct Inspected<S, F> {
    pub(super) before: S,
    pub(super) f: F,
}

shows!([S, F] Inspected<S, F> {});

/// See [`Chain::scan`](super::Chain::scan).
pub struct Scanned<S, A, F> {
    pub(super) before: S,
    pub(super) state: A,
    pub(super) f: F,
}

shows!([S, A, F] Scanned<S, A, F> {});

/// See [`Chain::accumulate`](super::Chain::accumulate).
pub struct Accumulated<S, A, F> {
    pub(super) before: S,
    pub(super) state: Option<A>,
    pub(super) f: F,
}

shows!([S, A, F] Accumulated<S, A, F> {});

/// See [`Chain::stateful_map`](super::Chain::stateful_map).
pub struct StatefulMapped<S, A, F> {
    pub(super) before: S,
    pub(super) state: A,
    pub(super) f: F,
}

shows!([S, A, F] StatefulMapped<S, A, F> {});

impl<S, U, F> ChainStep for Mapped<S, F>
where
    S: ChainStep,
    F: FnMut(S::Out) -> U + Send + 'static,
{
    type In = S::In;
    type Out = U;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<U>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        Ok(Some((self.f)(x)))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
    }
}

impl<S, U, E, F> ChainStep for TryMapped<S, F>
where
    S: ChainStep,
    E: Into<BoxError>,
    F: FnMut(S::Out) -> Result<U, E> + Send + 'static,
{
    type In = S::In;
    type Out = U;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<U>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        match (self.f)(x) {
            Ok(y) => Ok(Some(y)),
            Err(cause) => Err(PartStopped {
                place: self.place,
                cause: cause.into(),
            }),
        }
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
    }
}

impl<S, F> ChainStep for Filtered<S, F>
where
    S: ChainStep,
    F: FnMut(&S::Out) -> bool + Send + 'static,
{
    type In = S::In;
    type Out = S::Out;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<S::Out>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        Ok((self.f)(&x).then_some(x))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
    }
}

impl<S, U, F> ChainStep for FilterMapped<S, F>
where
    S: ChainStep,
    F: FnMut(S::Out) -> Option<U> + Send + 'static,
{
    type In = S::In;
    type Out = U;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<U>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        Ok((self.f)(x))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
    }
}

impl<S, F> ChainStep for Inspected<S, F>
where
    S: ChainStep,
    F: FnMut(&S::Out) + Send + 'static,
{
    type In = S::In;
    type Out = S::Out;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<S::Out>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        (self.f)(&x);
        Ok(Some(x))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
    }
}

impl<S, A, F> ChainStep for Scanned<S, A, F>
where
    S: ChainStep,
    A: Clone + Send + 'static,
    F: FnMut(&A, S::Out) -> A + Send + 'static,
{
    type In = S::In;
    type Out = A;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<A>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        self.state = (self.f)(&self.state, x);
        Ok(Some(self.state.clone()))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
        visit(&self.state);
    }
}

impl<S, F> ChainStep for Accumulated<S, S::Out, F>
where
    S: ChainStep,
    S::Out: Clone + Send + 'static,
    F: FnMut(&S::Out, S::Out) -> S::Out + Send + 'static,
{
    type In = S::In;
    type Out = S::Out;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<S::Out>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        let state = match &self.state {
            Some(state) => (self.f)(state, x),
            None => x,
        };
        self.state = Some(state.clone());
        Ok(Some(state))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
        self.state.iter().for_each(|state| visit(state));
    }
}

impl<S, A, U, F> ChainStep for StatefulMapped<S, A, F>
where
    S: ChainStep,
    A: Send + 'static,
    F: FnMut(&mut A, S::Out) -> U + Send + 'static,
{
    type In = S::In;
    type Out = U;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<U>, PartStopped> {
        let Some(x) = self.before.apply(x)? else {
            return Ok(None);
        };
        Ok(Some((self.f)(&mut self.state, x)))
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.before.traverse(visit);
        visit(&self.state);
    }
}
