//! Operators on their way from Python's arguments to nodes of the engine.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;
use thalweg::view::{Counters, Latency};
use thalweg::{
    BuildError, Element, Emit, Error, InletKey, IntoOperator, OnError, OpenJoin, Operator,
    OperatorError, Reconfigure, Stream, Transform,
};

use crate::function::Function;
use crate::gil::{self, Place};
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::ops::join;
use crate::value::Value;

/// Where a node is to be built.
pub(crate) struct BuildContext {
    /// The stream it is attached to.
    pub(crate) upstream: Stream<Value>,
    pub(crate) current: LastValue,
    /// A weak reference to the node in Python.
    pub(crate) node: Py<PyAny>,
}

/// A node that has been built: one node of the engine, or one and its finishing.
pub(crate) struct Made {
    pub(crate) inlet: Box<dyn Inlet>,
    /// A node between the two.
    pub(crate) between: Option<Box<dyn Traverse>>,
    pub(crate) out: Stream<Value>,
}

/// A node of the engine that may keep Python objects.
pub(crate) trait Traverse: Send + Sync {
    /// Shows what it keeps; whether it could.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool;

    /// How many elements are on their way in it; `None` if somebody is at work inside the pipeline.
    fn in_flight(&self) -> Option<usize>;

    /// Makes a node that collects send what it has; `None` for other nodes.
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
}

impl<U: Element> Traverse for OpenJoin<Value, U> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        self.stream().traverse(visit)
    }

    fn in_flight(&self) -> Option<usize> {
        self.stream().in_flight()
    }
}

/// Where elements come in.
pub(crate) trait Inlet: Traverse {
    /// The engine's number for the node.
    fn id(&self) -> u64;
    fn set_name(&self, name: String);
    fn set_policy(&self, policy: OnError);
    fn counters(&self) -> Counters;
    fn latency(&self) -> Option<Latency>;
    /// Adds an edge; returns the number of the inlet it made, if inlets are told apart.
    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error>;
    /// Puts a value in the place of an inlet, if there are such.
    fn attach_literal(&self, value: Value);
    /// Makes the node the first to get what `from` sends.
    fn move_to_first(&self, from: &Stream<Value>) -> Result<(), Error>;
    fn detach(&self, from: &Stream<Value>) -> Result<(), Error>;
    /// The node of the engine, for who knows its type.
    fn as_any(&self) -> &dyn Any;
    /// The elements at each inlet of a join, in order.
    fn lanes(&self) -> Option<Vec<Vec<Value>>> {
        None
    }
    /// The way in for what comes from an upstream, where it is handed in by other means.
    fn door(&self, _upstream: u64) -> Option<Stream<Value>> {
        None
    }
}

/// What a node is besides its ways in, which `$stream` gives.
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

/// Ways into a node that makes no difference between them.
impl<T: Element> Inlet for Stream<T> {
    as_stream!(self => self);

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        from.connect(self).map(|()| None)
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

/// Gives a node that was built of the same operator its settings; with false also its state, which is a new one.
type Renew = Box<dyn FnOnce(&dyn Inlet, bool) -> Result<(), BuildError> + Send>;

/// An operator and its arguments, to be built once its upstream is known.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Blueprint {
    build: Mutex<Option<Build>>,
    renew: Mutex<Option<Renew>>,
    /// The user's function.
    pub(crate) function: Option<Function>,
    /// Objects that it keeps outside the engine.
    pub(crate) state: Vec<State>,
    pub(crate) needs_loop: bool,
    pub(crate) is_sink: bool,
    /// Whether nodes are attached to it once it is built, each by an inlet of its own; a simple node
    /// is built onto the first.
    pub(crate) joins: bool,
    /// Whether a node that is attached twice has two inlets, each of which gets every element.
    pub(crate) repeats: bool,
    /// The upstream at each inlet, if the node wants to know.
    pub(crate) callers: UpstreamRefs,
    pub(crate) passage: Passage,
    /// Where the result of a sink's function is put for the node to look at, if somebody else has called it.
    pub(crate) sink_result: Option<Arc<Place>>,
}

/// The streams that an element passes on its way through a node.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Passage {
    /// Functions, which are called where that was promised; or so it may be.
    #[default]
    Functions,
    /// Nothing of the user's.
    Straight,
    /// Nothing, and it gets no further by itself.
    Ends,
}

/// An object that an operator's function keeps, for the node in Python to show to the collector.
/// Nothing else is done under the lock than taking it out or putting it in.
pub(crate) type State = Arc<Mutex<Option<Value>>>;

/// The nodes behind the inlets of a node, by the inlets' numbers.
pub(crate) type UpstreamRefs = Arc<Mutex<Vec<(usize, Py<PyWeakrefReference>)>>>;

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

    /// A transform that takes note of what it sends by itself.
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

    /// An operator that passes on elements as they are.
    pub(crate) fn passing<O>(operator: O) -> Self
    where
        O: IntoOperator + Send + 'static,
        O::Operator: Operator<In = Value, Out = Value> + Reconfigure,
    {
        Self::finished(operator, |_, x| Ok(x))
    }

    /// An operator whose results are made into objects by `finish`.
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

    /// A node that sends elements of type `U` and whose operator can get the settings of another one.
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

    /// A node whose inlets are told apart.
    pub(crate) fn joining(mut self, callers: UpstreamRefs) -> Self {
        self.joins = true;
        self.callers = callers;
        self
    }

    /// One whose inlets are told apart even if the same node is behind several.
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

    /// Builds the node; `None` if that has been done.
    pub(crate) fn build(&self, site: BuildContext) -> Option<Made> {
        let build = lock(&self.build).take()?;
        Some(build(site))
    }

    /// Gives a node its settings; see [`Renew`]. `None` if such a node can't take others.
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
    /// A node, and what makes its results into objects and takes note of them.
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

/// Kind of the nodes that make results into Python objects.
pub(crate) const FINISH: &str = "finish";

/// Makes an operator's results into Python objects.
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
