//! Operators on their way from Python's arguments to nodes of the engine.

use std::marker::PhantomData;
use std::sync::Mutex;

use pyo3::prelude::*;
use thalweg::view::Counters;
use thalweg::{Element, Error, Failure, Fault, IntoOperator, OnError, Operator, Stream, Transform};

use crate::current::Current;
use crate::function::Function;
use crate::lock::lock;
use crate::value::Value;

/// Where a node is to be built.
pub(crate) struct Site {
    /// What it is attached to.
    pub(crate) upstream: Stream<Value>,
    pub(crate) current: Current,
    /// A weak reference to the node in Python.
    pub(crate) node: Py<PyAny>,
}

/// A node that has been built: one node of the engine, or one and its finishing.
pub(crate) struct Made {
    pub(crate) inlet: Box<dyn Inlet>,
    pub(crate) out: Stream<Value>,
}

/// Where elements come in.
pub(crate) trait Inlet: Send + Sync {
    /// The engine's number for the node.
    fn id(&self) -> u64;
    fn set_name(&self, name: String);
    fn set_policy(&self, policy: OnError);
    fn errors(&self) -> Stream<Failure>;
    fn counters(&self) -> Counters;
    fn attach(&self, from: &Stream<Value>) -> Result<(), Error>;
    fn detach(&self, from: &Stream<Value>) -> Result<(), Error>;
    fn destroy(&self);
}

impl<T: Element> Inlet for Stream<T> {
    fn id(&self) -> u64 {
        self.node_id()
    }

    fn set_name(&self, name: String) {
        drop(self.clone().named(name));
    }

    fn set_policy(&self, policy: OnError) {
        drop(self.clone().on_error(policy));
    }

    fn errors(&self) -> Stream<Failure> {
        Stream::errors(self)
    }

    fn counters(&self) -> Counters {
        Stream::counters(self)
    }

    fn attach(&self, from: &Stream<Value>) -> Result<(), Error> {
        from.connect(self)
    }

    fn detach(&self, from: &Stream<Value>) -> Result<(), Error> {
        from.disconnect(self)
    }

    fn destroy(&self) {
        Stream::destroy(self);
    }
}

type Build = Box<dyn FnOnce(Site) -> Made + Send>;

/// An operator and its arguments, to be built once its upstream is known.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(crate) struct Blueprint {
    build: Mutex<Option<Build>>,
    /// What the user gave it to call.
    pub(crate) function: Option<Function>,
    pub(crate) needs_loop: bool,
    pub(crate) is_sink: bool,
}

impl Blueprint {
    pub(crate) fn new(build: impl FnOnce(Site) -> Made + Send + 'static) -> Self {
        Self {
            build: Mutex::new(Some(Box::new(build))),
            function: None,
            needs_loop: false,
            is_sink: false,
        }
    }

    /// A transform that takes note of what it sends by itself.
    pub(crate) fn transform<T>(make: impl FnOnce(Current) -> T + Send + 'static) -> Self
    where
        T: Transform<In = Value, Out = Value>,
    {
        Self::new(move |site| {
            let stream = site.upstream.transform(make(site.current));
            Made {
                inlet: Box::new(stream.clone()),
                out: stream,
            }
        })
    }

    /// An operator that passes on elements as they are.
    pub(crate) fn passing<O>(operator: O) -> Self
    where
        O: IntoOperator + Send + 'static,
        O::Operator: Operator<In = Value, Out = Value>,
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
        O::Operator: Operator<In = Value, Out = U>,
    {
        Self::new(move |site| {
            let stream = site.upstream.apply(operator);
            Made::finished(stream, site.current, finish)
        })
    }

    pub(crate) fn calling(mut self, function: Function) -> Self {
        self.function = Some(function);
        self
    }

    pub(crate) fn on_loop(mut self) -> Self {
        self.needs_loop = true;
        self
    }

    pub(crate) fn sink(mut self) -> Self {
        self.is_sink = true;
        self
    }

    /// Builds the node; `None` if that has been done.
    pub(crate) fn build(&self, site: Site) -> Option<Made> {
        let build = lock(&self.build).take()?;
        Some(build(site))
    }
}

impl Made {
    /// A node, and what makes its results into objects and takes note of them.
    pub(crate) fn finished<U: Element>(
        stream: Stream<U>,
        current: Current,
        mut finish: impl FnMut(Python<'_>, U) -> PyResult<Value> + Send + 'static,
    ) -> Self {
        let out = stream.transform(Finish(move |result| {
            Python::attach(|py| finish(py, result).map(|value| current.note(py, value)))
        }, PhantomData));
        Self {
            inlet: Box::new(stream),
            out,
        }
    }
}

/// Makes an operator's results into Python objects.
struct Finish<U, F>(F, PhantomData<fn(U)>);

impl<U, F> Transform for Finish<U, F>
where
    U: Element,
    F: FnMut(U) -> PyResult<Value> + Send + 'static,
{
    type In = U;
    type Out = Value;
    const KIND: &'static str = "finish";

    fn apply(&mut self, x: U) -> Result<Option<Value>, Fault<U>> {
        (self.0)(x).map(Some).map_err(Fault::lost)
    }
}
