//! Places guarded by the GIL instead of a lock of their own.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use thalweg_tasks::host::look;

use crate::interpreter;

/// Runs `f` with the GIL, on a thread that may not have it. A thread that comes while the interpreter is
/// ending is stopped.
pub(crate) fn attach<R>(f: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
    let _visit = Visit::begin();
    let mut f = Some(f);
    let result = Python::try_attach(|py| f.take().map(|f| f(py)));
    match (result.flatten(), f) {
        (Some(result), _) => result,
        (None, Some(f)) => {
            interpreter::park_if_finalizing();
            Python::attach(f)
        }
        (None, None) => unreachable!("a function that was taken has been called"),
    }
}

/// Runs `f` without the GIL. If the interpreter is ending by then, the thread is stopped.
pub(crate) fn detach<R: Send>(py: Python<'_>, f: impl Send + FnOnce() -> R) -> R {
    py.detach(|| {
        let result = Visit::suspend(f);
        interpreter::park_if_finalizing();
        result
    })
}

/// Number of threads that wait for tasks, without the GIL.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Looks that take about as long as it takes from `submit` to `result`.
const HANDOVER: u32 = 128;

/// Runs `wait`, which waits for tasks, without the GIL.
pub(crate) fn detach_to_wait<R: Send>(py: Python<'_>, wait: impl Send + FnOnce() -> R) -> R {
    struct Waits;

    impl Drop for Waits {
        fn drop(&mut self) {
            WAITING.fetch_sub(1, Ordering::Relaxed);
        }
    }

    detach(py, || {
        WAITING.fetch_add(1, Ordering::Relaxed);
        let _waits = Waits;
        wait()
    })
}

/// Waits a moment for the thread that submitted a task to wait for it, which releases the GIL.
///
/// A thread that asks for the GIL earlier is put to sleep and woken again, and that takes longer than a small task.
pub(crate) fn await_handover() {
    look(HANDOVER, || WAITING.load(Ordering::Relaxed) > 0);
}

/// Runs what may take long and can be stopped anywhere, a user's function: nobody waits for it at the end.
pub(crate) fn unawaited<R>(f: impl FnOnce() -> R) -> R {
    Visit::suspend(f)
}

/// How many threads of ours are in Python.
static VISITORS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// How many visits this thread is making, one within the other.
    static VISITS: Cell<usize> = const { Cell::new(0) };
}

/// How long is waited for visitors at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// The time in which a thread of ours is in Python. The interpreter must not end meanwhile: it would unwind the
/// thread, which no frame in Rust survives.
struct Visit;

impl Visit {
    fn begin() -> Self {
        let visits = VISITS.get();
        VISITS.set(visits + 1);
        if visits == 0 {
            VISITORS.fetch_add(1, Ordering::SeqCst);
        }
        Self
    }

    /// Leaves for a while.
    fn suspend<R>(f: impl FnOnce() -> R) -> R {
        struct Return(usize);

        impl Drop for Return {
            fn drop(&mut self) {
                VISITS.set(self.0);
                VISITORS.fetch_add(1, Ordering::SeqCst);
            }
        }

        let visits = VISITS.replace(0);
        if visits == 0 {
            return f();
        }
        VISITORS.fetch_sub(1, Ordering::SeqCst);
        let _return = Return(visits);
        f()
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let visits = VISITS.get() - 1;
        VISITS.set(visits);
        if visits == 0 {
            VISITORS.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Waits a moment for threads of ours that are in Python: the last thing that is done before the interpreter ends.
#[pyfunction]
pub(crate) fn await_visitors(py: Python<'_>) {
    py.detach(|| {
        let end = Instant::now() + FAREWELL;
        while VISITORS.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_micros(50));
        }
    });
}

/// Runs `f` with the GIL, which this thread holds: what is called by a node of a pipeline.
///
/// Threads come into pipelines of this module from Python alone, and while they block, without the GIL,
/// they call no node.
#[inline(always)]
pub(crate) fn held<R>(f: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
    #[cfg(debug_assertions)]
    return Python::attach(f);
    // SAFETY: the caller is called by a node, see above. Asking for the GIL again is safe as well, which
    // is what a debug build does, but two of these per node are a tenth of what a small function costs.
    #[cfg(not(debug_assertions))]
    unsafe {
        f(Python::assume_attached())
    }
}

/// Blocks without the GIL, so that those that this thread waits for can go on.
pub(crate) fn without(block: thalweg::Blocking<'_>) {
    struct Block<'a>(thalweg::Blocking<'a>);

    // SAFETY: `detach` runs it on the thread it comes from; it asks for `Send` to keep the GIL's token
    // out.
    unsafe impl Send for Block<'_> {}

    impl Block<'_> {
        fn run(&mut self) {
            (self.0)();
        }
    }

    let mut block = Block(block);
    attach(|py| detach(py, || block.run()));
}

// There is no stable ABI without the GIL, and this module is built for the stable ABI.

/// A place for one object. Every node writes one for every element: a lock would show.
pub(crate) struct Place(UnsafeCell<Option<Py<PyAny>>>);

// SAFETY: every access takes a `Python` token, which proves that the thread holds the GIL, and
// keeps no reference to what is inside while other code can run.
unsafe impl Sync for Place {}

impl Place {
    pub(crate) const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    pub(crate) const fn of(object: Py<PyAny>) -> Self {
        Self(UnsafeCell::new(Some(object)))
    }

    /// What is there, or `None`.
    #[inline]
    pub(crate) fn bound<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let object = self.get(py).unwrap_or_else(|| py.None());
        object.into_bound(py)
    }

    /// Puts something else there; returns what was there before.
    #[inline]
    pub(crate) fn replace(&self, _: Python<'_>, object: Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        // SAFETY: the GIL is held, and no other code runs until `replace` returns.
        unsafe { std::mem::replace(&mut *self.0.get(), object) }
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        // SAFETY: the GIL is held, and counting a reference runs no other code.
        unsafe { (*self.0.get()).as_ref().map(|object| object.clone_ref(py)) }
    }

    /// Shows what is there to the collector, which holds the GIL.
    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the collector holds the GIL, and visiting runs no code but its own.
        unsafe { visit.call(&*self.0.get()) }
    }
}

/// The contents of a Python object: put in once, and taken out again only by the collector.
pub(crate) struct Contents<T>(UnsafeCell<Option<T>>);

// SAFETY: filled and taken with the GIL held. A reference to what is inside lives no longer than a
// borrow of the object; the collector takes the contents only of objects that nothing refers to
// any more, while whoever borrows an object holds a reference to it.
unsafe impl<T: Sync + Send> Sync for Contents<T> {}

impl<T> Contents<T> {
    pub(crate) const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Option<&T> {
        // SAFETY: see above: it is there for as long as `self` is borrowed.
        unsafe { (*self.0.get()).as_ref() }
    }

    /// Puts the contents in; gives them back if there are some already.
    pub(crate) fn fill(&self, _: Python<'_>, contents: T) -> Result<(), T> {
        // SAFETY: the GIL is held, and nobody can have a reference into an empty place.
        let place = unsafe { &mut *self.0.get() };
        if place.is_some() {
            return Err(contents);
        }
        *place = Some(contents);
        Ok(())
    }

    /// Takes the contents out, to be called when nothing refers to the object any more (`tp_finalize`,
    /// `tp_clear`).
    pub(crate) fn clear(&self) -> Option<T> {
        // SAFETY: nothing refers to the object any more, so nobody has borrowed it.
        unsafe { (*self.0.get()).take() }
    }
}
