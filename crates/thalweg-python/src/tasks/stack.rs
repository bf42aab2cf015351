//! The stack of threads that run Python.

use pyo3::prelude::*;
use thalweg_tasks::host::set_stack_size;

/// Bytes of stack where neither the program nor the system says how many: what Linux gives usually.
const USUAL: usize = 8 << 20;

/// Gives threads that are started from now on as much stack as Python's own have: a recursion without end is to end
/// with `RecursionError`, and not with the process.
pub(crate) fn set_size(py: Python<'_>) -> PyResult<()> {
    let asked: usize = py
        .import("threading")?
        .call_method0("stack_size")?
        .extract()?;
    set_stack_size(if asked > 0 { asked } else { usual(py) });
    Ok(())
}

/// The limit of the main thread's stack, which the system gives other threads as well.
fn usual(py: Python<'_>) -> usize {
    let limit = || -> PyResult<usize> {
        let resource = py.import("resource")?;
        let which = resource.getattr("RLIMIT_STACK")?;
        let (soft, _): (i64, i64) = resource.call_method1("getrlimit", (which,))?.extract()?;
        // One without a limit is -1.
        Ok(usize::try_from(soft).unwrap_or(USUAL))
    };
    limit().unwrap_or(USUAL)
}
