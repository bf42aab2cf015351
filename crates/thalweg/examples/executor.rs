//! Slow operations in parallel on the threads of an executor: five of a second each take one second,
//! not five.

use std::sync::Barrier;
use std::time::Duration;

use thalweg::{BoxError, EventLoop};

/// Passes only when all five have arrived: sequential operations would wait here for
/// ever.
static ALL_FIVE: Barrier = Barrier::new(5);

fn slow_operation(operation: u32) -> u32 {
    ALL_FIVE.wait();
    std::thread::sleep(Duration::from_millis(1));
    assert!(operation != 3, "operation {operation} went wrong");
    operation * operation
}

pub(crate) fn main() -> Result<(), BoxError> {
    // An event loop whose executor has five worker threads.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(5)
        .build()?;
    let event_loop = EventLoop::from_handle(runtime.handle().clone());

    // Queue the operations.
    let operations = (0..5).map(|n| event_loop.run_blocking(move || slow_operation(n)));
    let operations: Vec<_> = operations.collect();

    let mut results = Vec::new();
    for operation in operations {
        // Wait for this one to finish.
        match event_loop.block_on(operation)? {
            Ok(result) => results.push(Some(result)),
            Err(error) => {
                println!("{error}");
                results.push(None);
            }
        }
    }
    println!("{results:?}");
    assert_eq!(results, [Some(0), Some(1), Some(4), None, Some(16)]);
    Ok(())
}
