use pyo3::prelude::*;
use thalweg::{Acks, Emit};

use super::{Node, Parts};
use crate::batch::Elements;
use crate::emission::{self, Emission};
use crate::hop::{self, Begun};
use crate::metadata;
use crate::pipeline::Mode;
use crate::value::Value;

#[pymethods]
impl Node {
    /// `emit`, with all it can take; see `fast_emit`.
    #[pyo3(name = "_emit_with", signature = (x, asynchronous=false, metadata=None))]
    pub(super) fn emit(
        &self,
        py: Python<'_>,
        x: Bound<'_, PyAny>,
        asynchronous: bool,
        metadata: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        parts.current.set(py, x.as_unbound());
        let acks = match metadata {
            None => Acks::none(),
            metadata => metadata::to_acks(metadata)?,
        };
        if parts.pipeline().mode() == Mode::NoLoop {
            let emit = parts.out.emit_with_acks(Value::from(x), acks);
            if emit.is_ready() {
                emission::finished(py, emit)?;
                return Ok(py.None());
            }
            return parts.without_loop(py, emit);
        }
        parts.emit_with_loop(py, Value::from(x), acks, asynchronous)
    }

    /// Sends an element on this thread, and returns what there is to await: nothing, or one awaitable.
    #[pyo3(name = "_emit", signature = (x, metadata=None))]
    fn emit_here(
        &self,
        py: Python<'_>,
        x: Bound<'_, PyAny>,
        metadata: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Py<PyAny>>> {
        let parts = self.parts()?;
        parts.current.set(py, x.as_unbound());
        let acks = metadata::to_acks(metadata)?;
        let emit = parts.out.relay(Value::from(x), acks);
        parts.awaitables(py, emit)
    }

    /// Hands an element to this node as if it came from above; returns what there is to await.
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
        let of_its_own = match who {
            Some(who) => parts.inlet.door(who.get().parts()?.out.node_id()),
            None => None,
        };
        let emit = match &of_its_own {
            Some(door) => door.relay(Value::from(x), acks),
            None => parts.door(py)?.relay(Value::from(x), acks),
        };
        parts.awaitables(py, emit)
    }

    /// Sends all elements of an iterable: cheaper than one by one where nothing has to wait.
    ///
    /// Every element is sent, whatever happens to those before it; failures are raised together.
    #[pyo3(signature = (elements, asynchronous=false))]
    fn emit_many(
        &self,
        py: Python<'_>,
        elements: &Bound<'_, PyAny>,
        asynchronous: bool,
    ) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        let elements = Elements::new(elements, &parts.current)?;
        let problem = elements.problem();
        let result = parts.emit_all(py, elements, asynchronous);
        // An error of the iterable's own comes before what happened to its elements.
        match problem(py) {
            Some(error) => Err(error),
            None => result,
        }
    }
}

impl Parts {
    /// Begins an emission where the pipeline's functions are called, and returns what `emit` does.
    pub(crate) fn begin(
        &self,
        py: Python<'_>,
        begin: impl FnOnce() -> Emit + Send + 'static,
    ) -> PyResult<Py<PyAny>> {
        let pipeline = self.pipeline();
        match pipeline.event_loop() {
            None => {
                let emit = begin();
                if !emit.is_ready() {
                    return self.without_loop(py, emit);
                }
                emission::finished(py, emit)?;
                Ok(py.None())
            }
            Some(event_loop) if pipeline.mode() == Mode::Here || event_loop.is_here(py) => {
                Emission::of(py, begin(), event_loop)
            }
            Some(event_loop) => {
                hop::wait(py, event_loop, move || Begun::Emit(begin()))?;
                Ok(py.None())
            }
        }
    }

    /// An emission that has to wait, where there was no event loop when it began.
    #[cold]
    pub(super) fn without_loop(&self, py: Python<'_>, emit: Emit) -> PyResult<Py<PyAny>> {
        let Err(emit) = emit.wait_within() else {
            return Ok(py.None());
        };
        match self.pipeline().event_loop() {
            // A function has returned something to await: there is a loop now.
            Some(event_loop) => hop::wait(py, event_loop, move || Begun::Emit(emit)),
            // Nobody but this thread could make it go on: it is not to wait, and as with streamz
            // the element waits alone.
            None => Ok(()),
        }?;
        Ok(py.None())
    }

    #[inline]
    fn emit_with_loop(
        &self,
        py: Python<'_>,
        x: Value,
        acks: Acks,
        asynchronous: bool,
    ) -> PyResult<Py<PyAny>> {
        let pipeline = self.pipeline();
        let Some(event_loop) = pipeline.event_loop() else {
            return Err(super::unmade());
        };
        if pipeline.mode() == Mode::Here || asynchronous || event_loop.is_here(py) {
            let emit = self.out.emit_with_acks(x, acks);
            return Emission::of(py, emit, event_loop);
        }
        let out = self.out.clone();
        if thalweg::is_inside_pipeline() {
            // This thread must not wait: it is inside another pipeline.
            event_loop.call(Box::new(move |_| {
                drop(out.emit_with_acks(x, acks));
                Ok(())
            }));
            return Ok(py.None());
        }
        hop::wait(py, event_loop, move || {
            Begun::Emit(out.emit_with_acks(x, acks))
        })?;
        Ok(py.None())
    }

    fn emit_all(
        &self,
        py: Python<'_>,
        elements: Elements,
        asynchronous: bool,
    ) -> PyResult<Py<PyAny>> {
        let pipeline = self.pipeline();
        let out = self.out.clone();
        match pipeline.event_loop() {
            Some(event_loop)
                if pipeline.mode() == Mode::Here || asynchronous || event_loop.is_here(py) =>
            {
                let completion = out.emit_many(elements);
                Emission::of_completion(py, Box::pin(completion), event_loop)
            }
            Some(event_loop) => {
                hop::wait(py, event_loop, move || {
                    Begun::Other(Box::pin(out.emit_many(elements)))
                })?;
                Ok(py.None())
            }
            None => self.emit_all_without_loop(py, elements),
        }
    }

    fn emit_all_without_loop(&self, py: Python<'_>, elements: Elements) -> PyResult<Py<PyAny>> {
        let mut problems = Vec::new();
        let result = self.out.emit_many(elements).wait_with(|emit| {
            problems.extend(self.without_loop(py, emit).err());
            Ok(())
        });
        crate::interrupt::check()?;
        result.map_err(|error| crate::failure::raise(py, &error))?;
        problems
            .into_iter()
            .next()
            .map_or_else(|| Ok(py.None()), Err)
    }

    /// What there is to await of an emission on this thread.
    fn awaitables(&self, py: Python<'_>, emit: Emit) -> PyResult<Vec<Py<PyAny>>> {
        if emit.is_ready() {
            emission::finished(py, emit)?;
            return Ok(Vec::new());
        }
        match self.pipeline().event_loop() {
            Some(event_loop) => Ok(vec![Emission::of(py, emit, event_loop)?]),
            None => self.without_loop(py, emit).map(|_| Vec::new()),
        }
    }
}
