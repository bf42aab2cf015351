//! Stack size of threads that run Python.

use pyo3::prelude::*;
use thalweg_tasks::host::set_stack_size;

/// Default stack size in bytes: the usual one on Linux.
const USUAL: usize = 8 << 20;

/// Gives new threads the stack size of Python's own threads, so that unlimited recursion ends with `RecursionError`
/// instead of a crash.
pub(crate) fn set_size(py: Python<'_>) -> PyResult<()> {
    let asked: usize = py
        .import("threading")?
        .call_method0("stack_size")?
        .extract()?;
    set_stack_size(if asked > 0 { asked } else { usual(py) });
    Ok(())
}

/// Limit of the main thread's stack, which the system also applies to other threads.
fn usual(py: Python<'_>) -> usize {
    let limit = || -> PyResult<usize> {
        let resource = py.import("resource")?;
        let which = resource.getattr("RLIMIT_STACK")?;
        let (soft, _): (i64, i64) = resource.call_method1("getrlimit", (which,))?.extract()?;
        // Unlimited is -1.
        Ok(usize::try_from(soft).unwrap_or(USUAL))
    };
    limit().unwrap_or(USUAL)
}
