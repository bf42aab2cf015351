use std::sync::{Arc, OnceLock};

use pyo3::prelude::*;
use thalweg::ops::Collector;

use super::parts::tuple;
use crate::blueprint::{Blueprint, Made};
use crate::node::Node;
use crate::value::Value;

/// What makes a collection send what it has.
#[pyclass(frozen, module = "thalweg._thalweg")]
pub(super) struct Flusher(Arc<OnceLock<Collector<Value>>>);

#[pymethods]
impl Flusher {
    /// Sends it, as the pipeline of `node` sends: returns what `emit` returns.
    fn flush(&self, py: Python<'_>, node: &Node) -> PyResult<Py<PyAny>> {
        match self.0.get() {
            Some(collector) => {
                let collector = collector.clone();
                node.parts()?.begin(py, move || collector.flush())
            }
            None => Ok(py.None()),
        }
    }
}

/// `collect`: keeps elements, the last `n` of them if it is given, until it is flushed.
#[pyfunction]
pub(super) fn collect(n: Option<usize>) -> (Blueprint, Flusher) {
    let collector = Arc::new(OnceLock::new());
    let flusher = Flusher(collector.clone());
    let blueprint = Blueprint::new(move |site| {
        let inlet = site.upstream.filter(|_| true);
        let made = match n {
            Some(n) => inlet.collect_last(n),
            None => inlet.collect(),
        };
        let out = Made::finished(made.stream().clone(), site.current, tuple).out;
        let _ = collector.set(made);
        Made {
            inlet: Box::new(inlet),
            out,
        }
    });
    (blueprint, flusher)
}
