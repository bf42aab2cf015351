//! Traces through Python: a tracer object there receives spans of elements.

use std::any::Any;
use std::sync::Arc;

use pyo3::prelude::*;
use thalweg::trace::{Span, TraceContext, TracedNode, Tracer};

use crate::blueprint::FINISH;
use crate::gil;
use crate::node::Node;
use crate::parallel::UNWRAP;

#[pymethods]
impl Node {
    /// Traces elements of the pipeline: `tracer.begin(name, number, kind, parent, state)` returns a span, or None.
    fn _trace(&self, tracer: Py<PyAny>, one_in: u32) -> PyResult<()> {
        self.parts()?.out.trace(PyTracer(tracer), one_in);
        Ok(())
    }

    /// Stops tracing.
    fn _untrace(&self) -> PyResult<()> {
        self.parts()?.out.untrace();
        Ok(())
    }
}

/// Kinds of the engine's additional nodes, which traces leave out.
const HELPERS: [&str; 2] = [FINISH, UNWRAP];

struct PyTracer(Py<PyAny>);

impl Tracer for PyTracer {
    fn begin(&self, node: &TracedNode<'_>, parent: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
        let parent_text = parent.map(ToString::to_string);
        let state = parent.and_then(TraceContext::state);
        gil::attach(|py| {
            let args = (node.name, node.id, node.kind, parent_text, state);
            let begun = self.0.bind(py).call_method1("begin", args);
            let begun = said(py, begun).filter(|begun| !begun.is_none())?;
            Some(Arc::new(PySpan::of(Some(begun))) as Arc<dyn Span>)
        })
    }
}

/// A span; none if Python raised.
struct PySpan(Option<Arc<Begun>>);

/// A span, ended on drop, with the methods `visit`, `run`, `enter`, `leave`, `context`, `fail` and `end`.
struct Begun(Option<Py<PyAny>>);

impl PySpan {
    fn of(span: Option<Bound<'_, PyAny>>) -> Self {
        Self(span.map(|span| Arc::new(Begun(Some(span.unbind())))))
    }

    /// Calls a method; `None` if it raises, or there is no span.
    fn call<'py>(
        &self,
        py: Python<'py>,
        method: &str,
        args: impl pyo3::call::PyCallArgs<'py>,
    ) -> Option<Bound<'py, PyAny>> {
        let span = self.0.as_ref()?.0.as_ref()?.bind(py);
        said(py, span.call_method1(method, args))
    }
}

/// The returned value. An exception goes to `sys.unraisablehook`: tracing must not fail an element.
fn said<'py>(py: Python<'py>, result: PyResult<Bound<'py, PyAny>>) -> Option<Bound<'py, PyAny>> {
    result
        .map_err(|error| error.write_unraisable(py, None))
        .ok()
}

impl Span for PySpan {
    fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span> {
        if HELPERS.contains(&node.kind) {
            // What follows is part of this span.
            return Arc::new(Self(self.0.clone()));
        }
        gil::attach(|py| {
            let span = self.call(py, "visit", (node.name, node.id, node.kind));
            Arc::new(Self::of(span))
        })
    }

    fn run(&self, name: &str) -> Arc<dyn Span> {
        gil::attach(|py| {
            let span = self.call(py, "run", (name,));
            Arc::new(Self::of(span))
        })
    }

    fn enter(&self) -> Box<dyn Any> {
        gil::attach(|py| {
            let token = self.call(py, "enter", ());
            let begun = self.0.as_ref().and_then(|begun| begun.0.as_ref());
            let span = begun.map(|span| span.clone_ref(py));
            Box::new(Entered(span.zip(token.map(Bound::unbind))))
        })
    }

    fn context(&self) -> Option<TraceContext> {
        gil::attach(|py| {
            let told = self.call(py, "context", ())?;
            let (parent, state) = told.extract::<(Option<String>, Option<String>)>().ok()?;
            TraceContext::of_headers(parent.as_deref(), state.as_deref())
        })
    }

    fn fail(&self, error: &str) {
        gil::attach(|py| drop(self.call(py, "fail", (error,))));
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.0.is_some() {
            gil::attach(|py| {
                if let Some(span) = self.0.take() {
                    drop(said(py, span.bind(py).call_method0("end")));
                }
            });
        }
    }
}

/// The span that a thread works on, and the result of `enter`.
struct Entered(Option<(Py<PyAny>, Py<PyAny>)>);

impl Drop for Entered {
    fn drop(&mut self) {
        if let Some((span, token)) = self.0.take() {
            gil::attach(|py| {
                let left = span.bind(py).call_method1("leave", (token,));
                drop(said(py, left));
            });
        }
    }
}
