//! Panics of users' functions and destructors.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Drops a user's value. A panic of its destructor must not end the thread, which has other tasks to run or to report.
pub(crate) fn dispose<T>(value: T) {
    contain(|| drop(value));
}

/// Makes a call whose panic is nobody's to handle.
pub(crate) fn contain(call: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        // Its destructor may panic, too.
        std::mem::forget(payload);
    }
}

/// The message of a panic.
pub(crate) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("with something that is not text").to_owned();
    dispose(payload);
    text
}
