//! A pipeline on the program's own event loop: awaiting `emit` waits until the pipeline is ready.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use thalweg::{Error, Stream};

/// A blocking function, not made for asynchronous use.
fn increment(x: i32) -> i32 {
    thread::sleep(Duration::from_millis(1));
    x + 1
}

/// Writes to a database, asynchronously.
async fn write(x: i32, database: Arc<Mutex<Vec<i32>>>) {
    tokio::time::sleep(Duration::from_millis(200)).await;
    println!("{x}");
    database.lock().expect("no writer panics").push(x);
}

/// With paused time, tokio advances to the next timer whenever everything waits. Otherwise this takes
/// five seconds.
#[tokio::main(flavor = "current_thread", start_paused = true)]
pub(crate) async fn main() -> Result<(), Error> {
    let database = Arc::new(Mutex::new(Vec::new()));
    let rows = database.clone();
    let begin = tokio::time::Instant::now();

    let source = Stream::new();
    source
        .map(increment)
        .rate_limit("500ms")
        .sink_async(move |x| write(x, rows.clone()));
    for x in 0..10 {
        source.emit(x).await?; // waits until the pipeline is ready
    }

    let rows: Vec<i32> = (1..=10).collect();
    assert_eq!(*database.lock().expect("no writer panics"), rows);
    // Nine intervals from the first row to the last, and the time of the last insertion.
    assert_eq!(begin.elapsed().as_millis() / 100, 47);
    Ok(())
}
