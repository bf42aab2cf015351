//! Blueprints: operators with their arguments from Python, from which nodes of the engine are built.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use thalweg::view::{Counters, Latency};
use thalweg::{
    Acks, BuildError, Element, Emit, Error, InletKey, IntoOperator, OnError, OpenJoin, Operator,
    OperatorError, Reconfigure, Stream, Transform,
};

use crate::function::Function;
use crate::gil::{self, Place};
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::ops::join;
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

/// A node of the engine that may hold Python objects.
pub(crate) trait Traverse: Send + Sync {
    /// Visits the objects it holds; returns false if the node was busy.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool;

    /// Number of elements in flight in it; `None` if a thread is inside the pipeline.
    fn in_flight(&self) -> Option<usize>;

    /// Number of elements that it keeps until others arrive; `None` if a thread is inside the pipeline.
    fn kept(&self) -> Option<usize>;

    /// Function that flushes a collecting node; `None` for other nodes.
    fn flush(&self) -> Option<Box<dyn FnOnce() -> Emit + Send>> {
        None
    }
}

impl<T: Element> Traverse for Stream<T> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        Stream::traverse(self, visit)
    }

    fn in_flight(&self) -> Option<usize> {
        Stream::in_flight(self)
    }

    fn kept(&self) -> Option<usize> {
        Stream::kept(self)
    }
}

impl<U: Element> Traverse for OpenJoin<Value, U> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        self.stream().traverse(visit)
    }

    fn in_flight(&self) -> Option<usize> {
        self.stream().in_flight()
    }

    fn kept(&self) -> Option<usize> {
        self.stream().kept()
    }
}

/// Input side of a node.
pub(crate) trait Inlet: Traverse {
    /// Id of the node in the engine.
    fn id(&self) -> u64;
    fn set_name(&self, name: String);
    fn set_policy(&self, policy: OnError);
    fn counters(&self) -> Counters;
    fn latency(&self) -> Option<Latency>;
    /// Adds an edge; returns the key of the new inlet, if the node has distinct inlets.
    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error>;
    /// Puts a constant in the place of an inlet, if the node has distinct inlets.
    fn attach_literal(&self, value: Value);
    /// Makes the node the first downstream of `from`.
    fn move_to_first(&self, from: &Stream<Value>) -> Result<(), Error>;
    fn detach(&self, from: &Stream<Value>) -> Result<(), Error>;
    /// The node of the engine, for downcasting.
    fn as_any(&self) -> &dyn Any;
    /// The waiting elements of each inlet of a join, in order.
    fn lanes(&self) -> Option<Vec<Vec<Value>>> {
        None
    }
    /// Passes an element to the node as an upstream does, at an inlet if the node has distinct ones; `None` if it has to
    /// be at one.
    fn receive(&self, at: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>>;
    /// Entry point for elements of an upstream that are passed by `update` instead of an edge.
    fn door(&self, _upstream: u64) -> Option<Stream<Value>> {
        None
    }
}

/// The methods of `Inlet` that do not concern edges, for the field `$stream`.
macro_rules! as_stream {
    ($self:ident => $stream:expr) => {
        fn id(&$self) -> u64 {
            $stream.node_id()
        }

        fn set_name(&$self, name: String) {
            drop($stream.clone().named(name));
        }

        fn set_policy(&$self, policy: OnError) {
            drop($stream.clone().on_error(policy));
        }

        fn counters(&$self) -> Counters {
            $stream.counters()
        }

        fn latency(&$self) -> Option<Latency> {
            $stream.latency()
        }

        fn move_to_first(&$self, from: &Stream<Value>) -> Result<(), Error> {
            from.move_to_first($stream)
        }

        fn detach(&$self, from: &Stream<Value>) -> Result<(), Error> {
            from.disconnect($stream)
        }
    };
}

/// Inlets of a node that does not distinguish them.
impl<T: Element> Inlet for Stream<T> {
    as_stream!(self => self);

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        from.connect(self).map(|()| None)
    }

    fn receive(&self, _: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>> {
        Some(Stream::receive(self, x, acks))
    }

    fn attach_literal(&self, _: Value) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<U: Element> Inlet for OpenJoin<Value, U> {
    as_stream!(self => self.stream());

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        OpenJoin::attach(self, from).map(Some)
    }

    fn receive(&self, at: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>> {
        let needs_inlet = self.lanes().is_some();
        (at.is_some() || !needs_inlet).then(|| Ok(OpenJoin::receive(self, at, x, acks)))
    }

    fn attach_literal(&self, value: Value) {
        OpenJoin::attach_literal(self, value);
    }

    fn as_any(&self) -> &dyn Any {
        self.stream()
    }

    fn lanes(&self) -> Option<Vec<Vec<Value>>> {
        join::lanes(self.stream())
    }
}

type Build = Box<dyn FnOnce(BuildContext) -> Made + Send>;

/// Applies a blueprint's settings to an existing node of the same operator; with false its state is replaced as well.
type Renew = Box<dyn FnOnce(&dyn Inlet, bool) -> Result<(), BuildError> + Send>;

/// An operator and its arguments, built once the upstream is known.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Blueprint {
    build: Mutex<Option<Build>>,
    renew: Mutex<Option<Renew>>,
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
    pub(crate) fn new(build: impl FnOnce(BuildContext) -> Made + Send + 'static) -> Self {
        Self {
            build: Mutex::new(Some(Box::new(build))),
            renew: Mutex::default(),
            function: None,
            state: Vec::new(),
            needs_loop: false,
            is_sink: false,
            joins: false,
            repeats: false,
            callers: UpstreamRefs::default(),
            passage: Passage::default(),
            sink_result: None,
        }
    }

    pub(crate) fn passage(mut self, passage: Passage) -> Self {
        self.passage = passage;
        self
    }

    /// A transform that records its last value itself.
    pub(crate) fn transform<T>(make: impl FnOnce(LastValue) -> T + Send + 'static) -> Self
    where
        T: Transform<In = Value, Out = Value>,
    {
        Self::new(move |site| {
            let stream = site.upstream.transform(make(site.current));
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
        let operator = Arc::new(Mutex::new(Some(operator)));
        let renewed = operator.clone();
        let blueprint = Self::new(move |site| {
            let operator = lock(&operator).take();
            let operator = operator
                .map(O::into_operator)
                .unwrap_or_else(|| Err(used_up()));
            let stream = site.upstream.apply(operator);
            Made::finished(stream, site.current, finish)
        });
        blueprint.renewing::<O::Operator, U>(move || {
            lock(&renewed)
                .take()
                .map(O::into_operator)
                .unwrap_or_else(|| Err(used_up()))
        })
    }

    /// A node that sends elements of type `U`, with an operator that can be reconfigured.
    pub(crate) fn renewing<Op, U>(
        mut self,
        make: impl FnOnce() -> Result<Op, BuildError> + Send + 'static,
    ) -> Self
    where
        Op: Reconfigure + Send + 'static,
        U: Element,
    {
        let renew = move |inlet: &dyn Inlet, keeps: bool| {
            let stream = inlet.as_any().downcast_ref::<Stream<U>>();
            let stream =
                stream.ok_or_else(|| BuildError::new("stream", "it is of another type"))?;
            let operator = make()?;
            if keeps {
                return stream.reconfigure(operator);
            }
            drop(stream.with_operator(|old: &mut Op| std::mem::replace(old, operator)));
            Ok(())
        };
        self.renew = Mutex::new(Some(Box::new(renew)));
        self
    }

    pub(crate) fn calling(mut self, function: impl Into<Option<Function>>) -> Self {
        self.function = function.into();
        self
    }

    pub(crate) fn keeping(mut self, state: impl IntoIterator<Item = State>) -> Self {
        self.state.extend(state);
        self
    }

    pub(crate) fn on_loop(mut self) -> Self {
        self.needs_loop = true;
        self
    }

    /// A node with distinct inlets.
    pub(crate) fn joining(mut self, callers: UpstreamRefs) -> Self {
        self.joins = true;
        self.callers = callers;
        self
    }

    /// Gives each occurrence of an upstream its own inlet.
    pub(crate) fn repeating(mut self) -> Self {
        self.repeats = true;
        self
    }

    pub(crate) fn taking_results(mut self, place: Arc<Place>) -> Self {
        self.sink_result = Some(place);
        self
    }

    pub(crate) fn sink(mut self) -> Self {
        self.is_sink = true;
        self
    }

    /// Builds the node; `None` if it has been built before.
    pub(crate) fn build(&self, site: BuildContext) -> Option<Made> {
        let build = lock(&self.build).take()?;
        Some(build(site))
    }

    /// Reconfigures a node; see [`Renew`]. `None` if the operator cannot be reconfigured.
    pub(crate) fn renew(&self, inlet: &dyn Inlet, keeps: bool) -> Option<Result<(), BuildError>> {
        let renew = lock(&self.renew).take()?;
        Some(renew(inlet, keeps))
    }
}

#[cold]
fn used_up() -> BuildError {
    BuildError::new("blueprint", "a node has been made of it already")
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
