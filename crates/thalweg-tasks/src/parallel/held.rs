//! What threads have left in queues that hold it back for more to come.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// A queue that may hold back elements.
pub(super) trait Holding: Send + Sync {
    /// Sends what is held back.
    fn send_held(self: Arc<Self>);
}

thread_local! {
    static HELD: RefCell<Vec<Weak<dyn Holding>>> = const { RefCell::new(Vec::new()) };
}

/// Takes note that a queue holds back what this thread has left there.
pub(super) fn note(queue: &Arc<impl Holding + 'static>) {
    let address = Arc::as_ptr(queue).cast::<()>();
    HELD.with_borrow_mut(|held| {
        if !held.iter().any(|known| known.as_ptr().cast() == address) {
            held.push(Arc::downgrade(queue) as Weak<dyn Holding>);
        }
    });
}

/// Sends what this thread has left in queues that hold it back: it is going to wait, and brings no more. Without it,
/// elements are held back for a moment.
pub fn send_held() {
    let held = HELD.take();
    for queue in held.iter().filter_map(Weak::upgrade) {
        queue.send_held();
    }
}
