use std::time::Duration;

use pyo3::prelude::*;
use thalweg::{Acks, Emit};

use super::{Node, Parts};
use crate::awaiting;
use crate::contention;
use crate::emission::{self, Emission, Waiting};
use crate::event_loop::{self, EventLoop};
use crate::iterable::Elements;
use crate::pipeline::{Mode, Way};
use crate::run_on_loop::{self, Begun};
use crate::upcalls;
use crate::value::Value;
use crate::{failure, gil, interpreter, interrupt, metadata};
use thalweg_tasks::host;

#[pymethods]
impl Node {
    /// `emit` with all its arguments; see `fast_emit`.
    #[pyo3(name = "_emit_with", signature = (x, asynchronous=false, metadata=None, timeout=None))]
    pub(super) fn emit(
        slf: &Bound<'_, Self>,
        x: Bound<'_, PyAny>,
        asynchronous: bool,
        metadata: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let limit = limit(timeout)?;
        let parts = slf.get().parts()?;
        Self::check_admitted(slf)?;
        parts.settle(py, 1)?;
        parts.note_current(py, x.as_unbound());
        let acks = match metadata {
            None => Acks::none(),
            metadata => metadata::to_acks(metadata)?,
        };
        if !asynchronous
            && limit.is_none()
            && let Some(event_loop) = parts.loop_to_bypass(py)?
        {
            let result = parts.emit_past_loop(x, acks, event_loop);
            Self::see_to_late(slf)?;
            return result;
        }
        let (out, x) = (parts.out.clone(), Value::from(x));
        // Without a loop nobody waits for the element, see `without_loop`, but perhaps for another thread.
        let on_loop = limit.filter(|_| asynchronous || parts.pipeline().place() != Mode::NoLoop);
        let begin = move || {
            let emit = out.emit_with_acks(x, acks);
            match on_loop {
                Some(limit) if !emit.is_ready() => Begun::Batch(Box::pin(out.within(limit, emit))),
                _ => Begun::Emit(emit),
            }
        };
        contention::limited(limit, || Self::begin(slf, asynchronous, begin))
    }

    /// Sends an element on this thread, and returns a list of one awaitable, or an empty one if there is nothing to
    /// wait for.
    #[pyo3(name = "_emit", signature = (x, metadata=None))]
    fn emit_here(
        &self,
        py: Python<'_>,
        x: Bound<'_, PyAny>,
        metadata: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let parts = self.parts()?;
        parts.settle(py, 1)?;
        parts.note_current(py, x.as_unbound());
        let acks = metadata::to_acks(metadata)?;
        let emit = parts.out.emit_internal(Value::from(x), acks);
        parts.awaitables(py, emit)
    }

    /// Passes an element to this node as if it came from upstream; returns a list of awaitables.
    #[pyo3(signature = (x, metadata=None, who=None))]
    fn _receive(
        &self,
        py: Python<'_>,
        x: Bound<'_, PyAny>,
        metadata: Option<&Bound<'_, PyAny>>,
        who: Option<&Bound<'_, Node>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let parts = self.parts()?;
        let acks = metadata::to_acks(metadata)?;
        let emit = parts.receive(py, who, Value::from(x), acks)?;
        parts.awaitables(py, emit)
    }

    /// Sends all elements of an iterable: cheaper than one by one where nothing has to wait.
    ///
    /// Every element is sent, whatever happens to those before it; failures are raised together. Without an event loop,
    /// Ctrl-C and exits end it.
    /// After `timeout` those that have not been taken are withdrawn, and no more are sent. With `progress` it is shown
    /// how many have been taken.
    #[pyo3(signature = (elements, asynchronous=false, timeout=None, progress=false))]
    fn emit_many(
        slf: &Bound<'_, Self>,
        elements: &Bound<'_, PyAny>,
        asynchronous: bool,
        timeout: Option<&Bound<'_, PyAny>>,
        progress: bool,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let limit = limit(timeout)?;
        let parts = slf.get().parts()?;
        Self::check_admitted(slf)?;
        parts.settle(py, MANY)?;
        let shown = match progress {
            true => Some(upcalls::VIEW.call(py, "of_elements", (elements,))?),
            false => None,
        };
        let elements = Elements::new(shown.as_ref().unwrap_or(elements), &parts.current)?;
        let problem = elements.problem();
        let result = if asynchronous || parts.pipeline().place() != Mode::NoLoop {
            let out = parts.out.clone();
            let begin = move || {
                let all = elements.emit(&out);
                match limit {
                    Some(limit) => Begun::Batch(Box::pin(out.within(limit, all))),
                    None => Begun::Batch(Box::pin(all)),
                }
            };
            contention::limited(limit, || Self::begin(slf, asynchronous, begin))
        } else {
            let result = contention::limited(limit, || parts.emit_all_without_loop(py, elements));
            Self::see_to_late(slf)?;
            result
        };
        // An error of the iterable itself comes before failures of its elements.
        match problem(py) {
            Some(error) => Err(error),
            None => result,
        }
    }
}

/// Assumed number of elements of an iterable.
const MANY: usize = 64;

/// A duration passed from Python.
fn limit(timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    let Some(timeout) = timeout.filter(|timeout| !timeout.is_none()) else {
        return Ok(None);
    };
    let arguments = (timeout, "emit", "timeout");
    let checked = upcalls::STREAMS.call(timeout.py(), "check_interval", arguments)?;
    crate::interval::seconds(checked.extract()?).map(Some)
}

impl Node {
    /// Checks that an element is admitted. While pipelines are drained together, only their functions may emit, also
    /// into one that has been drained.
    ///
    /// # Errors
    /// The element comes from elsewhere.
    fn check_admitted(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if slf.get().parts()?.pipeline().mode() != Mode::Ending {
            return Ok(());
        }
        if is_served(py)? {
            return upcalls::STREAMS.call(py, "open_again", (slf,)).map(drop);
        }
        Err(failure::closed(py))
    }

    /// Begins an emission as [`Parts::begin`] does, also after the pipelines were drained at the program's end: exit
    /// handlers, and tasks that still run, may emit. Inside a pipeline nothing waits: the drain of that pipeline drains
    /// this one as well.
    fn begin(
        slf: &Bound<'_, Self>,
        asynchronous: bool,
        begin: impl FnOnce() -> Begun + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let parts = slf.get().parts()?;
        if parts.pipeline().mode() != Mode::Ended || !is_served(py)? {
            let begun = parts.begin(py, asynchronous, begin);
            Self::see_to_late(slf)?;
            return begun.inspect_err(|_| stop_at_end(py));
        }
        upcalls::STREAMS.call(py, "reopen", (slf,))?;
        let result = parts.begin(py, asynchronous, begin);
        Self::drain_again(slf)?;
        result
    }

    /// Sees to it that an element is drained which has come just when the drain at the end of the program was over.
    #[inline]
    pub(super) fn see_to_late(slf: &Bound<'_, Self>) -> PyResult<()> {
        // A function may have forked: what it has returned or raised matters in the new process, too.
        let parts = slf.get().parts_anywhere()?;
        if parts.pipeline().mode() == Mode::Ended && parts.out.has_late_elements() {
            Self::drain_again(slf)?;
        }
        Ok(())
    }

    #[cold]
    fn drain_again(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if interpreter::is_finalizing() {
            // A finalizer emits, and there will be no other drain.
            let holds_elements = slf.get().parts_anywhere()?.pipeline_holds_elements(py)?;
            return match holds_elements {
                true => interpreter::check_running(),
                false => Ok(()),
            };
        }
        if !thalweg::is_inside_pipeline() && event_loop::running(py)?.is_none() {
            upcalls::STREAMS.call(py, "drain_again", (slf,))?;
        }
        Ok(())
    }
}

/// Whether the program's end waits for the emitting code: a pipeline function, a task, or an exit handler.
fn is_served(py: Python<'_>) -> PyResult<bool> {
    if interpreter::ends_here() || thalweg::is_inside_pipeline() || host::runs_task() {
        return Ok(true);
    }
    if event_loop::running(py)?.is_none() {
        return Ok(false);
    }
    upcalls::STREAMS.call(py, "is_in_call", ())?.is_truthy()
}

/// Parks a thread whose element was refused because the program is ending, unless the end waits for the thread. Only
/// daemon threads are left then, and writing an error while the interpreter is torn down would crash it.
#[cold]
pub(crate) fn stop_at_end(py: Python<'_>) {
    let is_alone = !thalweg::is_inside_pipeline()
        && !host::runs_task()
        && event_loop::running(py).is_ok_and(|running| running.is_none());
    if interpreter::ends_elsewhere() && is_alone {
        gil::detach(py, || interpreter::park());
    }
}

impl Parts {
    /// Begins an emission where the pipeline's functions run, and returns the result of `emit`.
    pub(crate) fn begin(
        &self,
        py: Python<'_>,
        asynchronous: bool,
        begin: impl FnOnce() -> Begun + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        let pipeline = self.pipeline();
        let is_bound = pipeline.event_loop().is_some();
        let awaited = asynchronous || pipeline.place() == Mode::Here;
        let event_loop = match pipeline.way_in(py, asynchronous)? {
            Way::Here(event_loop) => event_loop,
            Way::Blocking(event_loop) if !thalweg::is_inside_pipeline() => {
                run_on_loop::wait(py, &event_loop, begin)?;
                return if awaited {
                    Emission::done(py, None)
                } else {
                    Ok(py.None())
                };
            }
            // Inside another pipeline nothing may wait.
            Way::Blocking(event_loop) | Way::Across(event_loop) => {
                let emission = run_on_loop::across(&event_loop, begin)?;
                return if awaited {
                    Emission::cross_thread(py, emission)
                } else {
                    Ok(py.None())
                };
            }
        };
        if let Some(event_loop) = event_loop.as_ref().filter(|_| !is_bound) {
            self.run_on(py, event_loop)?;
        }
        match begin() {
            Begun::Emit(emit) if event_loop.is_some() => {
                Emission::of(py, emit, event_loop.as_ref())
            }
            Begun::Emit(emit) if emit.is_ready() => {
                emission::finished(py, emit)?;
                if awaited {
                    Emission::done(py, None)
                } else {
                    Ok(py.None())
                }
            }
            Begun::Emit(emit) if awaited => Emission::of(py, emit, pipeline.event_loop()),
            Begun::Emit(emit) => self.without_loop(py, emit),
            Begun::Batch(completion) => {
                Emission::of_completion(py, completion, Waiting::Batch, event_loop.as_ref())
            }
            Begun::Other(completion) => {
                Emission::of_completion(py, completion, Waiting::Other, event_loop.as_ref())
            }
        }
    }

    /// Whether a node of the pipeline has elements that have not arrived.
    fn pipeline_holds_elements(&self, py: Python<'_>) -> PyResult<bool> {
        let pipeline = self.pipeline();
        let ids: Vec<_> = pipeline.ids().into_iter().map(|(id, _)| id).collect();
        for node in pipeline.find(py, &ids) {
            let parts = node.cast::<Node>()?.get().parts_anywhere()?;
            if parts.in_flight() != Some(0) || parts.kept_for_sink() > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Assigns the nodes to the loop, if they have none.
    fn run_on(&self, py: Python<'_>, event_loop: &EventLoop) -> PyResult<()> {
        self.out
            .run_on(event_loop.handle())
            .map_err(|error| failure::raise(py, &error))
    }

    /// An emission that has to wait, begun without an event loop.
    #[cold]
    pub(super) fn without_loop(&self, py: Python<'_>, emit: Emit) -> PyResult<Py<PyAny>> {
        let Err(emit) = emit.wait_within() else {
            return Ok(py.None());
        };
        let is_own = awaiting::waits_for_own_loop();
        match self.pipeline().event_loop() {
            // As in streamz, it is completed when this thread's loop goes on.
            Some(_) if is_own => Ok(()),
            // A function returned an awaitable: there is a loop now.
            Some(event_loop) => run_on_loop::wait(py, event_loop, move || Begun::Emit(emit)),
            // Only this thread could complete it: as in streamz, the element waits alone.
            None => Ok(()),
        }?;
        Ok(py.None())
    }

    fn emit_all_without_loop(&self, py: Python<'_>, elements: Elements) -> PyResult<Py<PyAny>> {
        let mut problems = Vec::new();
        let elements = elements.until_interrupt();
        let result = elements.emit(&self.out).wait_with(|emit| {
            problems.extend(self.without_loop(py, emit).err());
            Ok(())
        });
        interrupt::check()?;
        result.map_err(|error| failure::raise(py, &error))?;
        problems
            .into_iter()
            .next()
            .map_or_else(|| Ok(py.None()), Err)
    }

    /// The awaitable of an emission on this thread.
    fn awaitables(&self, py: Python<'_>, emit: Emit) -> PyResult<Vec<Py<PyAny>>> {
        if emit.is_ready() {
            emission::finished(py, emit)?;
            return Ok(Vec::new());
        }
        match self.pipeline().event_loop() {
            Some(event_loop) => Ok(vec![Emission::of(py, emit, Some(event_loop))?]),
            None => self.without_loop(py, emit).map(|_| Vec::new()),
        }
    }
}
