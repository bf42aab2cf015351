//! Elements that threads have left in queues which hold them back.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

/// A queue that may hold back elements.
pub(super) trait Holding: Send + Sync {
    /// Sends held-back elements; or, if more `may_come` soon, leaves them for a moment if batches take much longer.
    fn send_held(self: Arc<Self>, may_come: bool);
}

thread_local! {
    static HELD: RefCell<Vec<Weak<dyn Holding>>> = const { RefCell::new(Vec::new()) };
}

/// Records that a queue holds back elements of this thread.
pub(super) fn note(queue: &Arc<impl Holding + 'static>) {
    let address = Arc::as_ptr(queue).cast::<()>();
    HELD.with_borrow_mut(|held| {
        if !held.iter().any(|known| known.as_ptr().cast() == address) {
            held.push(Arc::downgrade(queue) as Weak<dyn Holding>);
        }
    });
}

/// Sends the elements that this thread has left in queues which hold them back: it is about to wait, and adds no more.
/// Without this, elements are held back for a moment.
pub fn send_held() {
    send(false);
}

/// The same for a thread that goes on with its event loop, where those may add more that it has just given room.
pub fn send_held_on_loop() {
    send(true);
}

fn send(may_come: bool) {
    let held = HELD.take();
    for queue in held.iter().filter_map(Weak::upgrade) {
        queue.send_held(may_come);
    }
}
