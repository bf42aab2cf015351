//! Stack size of the engine's threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Builder;

/// Stack size of future threads, in bytes; 0 for the default of the standard library.
static STACK: AtomicUsize = AtomicUsize::new(0);

/// Sets the stack size of future threads, in bytes. They run users' functions, whose language may expect more than the
/// standard library's default.
///
/// ```
/// thalweg_tasks::host::set_stack_size(8 << 20);
/// ```
pub fn set_stack_size(bytes: usize) {
    STACK.store(bytes, Ordering::Relaxed);
}

/// Builder of threads that may run user code, with the stack size of Python's threads.
pub(crate) fn thread(name: impl Into<String>) -> Builder {
    let builder = Builder::new().name(name.into());
    match STACK.load(Ordering::Relaxed) {
        0 => builder,
        bytes => builder.stack_size(bytes),
    }
}
