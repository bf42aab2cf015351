//! Runs a source written in Rust for a node in Python, on the pipeline's event loop.
//!
//! The source has its own graph of two nodes, with the clock, the switch and the reporting of failures that it needs.
//! Elements that it emits there are collected until it next yields; then the batch goes into the pipeline, and the
//! source is not polled until the pipeline has accepted it.

use std::error::Error;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyWeakrefMethods, PyWeakrefReference};
use thalweg::view::PositionView;
use thalweg::{
    Acks, BoxError, Element, Emit, EmitResult, Emitter, Failure, Never, Operator, Sink, Source,
    Stop, Stream, UpdateMany,
};

use super::error::to_exception;
use super::wake::{poll_without_gil, suspend};
use crate::event_loop::EventLoop;
use crate::gil;
use crate::iterable::Elements;
use crate::last_value::LastValue;
use crate::lock::lock;
use crate::node::Node;
use crate::upcalls;
use crate::value::Value;
use crate::{failure, interrupt};

/// A source that can be run for Python.
pub(crate) trait Sourced: Source {
    /// The next of the elements it holds that would not be emitted if it did not continue: for a file, a last line
    /// without an ending.
    fn rest(&mut self) -> Result<Option<Self::Item>, BoxError> {
        Ok(None)
    }
}

/// Converts an element to an object, or drops it.
type Convert<T> = Box<dyn Fn(Python<'_>, T) -> PyResult<Option<Value>> + Send + Sync>;

/// Emits an element by itself into the stream; returns the emission, and the receiver of its result.
type EmitOne<T> =
    Box<dyn Fn(Python<'_>, T, &Stream<Value>) -> PyResult<(Emit, Tell)> + Send + Sync>;

/// Receives the result of an element.
pub(super) type Tell = Box<dyn FnOnce(&Result<(), thalweg::Error>) + Send>;

/// How elements enter the pipeline.
enum Way<T> {
    /// In batches.
    Together(Convert<T>),
    /// One by one: somebody waits for the result of each.
    OneByOne(EmitOne<T>),
}

/// Builds the source's graph on an event loop.
type Build = Box<dyn FnOnce(&EventLoop, Arc<BuildContext>) -> Arc<dyn Switch> + Send>;

/// A source written in Rust, which the node in Python starts and stops.
#[pyclass(frozen, module = "thalweg._thalweg.sources")]
pub(crate) struct RustSource {
    state: Mutex<State>,
    site: Arc<BuildContext>,
}

enum State {
    New(Option<Build>),
    Built(Arc<dyn Switch>, EventLoop),
}

/// Start and stop of a source.
trait Switch: Send + Sync {
    fn start(&self) -> Result<(), thalweg::Error>;
    fn stop(&self);
    fn move_to(&self, event_loop: &EventLoop) -> Result<(), thalweg::Error>;
    fn positions(&self) -> Vec<PositionView>;
}

impl<T: Element> Switch for Stream<T> {
    fn start(&self) -> Result<(), thalweg::Error> {
        Stream::start(self)
    }

    fn stop(&self) {
        Stream::stop(self);
    }

    fn move_to(&self, event_loop: &EventLoop) -> Result<(), thalweg::Error> {
        self.run_on(event_loop.handle())
    }

    fn positions(&self) -> Vec<PositionView> {
        Stream::positions(self)
    }
}

/// The node in Python.
#[derive(Default)]
struct BuildContext {
    run: Mutex<Option<Run>>,
    /// Whether it is to emit its remaining elements before it stops.
    is_ending: AtomicBool,
}

/// One run.
struct Run {
    out: Stream<Value>,
    event_loop: EventLoop,
    /// A weak reference to the node in Python.
    node: Py<PyWeakrefReference>,
    /// The asyncio future of the end of the run.
    over: Py<PyAny>,
}

impl RustSource {
    pub(crate) fn new<S: Sourced>(
        source: S,
        convert: impl Fn(Python<'_>, S::Item) -> PyResult<Option<Value>> + Send + Sync + 'static,
    ) -> Self {
        Self::going(source, Way::Together(Box::new(convert)))
    }

    /// A source with a receiver for the result of each element.
    pub(super) fn answering<S: Sourced>(
        source: S,
        emit_one: impl Fn(Python<'_>, S::Item, &Stream<Value>) -> PyResult<(Emit, Tell)>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::going(source, Way::OneByOne(Box::new(emit_one)))
    }

    fn going<S: Sourced>(source: S, way: Way<S::Item>) -> Self {
        let build: Build = Box::new(move |event_loop, site| {
            let gathered = Arc::new(Mutex::new(Vec::new()));
            let bridged = Bridged {
                source,
                way,
                gathered: gathered.clone(),
                site: site.clone(),
            };
            let stream = Stream::from_source_on(bridged, event_loop.handle());
            let _sink = Sink::from(stream.apply(Gather(gathered)));
            stream.on_unhandled(move |failure: Failure| {
                gil::attach(|py| site.failed(py, failure.cause()));
            });
            Arc::new(stream)
        });
        Self {
            state: Mutex::new(State::New(Some(build))),
            site: Arc::default(),
        }
    }
}

#[pymethods]
impl RustSource {
    /// Runs the source until it ends or is stopped: elements go to `node`, failures to the node's `_fail`. Returns the
    /// asyncio future to wait for.
    ///
    /// # Errors
    /// It is running, or the pipeline has no event loop.
    fn run(&self, py: Python<'_>, node: &Bound<'_, Node>) -> PyResult<Py<PyAny>> {
        let parts = node.get().parts()?;
        let event_loop = parts.pipeline().need_loop(py)?;
        let over = future_on(&event_loop, py)?;
        let run = Run {
            out: parts.out.clone(),
            event_loop: event_loop.clone(),
            node: PyWeakrefReference::new(node.as_any())?.unbind(),
            over: over.clone_ref(py),
        };
        let mut current = lock(&self.site.run);
        if current.is_some() {
            return Err(pyo3::exceptions::PyRuntimeError::new_err(
                "the source runs already",
            ));
        }
        *current = Some(run);
        drop(current);
        self.site.is_ending.store(false, Ordering::Relaxed);
        let started = self
            .switch(&event_loop)
            .and_then(|switch| {
                let shown = Arc::downgrade(&switch);
                let positions = move || Some(shown.upgrade()?.positions());
                parts
                    .out
                    .show_positions(move |_now| positions().unwrap_or_default());
                switch.start()
            })
            .map_err(|error| failure::raise(py, &error));
        if let Err(error) = started {
            drop(lock(&self.site.run).take());
            return Err(error);
        }
        Ok(over)
    }

    /// Returns an asyncio future of the end of the current run, if there is one: its event loop has been closed before it
    /// had stopped, and it continues on the next loop. Nobody waits for its own future any more.
    ///
    /// # Errors
    /// The pipeline has no event loop.
    fn end_of_run(&self, py: Python<'_>, node: &Bound<'_, Node>) -> PyResult<Option<Py<PyAny>>> {
        let event_loop = node.get().parts()?.pipeline().need_loop(py)?;
        let over = future_on(&event_loop, py)?;
        let before = match &mut *lock(&self.site.run) {
            None => return Ok(None),
            Some(run) => std::mem::replace(&mut run.over, over.clone_ref(py)),
        };
        drop(before);
        Ok(Some(over))
    }

    /// Stops the source, after emitting its remaining elements if it `is_ending`.
    #[pyo3(signature = (is_ending=false))]
    fn stop(&self, is_ending: bool) {
        self.site.is_ending.store(is_ending, Ordering::Relaxed);
        let switch = match &*lock(&self.state) {
            State::Built(switch, _) => switch.clone(),
            State::New(_) => return,
        };
        switch.stop();
    }
}

impl RustSource {
    /// The source's switch, on this event loop.
    fn switch(&self, event_loop: &EventLoop) -> Result<Arc<dyn Switch>, thalweg::Error> {
        let mut state = lock(&self.state);
        let switch = match &mut *state {
            State::Built(switch, before) => {
                if !before.is_same(event_loop) {
                    switch.move_to(event_loop)?;
                    *before = event_loop.clone();
                }
                return Ok(switch.clone());
            }
            State::New(build) => {
                let build = build.take().expect("it is built once");
                build(event_loop, self.site.clone())
            }
        };
        *state = State::Built(switch.clone(), event_loop.clone());
        Ok(switch)
    }
}

fn future_on(event_loop: &EventLoop, py: Python<'_>) -> PyResult<Py<PyAny>> {
    event_loop.object(py).call_method0(py, "create_future")
}

impl BuildContext {
    /// Passes a failure to the node, whose policy handles it.
    fn failed(&self, py: Python<'_>, cause: &(dyn Error + Send + Sync + 'static)) {
        let exception = to_exception(py, cause);
        self.tell(py, "_fail", &exception);
    }

    /// Compiles the pipeline, if this many elements are worth it.
    fn settle(&self, py: Python<'_>, elements: usize) {
        let node = match &*lock(&self.run) {
            Some(run) => run.node.clone_ref(py),
            None => return,
        };
        let node = node.bind(py).upgrade();
        let node = node.and_then(|node| node.cast_into::<Node>().ok());
        let settled = node.map(|node| node.get().parts()?.settle(py, elements));
        if let Some(Err(error)) = settled {
            interrupt::keep(error);
        }
    }

    /// Passes an element's result to its receiver, and logs a failure, when it is known, whether or not the source is
    /// still running.
    fn follow(&self, emit: Emit, tell: Tell) {
        let Some(event_loop) = lock(&self.run).as_ref().map(|run| run.event_loop.clone()) else {
            return;
        };
        event_loop.run(async move {
            let result = emit.await;
            tell(&result);
            let Err(error) = result else {
                return;
            };
            gil::attach(|py| {
                let raised = failure::raise(py, &error);
                let value = failure::value_of(py, &raised);
                let node = error.failures().first().map(Failure::node);
                if !error.is_closed()
                    && let Err(problem) = upcalls::STREAMS.call(py, "log_failure", (value, node))
                {
                    problem.write_unraisable(py, None);
                }
            });
        });
    }

    fn tell(&self, py: Python<'_>, method: &str, error: &PyErr) {
        let node = match &*lock(&self.run) {
            Some(run) => run.node.clone_ref(py),
            None => return,
        };
        if let Some(node) = node.bind(py).upgrade()
            && let Err(problem) = node.call_method1(method, (failure::value_of(py, error),))
        {
            problem.write_unraisable(py, None);
        }
    }

    fn end(&self, result: PyResult<()>) {
        gil::attach(|py| {
            let Some(run) = lock(&self.run).take() else {
                return;
            };
            let over = run.over.bind(py);
            let resolved = (|| {
                if over.call_method0("done")?.is_truthy()? {
                    return result;
                }
                match result {
                    Ok(()) => over.call_method1("set_result", (py.None(),)),
                    Err(error) => {
                        over.call_method1("set_exception", (failure::value_for_future(py, &error),))
                    }
                }
                .map(drop)
            })();
            if let Err(error) = resolved {
                error.write_unraisable(py, None);
            }
        });
    }
}

/// Elements with their tokens.
type Gathered<T> = Arc<Mutex<Vec<(T, Acks)>>>;

/// Collects the elements that a source emits.
struct Gather<T>(Gathered<T>);

impl<T: Element> Operator for Gather<T> {
    type In = T;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "gather";
    const SINK: bool = true;
    const CLOSES: bool = false;
    const UPDATE_MANY: Option<UpdateMany<Self>> = Some(|gather, xs, cx| {
        let acks = cx.acks();
        lock(&gather.0).extend(xs.map(|x| (x, acks.clone())));
    });

    fn update(&mut self, x: T, cx: &mut thalweg::Context<'_, Self>) -> EmitResult {
        lock(&self.0).push((x, cx.acks()));
        Ok(())
    }
}

/// A source whose elements are collected where it emits them, and passed on here.
struct Bridged<S: Source> {
    source: S,
    way: Way<S::Item>,
    gathered: Gathered<S::Item>,
    site: Arc<BuildContext>,
}

impl<S: Sourced> Source for Bridged<S> {
    type Item = S::Item;
    const KIND: &'static str = S::KIND;

    fn label(&self) -> Option<String> {
        self.source.label()
    }

    /// Ends as if it had been stopped, whatever has happened, so that it can be started again.
    async fn run(&mut self, out: &Emitter<S::Item>) -> Result<(), Stop> {
        let result = self.hand_on_all(out).await;
        self.site.end(result);
        Err(Stop::Stopped)
    }
}

impl<S: Sourced> Bridged<S> {
    async fn hand_on_all(&mut self, out: &Emitter<S::Item>) -> PyResult<()> {
        let Some(target) = self.site.target() else {
            return Ok(());
        };
        let hand_on = HandOn {
            target,
            way: &self.way,
            site: &self.site,
        };
        let ended = {
            let mut running = pin!(self.source.run(out));
            loop {
                let polled =
                    poll_fn(|cx| Poll::Ready(poll_without_gil(running.as_mut(), cx))).await;
                let batch = std::mem::take(&mut *lock(&self.gathered));
                let is_empty = batch.is_empty();
                hand_on.batch(batch).await?;
                match polled {
                    Poll::Ready(ended) => break ended,
                    // What it waits for wakes this, too.
                    Poll::Pending if is_empty => suspend(false).await,
                    Poll::Pending => suspend(true).await,
                }
            }
        };
        match ended {
            Ok(()) => Ok(()),
            Err(Stop::Failed(cause)) => Err(gil::attach(|py| to_exception(py, &*cause))),
            Err(Stop::Stopped) if self.site.is_ending.load(Ordering::Relaxed) => loop {
                match self.source.rest() {
                    Ok(Some(x)) => hand_on.batch(vec![(x, Acks::none())]).await?,
                    Ok(None) => return Ok(()),
                    Err(cause) => gil::attach(|py| self.site.failed(py, &*cause)),
                }
            },
            Err(Stop::Stopped) => Ok(()),
        }
    }
}

impl BuildContext {
    fn target(&self) -> Option<Stream<Value>> {
        lock(&self.run).as_ref().map(|run| run.out.clone())
    }
}

/// The entry of the pipeline.
struct HandOn<'a, T> {
    target: Stream<Value>,
    way: &'a Way<T>,
    site: &'a BuildContext,
}

impl<T> HandOn<'_, T> {
    /// Emits a batch, and waits until the pipeline has accepted it.
    ///
    /// # Errors
    /// The pipeline has been drained, or a function has raised an exception that is not an element's failure.
    async fn batch(&self, batch: Vec<(T, Acks)>) -> PyResult<()> {
        if batch.is_empty() {
            return Ok(());
        }
        let convert = match self.way {
            Way::Together(convert) => convert,
            Way::OneByOne(emit_one) => return self.one_by_one(batch, emit_one),
        };
        if batch.iter().all(|(_, acks)| acks.is_none()) {
            let list = gil::attach(|py| {
                self.site.settle(py, batch.len());
                self.list(py, batch, convert)
            })?;
            return self.emitted(list.emit(&self.target).await);
        }
        let values = gil::attach(|py| {
            self.site.settle(py, batch.len());
            self.values(py, batch, convert)
        });
        let mut values = values.into_iter();
        while let Some(emit) = self.as_many_as_go(&mut values)? {
            self.emitted(emit.await)?;
        }
        Ok(())
    }

    /// Emits elements, each with its tokens, up to the first that has to be waited for, with the GIL taken once for all
    /// of them.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    fn as_many_as_go(
        &self,
        values: &mut impl Iterator<Item = (Value, Acks)>,
    ) -> PyResult<Option<Emit>> {
        gil::attach(|_| {
            for (value, acks) in values {
                let emit = self.target.emit_with_acks(value, acks);
                if !emit.is_ready() {
                    return Ok(Some(emit));
                }
                self.emitted(emit.wait())?;
            }
            Ok(None)
        })
    }

    /// Reports failures downstream.
    fn emitted(&self, emitted: Result<(), thalweg::Error>) -> PyResult<()> {
        interrupt::check().map_err(interrupted)?;
        let Err(error) = emitted else {
            return Ok(());
        };
        gil::attach(|py| {
            let raised = failure::raise(py, &error);
            if error.is_closed() {
                return Err(raised);
            }
            self.site.tell(py, "_log", &raised);
            Ok(())
        })
    }

    /// Emits each element without waiting.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    fn one_by_one(&self, batch: Vec<(T, Acks)>, emit_one: &EmitOne<T>) -> PyResult<()> {
        gil::attach(|py| {
            self.site.settle(py, batch.len());
            for (x, _) in batch {
                let (emit, tell) = match emit_one(py, x, &self.target) {
                    Ok(emitted) => emitted,
                    Err(error) => {
                        self.site.tell(py, "_fail", &error);
                        continue;
                    }
                };
                interrupt::check().map_err(interrupted)?;
                if !emit.is_ready() {
                    self.site.follow(emit, tell);
                    continue;
                }
                let result = emit.wait();
                tell(&result);
                if let Err(error) = result {
                    let raised = failure::raise(py, &error);
                    if error.is_closed() {
                        return Err(raised);
                    }
                    self.site.tell(py, "_log", &raised);
                }
            }
            Ok(())
        })
    }

    fn list(
        &self,
        py: Python<'_>,
        batch: Vec<(T, Acks)>,
        convert: &Convert<T>,
    ) -> PyResult<Elements> {
        let list = PyList::empty(py);
        for (x, _) in batch {
            match convert(py, x) {
                Ok(Some(value)) => list.append(value.object())?,
                Ok(None) => {}
                Err(error) => self.site.tell(py, "_fail", &error),
            }
        }
        Elements::new(&list, &LastValue::new())
    }

    fn values(
        &self,
        py: Python<'_>,
        batch: Vec<(T, Acks)>,
        convert: &Convert<T>,
    ) -> Vec<(Value, Acks)> {
        let mut values = Vec::with_capacity(batch.len());
        for (x, acks) in batch {
            match convert(py, x) {
                Ok(value) => values.extend(value.map(|value| (value, acks))),
                Err(error) => self.site.tell(py, "_fail", &error),
            }
        }
        values
    }
}

/// An exception that is not a failure, in a form that differs from a cancelled source.
fn interrupted(error: PyErr) -> PyErr {
    gil::attach(|py| match upcalls::STREAMS.call(py, "Interrupted", ()) {
        Ok(made) => {
            let interrupted = PyErr::from_value(made);
            interrupted.set_cause(py, Some(error));
            interrupted
        }
        Err(problem) => problem,
    })
}
