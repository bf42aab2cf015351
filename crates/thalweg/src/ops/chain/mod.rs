//! Several functions in one node.

mod steps;
#[cfg(test)]
mod tests;

use std::fmt;
use std::vec::Drain;

pub use steps::{
    Accumulated, Begin, ChainStep, FilterMapped, Filtered, Inspected, Mapped, Scanned,
    StatefulMapped, TryMapped,
};

use crate::debug::shows;
use crate::failure::{BoxError, BuildError, Skipped};
use crate::operator::function_name;
use crate::{Element, OnError, OperatorError, Stream, Transform};

/// Consecutive parts of a node under construction: argument and result of the function given to [`Stream::chain`].
pub struct Chain<S> {
    steps: S,
    parts: Vec<Part>,
    build_error: Option<BuildError>,
}

shows!([S] Chain<S> { build_error });

/// Description of a part.
struct Part {
    name: String,
    /// Whether failed elements are dropped.
    skips: bool,
}

/// A failure of a part of a chain.
#[derive(Debug)]
struct PartFailed {
    part: String,
    cause: BoxError,
}

impl fmt::Display for PartFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "in `{}`: {}", self.part, self.cause)
    }
}

impl std::error::Error for PartFailed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}

/// The error, and the part that failed.
#[derive(Debug)]
pub struct PartStopped {
    pub(super) place: usize,
    pub(super) cause: BoxError,
}

impl<S: ChainStep> Chain<S> {
    fn part<F, Next>(
        mut self,
        kind: &'static str,
        step: impl FnOnce(S, usize) -> Next,
    ) -> Chain<Next> {
        let name = match function_name::<F>() {
            Some(function) => format!("{kind} {function}"),
            None => kind.to_string(),
        };
        let place = self.parts.len();
        self.parts.push(Part { name, skips: false });
        Chain {
            steps: step(self.steps, place),
            parts: self.parts,
            build_error: self.build_error,
        }
    }

    /// Emits `f(x)` for every `x`.
    pub fn map<U, F: FnMut(S::Out) -> U + Send + 'static>(self, f: F) -> Chain<Mapped<S, F>> {
        self.part::<F, _>("map", |before, _| Mapped { before, f })
    }

    /// The same with a function that may fail.
    pub fn try_map<U, E, F>(self, f: F) -> Chain<TryMapped<S, F>>
    where
        E: Into<BoxError>,
        F: FnMut(S::Out) -> Result<U, E> + Send + 'static,
    {
        self.part::<F, _>("try_map", |before, place| TryMapped { before, f, place })
    }

    /// Passes on the elements for which the predicate is true.
    pub fn filter<F: FnMut(&S::Out) -> bool + Send + 'static>(self, f: F) -> Chain<Filtered<S, F>> {
        self.part::<F, _>("filter", |before, _| Filtered { before, f })
    }

    /// Emits `y` for every `x` with `f(x) == Some(y)`.
    pub fn filter_map<U, F>(self, f: F) -> Chain<FilterMapped<S, F>>
    where
        F: FnMut(S::Out) -> Option<U> + Send + 'static,
    {
        self.part::<F, _>("filter_map", |before, _| FilterMapped { before, f })
    }

    /// Calls a function with each element, and passes the element on.
    pub fn inspect<F: FnMut(&S::Out) + Send + 'static>(self, f: F) -> Chain<Inspected<S, F>> {
        self.part::<F, _>("inspect", |before, _| Inspected { before, f })
    }

    /// Emits the state after every element: it starts as `start` and becomes `f(&state, x)`.
    pub fn scan<A, F>(self, start: A, f: F) -> Chain<Scanned<S, A, F>>
    where
        A: Clone + Send + 'static,
        F: FnMut(&A, S::Out) -> A + Send + 'static,
    {
        self.part::<F, _>("scan", |before, _| Scanned {
            before,
            state: start,
            f,
        })
    }

    /// The same with the first element as the initial state, which is emitted unchanged.
    pub fn accumulate<F>(self, f: F) -> Chain<Accumulated<S, S::Out, F>>
    where
        S::Out: Clone + Send + 'static,
        F: FnMut(&S::Out, S::Out) -> S::Out + Send + 'static,
    {
        self.part::<F, _>("accumulate", |before, _| Accumulated {
            before,
            state: None,
            f,
        })
    }

    /// Emits the result of `f(&mut state, x)` for every `x`; the state starts as `start`.
    pub fn stateful_map<A, U, F>(self, start: A, f: F) -> Chain<StatefulMapped<S, A, F>>
    where
        A: Send + 'static,
        F: FnMut(&mut A, S::Out) -> U + Send + 'static,
    {
        self.part::<F, _>("stateful_map", |before, _| StatefulMapped {
            before,
            state: start,
            f,
        })
    }

    /// Names the previous part, for failures and pictures.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.name = name.into();
        }
        self
    }

    /// How to handle elements that the previous part fails on: [`OnError::Raise`], the default, leaves them to the
    /// [policy](Stream::on_error) of the node, and [`OnError::Skip`] drops them, and counts them as failed. Other
    /// policies need a separate node: here they are a build error, see [`Stream::check`].
    #[must_use]
    pub fn on_error(mut self, policy: OnError) -> Self {
        let name = self.parts.last().map_or("chain", |part| part.name.as_str());
        match policy {
            OnError::Raise | OnError::Skip => {}
            OnError::Retry(_) | OnError::Route(_) => {
                let message = format!(
                    "`{name}` is a part of a chain, which can raise or skip; one that tries again, or sends failures on, \
                     is a node of its own"
                );
                self.build_error = Some(BuildError::new("chain", message));
            }
        }
        if let Some(part) = self.parts.last_mut() {
            part.skips = matches!(policy, OnError::Skip);
        }
        self
    }
}

/// Passes elements through several functions; see [`Stream::chain`].
pub struct Chained<S> {
    steps: S,
    parts: Vec<Part>,
}

shows!([S] Chained<S> {});

impl<S> Chained<S> {
    #[cold]
    fn failed<T>(&self, PartStopped { place, cause }: PartStopped) -> OperatorError<T> {
        let part = &self.parts[place];
        let failed = PartFailed {
            part: part.name.clone(),
            cause,
        };
        if part.skips {
            OperatorError::lost(Skipped(failed.into()))
        } else {
            OperatorError::lost(failed)
        }
    }
}

impl<S> Transform for Chained<S>
where
    S: ChainStep,
    S::In: Element,
    S::Out: Element,
{
    type In = S::In;
    type Out = S::Out;
    const KIND: &'static str = "chain";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: S::In) -> Result<Option<S::Out>, OperatorError<S::In>> {
        match self.steps.apply(x) {
            Ok(y) => Ok(y),
            Err(stopped) => Err(self.failed(stopped)),
        }
    }

    fn apply_many(
        &mut self,
        xs: &mut Drain<'_, S::In>,
        out: &mut Vec<S::Out>,
    ) -> Result<(), OperatorError<S::In>> {
        out.reserve(xs.len());
        for x in xs {
            match self.steps.apply(x) {
                Ok(Some(y)) => out.push(y),
                Ok(None) => {}
                Err(stopped) => return Err(self.failed(stopped)),
            }
        }
        Ok(())
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn std::any::Any)) {
        self.steps.traverse(visit);
    }

    fn label(&self) -> Option<String> {
        let names: Vec<_> = self.parts.iter().map(|part| part.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

impl<T: Element> Stream<T> {
    /// Passes elements through several functions in one node. It is equivalent to a node for each function, but the
    /// compiler sees them all at once: a chain costs about as much as a hand-written loop.
    ///
    /// Its parts are one node in pictures, with one set of counters. A failure names its part, and is left to the
    /// [policy](Self::on_error) of the node, unless the [part](Chain::on_error) drops failed elements. A panic is a
    /// failure of the node. When a part fails, the parts before it have changed their states and consumed the element,
    /// so that a retry policy goes directly to its final policy; use a separate node for a function that is to be
    /// retried.
    ///
    /// ```
    /// use thalweg::{OnError, Stream};
    ///
    /// let source = Stream::new();
    /// let list = source
    ///     .chain(|x| {
    ///         x.try_map(|text: &str| text.parse::<i32>())
    ///             .named("parse")
    ///             .on_error(OnError::Skip)
    ///             .filter(|x| x % 2 == 0)
    ///             .scan(0, |sum, x| sum + x)
    ///     })
    ///     .sink_to_list();
    /// source.emit_many(["1", "2", "many", "4"]).wait()?;
    /// assert_eq!(list.to_vec(), [2, 6]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn chain<S>(&self, build: impl FnOnce(Chain<Begin<T>>) -> Chain<S>) -> Stream<S::Out>
    where
        S: ChainStep<In = T>,
        S::Out: Element,
    {
        let begin = Chain {
            steps: Begin::default(),
            parts: Vec::new(),
            build_error: None,
        };
        let Chain {
            steps,
            parts,
            build_error,
        } = build(begin);
        let chained = Chained { steps, parts };
        self.transform_checked(match build_error {
            Some(error) => Err(error),
            None => Ok(chained),
        })
    }
}
