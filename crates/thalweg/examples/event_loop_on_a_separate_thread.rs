//! A pipeline with an event loop on a separate thread: `emit` blocks the caller until the pipeline
//! is ready.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, ThreadId};
use std::time::Duration;

use thalweg::{Error, EventLoop, Stream};

/// A blocking function, not made for asynchronous use.
fn increment(x: i32) -> i32 {
    thread::sleep(Duration::from_millis(1));
    x + 1
}

/// Writes to a database, asynchronously.
async fn write(x: i32, database: Sender<(i32, ThreadId)>) {
    tokio::time::sleep(Duration::from_millis(2)).await;
    println!("{x}");
    let row = (x, thread::current().id());
    database.send(row).expect("the database is there");
}

pub(crate) fn main() -> Result<(), Error> {
    let (database, rows) = channel();

    let source = Stream::on(EventLoop::thread());
    source
        .map(increment)
        .rate_limit("5ms")
        .sink_async(move |x| write(x, database.clone()));
    for x in 0..10 {
        source.emit(x).wait()?; // blocks until the pipeline is ready
        // The row is in the database now.
        let (row, writer) = rows.try_recv().expect("the row has been written");
        assert_eq!(row, x + 1);
        assert_ne!(writer, thread::current().id());
    }
    Ok(())
}
