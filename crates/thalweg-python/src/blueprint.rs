//! Blueprints: operators with their arguments from Python, from which nodes of the engine are built.

use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use thalweg::{
    BuildError, Element, InletKey, IntoOperator, Operator, OperatorError, Reconfigure, Stream,
    Transform,
};

use crate::function::Function;
use crate::gil::{self, Place};
use crate::inlet::{Inlet, Traverse};
use crate::last_value::LastValue;
use crate::value::Value;

/// Context in which a node is built.
pub(crate) struct BuildContext {
    /// Stream to attach the node to.
    pub(crate) upstream: Stream<Value>,
    pub(crate) current: LastValue,
    /// Weak reference to the node in Python.
    pub(crate) node: Py<PyAny>,
}

/// A built node: one node of the engine, or one followed by the conversion of its results.
pub(crate) struct Made {
    pub(crate) inlet: Box<dyn Inlet>,
    /// The node before the conversion.
    pub(crate) between: Option<Box<dyn Traverse>>,
    pub(crate) out: Stream<Value>,
}

/// How a node is built, or gets other settings.
trait Plan {
    fn build(self: Box<Self>, context: BuildContext) -> Made;

    /// Applies its settings to a node of the same operator; unless `keeps`, its state is replaced as well. `None` if the
    /// operator cannot be reconfigured.
    fn renew(self: Box<Self>, inlet: &dyn Inlet, keeps: bool) -> Option<Result<(), BuildError>>;
}

/// An operator and its arguments, from which a node is built at its [`Placement`](crate::node::Placement).
pub(crate) struct Blueprint {
    plan: Box<dyn Plan>,
    pub(crate) facts: Facts,
}

/// What the node in Python knows of its operator.
#[derive(Default)]
pub(crate) struct Facts {
    /// The user's function.
    pub(crate) function: Option<Function>,
    /// Objects held outside the engine.
    pub(crate) state: Vec<State>,
    pub(crate) needs_loop: bool,
    pub(crate) is_sink: bool,
    /// Whether upstreams are attached after building, each by an inlet of its own. Other nodes are built onto their
    /// first upstream.
    pub(crate) joins: bool,
    /// Whether an upstream attached twice has two inlets, each of which gets every element.
    pub(crate) repeats: bool,
    /// Upstream of each inlet, if the node needs to know it.
    pub(crate) callers: UpstreamRefs,
    pub(crate) passage: Passage,
    /// Place for the result of a sink's function that a compiled chain has called.
    pub(crate) sink_result: Option<Arc<Place>>,
}

/// What an emitted element meets in a node.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Passage {
    /// User functions, which run on the event loop's thread if there is one. Also the assumption for unknown nodes.
    #[default]
    Functions,
    /// No function; the element may pass on.
    NoFunctions,
    /// No function; the element waits here for the event loop or an engine.
    Ends,
}

/// An object held by an operator's function, which the node in Python shows to the garbage collector. The lock is held
/// only to take or replace the object.
pub(crate) type State = Arc<Mutex<Option<Value>>>;

/// Nodes upstream of a node, by inlet.
pub(crate) type UpstreamRefs = Arc<Mutex<Vec<(InletKey, Py<PyWeakrefReference>)>>>;

impl Blueprint {
    pub(crate) fn new(build: impl FnOnce(BuildContext) -> Made + 'static) -> Self {
        Self::of(Box::new(Built(build)))
    }

    fn of(plan: Box<dyn Plan>) -> Self {
        Self {
            plan,
            facts: Facts::default(),
        }
    }

    pub(crate) fn passage(mut self, passage: Passage) -> Self {
        self.facts.passage = passage;
        self
    }

    /// A transform that records its last value itself.
    pub(crate) fn transform<T>(make: impl FnOnce(LastValue) -> T + Send + 'static) -> Self
    where
        T: Transform<In = Value, Out = Value>,
    {
        Self::new(move |context| {
            let stream = context.upstream.transform(make(context.current));
            Made {
                inlet: Box::new(stream.clone()),
                between: None,
                out: stream,
            }
        })
    }

    /// An operator that passes elements on unchanged.
    pub(crate) fn passing<O>(operator: O) -> Self
    where
        O: IntoOperator + Send + 'static,
        O::Operator: Operator<In = Value, Out = Value> + Reconfigure,
    {
        Self::finished(operator, |_, x| Ok(x))
    }

    /// An operator whose results are converted to Python objects by `finish`.
    pub(crate) fn finished<O, U>(
        operator: O,
        finish: impl FnMut(Python<'_>, U) -> PyResult<Value> + Send + 'static,
    ) -> Self
    where
        U: Element,
        O: IntoOperator + Send + 'static,
        O::Operator: Operator<In = Value, Out = U> + Reconfigure,
    {
        Self::of(Box::new(Finished {
            operator,
            finish,
            output: PhantomData,
        }))
    }

    /// A node that sends elements of type `U`, and gets other settings from the operator of `make`.
    pub(crate) fn renewing<Op, U>(
        mut self,
        make: impl FnOnce() -> Result<Op, BuildError> + 'static,
    ) -> Self
    where
        Op: Reconfigure + Send + 'static,
        U: Element,
    {
        self.plan = Box::new(Renewed {
            plan: self.plan,
            make,
            output: PhantomData::<fn(U)>,
        });
        self
    }

    pub(crate) fn calling(mut self, function: impl Into<Option<Function>>) -> Self {
        self.facts.function = function.into();
        self
    }

    pub(crate) fn keeping(mut self, state: impl IntoIterator<Item = State>) -> Self {
        self.facts.state.extend(state);
        self
    }

    pub(crate) fn on_loop(mut self) -> Self {
        self.facts.needs_loop = true;
        self
    }

    /// A node with distinct inlets.
    pub(crate) fn joining(mut self, callers: UpstreamRefs) -> Self {
        self.facts.joins = true;
        self.facts.callers = callers;
        self
    }

    /// Gives each occurrence of an upstream its own inlet.
    pub(crate) fn repeating(mut self) -> Self {
        self.facts.repeats = true;
        self
    }

    pub(crate) fn taking_results(mut self, place: Arc<Place>) -> Self {
        self.facts.sink_result = Some(place);
        self
    }

    pub(crate) fn sink(mut self) -> Self {
        self.facts.is_sink = true;
        self
    }

    pub(crate) fn build(self, context: BuildContext) -> (Made, Facts) {
        (self.plan.build(context), self.facts)
    }

    /// Applies its settings to a node; see [`Plan::renew`].
    pub(crate) fn renew(self, inlet: &dyn Inlet, keeps: bool) -> Option<Result<(), BuildError>> {
        self.plan.renew(inlet, keeps)
    }
}

/// A node that cannot be reconfigured.
struct Built<F>(F);

impl<F: FnOnce(BuildContext) -> Made> Plan for Built<F> {
    fn build(self: Box<Self>, context: BuildContext) -> Made {
        (self.0)(context)
    }

    fn renew(self: Box<Self>, _: &dyn Inlet, _: bool) -> Option<Result<(), BuildError>> {
        None
    }
}

/// An operator whose results are converted by `finish`.
struct Finished<O, U, F> {
    operator: O,
    finish: F,
    output: PhantomData<fn(U)>,
}

impl<O, U, F> Plan for Finished<O, U, F>
where
    U: Element,
    O: IntoOperator,
    O::Operator: Operator<In = Value, Out = U> + Reconfigure,
    F: FnMut(Python<'_>, U) -> PyResult<Value> + Send + 'static,
{
    fn build(self: Box<Self>, context: BuildContext) -> Made {
        let stream = context.upstream.apply(self.operator);
        Made::finished(stream, context.current, self.finish)
    }

    fn renew(self: Box<Self>, inlet: &dyn Inlet, keeps: bool) -> Option<Result<(), BuildError>> {
        Some(renew::<O::Operator, U>(
            inlet,
            keeps,
            self.operator.into_operator(),
        ))
    }
}

/// A node that gets other settings from the operator of `make`.
struct Renewed<F, U> {
    plan: Box<dyn Plan>,
    make: F,
    output: PhantomData<fn(U)>,
}

impl<F, Op, U> Plan for Renewed<F, U>
where
    F: FnOnce() -> Result<Op, BuildError>,
    Op: Reconfigure + Send + 'static,
    U: Element,
{
    fn build(self: Box<Self>, context: BuildContext) -> Made {
        self.plan.build(context)
    }

    fn renew(self: Box<Self>, inlet: &dyn Inlet, keeps: bool) -> Option<Result<(), BuildError>> {
        Some(renew::<Op, U>(inlet, keeps, (self.make)()))
    }
}

fn renew<Op: Reconfigure + Send + 'static, U: Element>(
    inlet: &dyn Inlet,
    keeps: bool,
    operator: Result<Op, BuildError>,
) -> Result<(), BuildError> {
    let stream = inlet.as_any().downcast_ref::<Stream<U>>();
    let stream = stream.ok_or_else(|| BuildError::new("stream", "it is of another type"))?;
    let operator = operator?;
    if keeps {
        return stream.reconfigure(operator);
    }
    drop(stream.with_operator(|old: &mut Op| std::mem::replace(old, operator)));
    Ok(())
}

impl Made {
    /// A node, followed by the conversion of its results.
    pub(crate) fn finished<U: Element>(
        stream: Stream<U>,
        current: LastValue,
        mut finish: impl FnMut(Python<'_>, U) -> PyResult<Value> + Send + 'static,
    ) -> Self {
        let out = stream.transform(Finish(
            move |result| gil::held(|py| finish(py, result).map(|value| current.note(py, value))),
            PhantomData,
        ));
        Self {
            inlet: Box::new(stream),
            between: None,
            out,
        }
    }
}

/// Kind of the nodes that convert results.
pub(crate) const FINISH: &str = "finish";

/// Converts an operator's results to Python objects.
struct Finish<U, F>(F, PhantomData<fn(U)>);

impl<U, F> Transform for Finish<U, F>
where
    U: Element,
    F: FnMut(U) -> PyResult<Value> + Send + 'static,
{
    type In = U;
    type Out = Value;
    const KIND: &'static str = FINISH;
    const CLOSES: bool = false;

    fn apply(&mut self, x: U) -> Result<Option<Value>, OperatorError<U>> {
        (self.0)(x).map(Some).map_err(OperatorError::lost)
    }
}
