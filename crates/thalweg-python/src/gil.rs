//! Acquiring and releasing the GIL, and data guarded by the GIL instead of a lock.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use thalweg_tasks::host::look;

use crate::interpreter;

/// Runs `f` with the GIL, on a thread that may not hold it. If the interpreter is ending, the thread is parked.
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

/// Runs `f` without the GIL. If the interpreter is ending afterwards, the thread is parked.
pub(crate) fn detach<R: Send>(py: Python<'_>, f: impl Send + FnOnce() -> R) -> R {
    py.detach(|| {
        let result = Visit::suspend(f);
        interpreter::park_if_finalizing();
        result
    })
}

/// Number of threads that wait for tasks without the GIL.
static WAITING: AtomicUsize = AtomicUsize::new(0);

/// Spins for about the time from `submit` to `result`.
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
/// A thread that asks for the GIL before that is put to sleep and woken, which takes longer than a small task.
pub(crate) fn await_handover() {
    look(HANDOVER, || WAITING.load(Ordering::Relaxed) > 0);
}

/// Runs a user function, which may take long and can be stopped anywhere: the program's end does not wait for it.
pub(crate) fn unawaited<R>(f: impl FnOnce() -> R) -> R {
    Visit::suspend(f)
}

/// Number of the engine's threads that are in Python.
static VISITORS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Nesting depth of this thread's visits.
    static VISITS: Cell<usize> = const { Cell::new(0) };
}

/// Time limit for visits at the end.
const FAREWELL: Duration = Duration::from_millis(200);

/// A visit to Python by a thread of the engine. The interpreter must not end during a visit: it would unwind the
/// thread, which no Rust frame survives.
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

    /// Suspends the visit.
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

/// Called in a forked process: the other threads, and the pipelines that this thread is inside, are the parent's.
#[pyfunction]
pub(crate) fn note_fork() {
    VISITORS.store((VISITS.get() > 0).into(), Ordering::SeqCst);
    thalweg::note_fork();
}

/// Waits a moment for the engine's threads that are in Python. This is the last step before the interpreter ends.
#[pyfunction]
pub(crate) fn await_visitors(py: Python<'_>) {
    py.detach(|| {
        let end = Instant::now() + FAREWELL;
        while VISITORS.load(Ordering::SeqCst) > 0 && Instant::now() < end {
            std::thread::sleep(Duration::from_micros(50));
        }
    });
}

/// Runs `f` with the GIL, which this thread holds because a node of a pipeline called it.
///
/// Threads enter pipelines of this module only from Python, and call no node while they block without the GIL.
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

/// Blocks without the GIL, so that the threads it waits for can go on.
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

/// A slot for one object. Every node writes one for every element, so that a lock would be noticeable.
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

    /// The object, or `None`.
    #[inline]
    pub(crate) fn bound<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        let object = self.get(py).unwrap_or_else(|| py.None());
        object.into_bound(py)
    }

    /// Replaces the object; returns the previous one.
    #[inline]
    pub(crate) fn replace(&self, _: Python<'_>, object: Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        // SAFETY: the GIL is held, and no other code runs until `replace` returns.
        unsafe { std::mem::replace(&mut *self.0.get(), object) }
    }

    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        // SAFETY: the GIL is held, and counting a reference runs no other code.
        unsafe { (*self.0.get()).as_ref().map(|object| object.clone_ref(py)) }
    }

    /// Shows the object to the garbage collector, which holds the GIL.
    pub(crate) fn visit(&self, visit: &pyo3::PyVisit<'_>) -> Result<(), pyo3::PyTraverseError> {
        // SAFETY: the collector holds the GIL, and visiting runs no code but its own.
        unsafe { visit.call(&*self.0.get()) }
    }
}

/// The contents of a Python object: set once, and taken only by the garbage collector.
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

    /// Sets the contents; returns them if there are some already.
    pub(crate) fn fill(&self, _: Python<'_>, contents: T) -> Result<(), T> {
        // SAFETY: the GIL is held, and nobody can have a reference into an empty place.
        let place = unsafe { &mut *self.0.get() };
        if place.is_some() {
            return Err(contents);
        }
        *place = Some(contents);
        Ok(())
    }

    /// Takes the contents. Called when nothing refers to the object any more (`tp_finalize`, `tp_clear`).
    pub(crate) fn clear(&self) -> Option<T> {
        // SAFETY: nothing refers to the object any more, so nobody has borrowed it.
        unsafe { (*self.0.get()).take() }
    }
}
