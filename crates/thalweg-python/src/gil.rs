//! Places guarded by the GIL instead of a lock of their own.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;

use pyo3::prelude::*;

use crate::interpreter;

/// Runs `f` with the GIL, on a thread that may not have it. A thread that comes while the interpreter is
/// ending is stopped.
pub(crate) fn attach<R>(f: impl for<'py> FnOnce(Python<'py>) -> R) -> R {
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
        let result = f();
        interpreter::park_if_finalizing();
        result
    })
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
