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

/// Parts of a node, one behind the other, while it is being built: what the function that [`Stream::chain`] is given
/// gets and returns.
pub struct Chain<S> {
    steps: S,
    parts: Vec<Part>,
    build_error: Option<BuildError>,
}

shows!([S] Chain<S> { build_error });

/// What is known of a part, for those who are told of it.
struct Part {
    name: String,
    /// Whether elements that it fails on are dropped.
    skips: bool,
}

/// A part of a chain failed on an element.
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

/// Why a part failed, and which.
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

    /// `f(x)` for every `x`.
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

    /// The elements that the predicate is true of.
    pub fn filter<F: FnMut(&S::Out) -> bool + Send + 'static>(self, f: F) -> Chain<Filtered<S, F>> {
        self.part::<F, _>("filter", |before, _| Filtered { before, f })
    }

    /// `y` for every `x` with `f(x) == Some(y)`.
    pub fn filter_map<U, F>(self, f: F) -> Chain<FilterMapped<S, F>>
    where
        F: FnMut(S::Out) -> Option<U> + Send + 'static,
    {
        self.part::<F, _>("filter_map", |before, _| FilterMapped { before, f })
    }

    /// The elements as they are, each after a look at it.
    pub fn inspect<F: FnMut(&S::Out) + Send + 'static>(self, f: F) -> Chain<Inspected<S, F>> {
        self.part::<F, _>("inspect", |before, _| Inspected { before, f })
    }

    /// The state after every element: it begins with `start` and becomes `f(&state, x)`.
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

    /// The same with the first element as the first state, which is passed on as it is.
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

    /// What `f(&mut state, x)` returns for every `x`; the state begins with `start`.
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

    /// Names the part before, for failures and pictures.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        if let Some(part) = self.parts.last_mut() {
            part.name = name.into();
        }
        self
    }

    /// What is done about elements that the part before fails on: [`OnError::Raise`], the default, leaves them to the
    /// [policy](Stream::on_error) of the node, and [`OnError::Skip`] drops them, and counts them as failed. For
    /// anything else a part has to be a node of its own: it is a mistake here, see [`Stream::check`].
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
    /// Passes elements through several functions in one node. It is what the nodes of these functions would be, one
    /// behind the other, but the compiler sees them all at once: a chain costs about what the loop costs that one would
    /// write by hand.
    ///
    /// Its parts are one node in pictures, with one set of counters. A failure names the part that it happened in, and
    /// is left to the [policy](Self::on_error) of the node, unless the [part](Chain::on_error) drops what it fails on.
    /// A panic is a failure of the node. By the time a part fails, the parts before it have changed their states and
    /// used the element up, so that a policy that tries again goes on to what follows from it at once; a function that
    /// is to be tried again is a node of its own.
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
