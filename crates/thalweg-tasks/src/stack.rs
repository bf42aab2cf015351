//! How much stack the engine's threads have.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Bytes of stack for threads to come; 0: as many as the standard library gives.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// Gives threads that are started from now on that many bytes of stack. They run functions of users', whose
/// language may expect more than the standard library gives.
///
/// ```
/// thalweg_tasks::host::set_stack_size(8 << 20);
/// ```
pub fn set_stack_size(bytes: usize) {
    STACK.store(bytes, Ordering::Relaxed);
}

/// Builder of threads that may run user code, with the stack Python's have.
pub(crate) fn thread(name: impl Into<String>) -> Builder {
    let builder = Builder::new().name(name.into());
    match STACK.load(Ordering::Relaxed) {
        0 => builder,
        bytes => builder.stack_size(bytes),
    }
}
