//! Hello World on an event loop: a callback is scheduled, runs on the loop, and ends the wait for it.

use thalweg::{BoxError, EventLoop, callback};

fn hello_world(stop: impl FnOnce(&'static str)) {
    println!("Hello World");
    stop("Hello World");
}

pub(crate) fn main() -> Result<(), BoxError> {
    let event_loop = EventLoop::thread();

    // Schedule a call to hello_world().
    let stopped = callback::future(|stop| event_loop.call_soon(|| hello_world(stop)));

    // Blocks until `stop` is called.
    let said = event_loop.block_on(stopped)??;
    assert_eq!(said, "Hello World");
    Ok(())
}
