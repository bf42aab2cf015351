//! spike
mod value;
use pyo3::prelude::*;
use thalweg::Stream;
use value::Value;

#[pyclass(subclass, weakref, dict, frozen)]
struct Node { s: Stream<Value>, keep: std::sync::Mutex<Vec<Py<PyAny>>>, mode: std::sync::atomic::AtomicU8 }

#[inline(always)]
fn call(f: &Py<PyAny>, x: &Value) -> Result<Value, PyErr> {
    Python::attach(|py| f.bind(py).call1((x.bind(py),)).map(Value::from))
}
#[allow(unsafe_code)]
#[inline(always)]
fn call_ffi(f: &Py<PyAny>, x: &Value) -> Result<Value, PyErr> {
    Python::attach(|py| unsafe {
        let r = pyo3::ffi::PyObject_CallFunctionObjArgs(f.as_ptr(), x.object().as_ptr(), std::ptr::null_mut::<pyo3::ffi::PyObject>());
        Bound::from_owned_ptr_or_err(py, r).map(Value::from)
    })
}

#[pymethods]
impl Node {
    #[new]
    fn new() -> Self { Self { s: Stream::new(), keep: Default::default(), mode: Default::default() } }
    fn map(&self, f: Py<PyAny>, ffi: bool) -> Self {
        Self { s: if ffi { self.s.try_map(move |x: &Value| call_ffi(&f, x)) } else { self.s.try_map(move |x: &Value| call(&f, x)) }, keep: Default::default(), mode: Default::default() }
    }
    fn sink(&self, f: Py<PyAny>, ffi: bool) {
        let _ = if ffi { self.s.try_sink(move |x: &Value| call_ffi(&f, x).map(|_| ())) } else { self.s.try_sink(move |x: &Value| call(&f, x).map(|_| ())) };
    }
    #[pyo3(signature = (x, asynchronous=false, metadata=None))]
    fn emit(&self, x: Bound<'_, PyAny>, asynchronous: bool, metadata: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let _ = (asynchronous, metadata);
        self.s.emit(Value::from(x)).wait().map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))
    }
    fn emit_many(&self, xs: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut it = xs.try_iter()?;
        self.s.emit_many(std::iter::from_fn(move || it.next().and_then(|x| x.ok()).map(Value::from))).wait().map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))
    }
}

#[pymodule]
mod _thalweg {
    #[pymodule_export]
    use super::Node;
}
