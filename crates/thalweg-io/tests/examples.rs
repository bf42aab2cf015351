//! Runs the examples, which assert what they say.

#![cfg(all(unix, feature = "process", feature = "tokio"))]

use thalweg::BoxError;

#[path = "../examples/blocking_reads.rs"]
mod blocking_reads;
#[cfg(feature = "http-client")]
#[path = "../examples/crawl.rs"]
mod crawl;
#[cfg(all(feature = "sqlite", feature = "sse"))]
#[path = "../examples/feed_to_database.rs"]
mod feed_to_database;
#[cfg(feature = "http-server")]
#[path = "../examples/five_slow_requests.rs"]
mod five_slow_requests;
#[cfg(feature = "kafka")]
#[path = "../examples/kafka_averages.rs"]
mod kafka_averages;
#[path = "../examples/process_time_limit.rs"]
mod process_time_limit;

#[test]
fn blocking_reads() -> Result<(), BoxError> {
    blocking_reads::main()
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_averages() -> Result<(), BoxError> {
    kafka_averages::main()
}

#[test]
fn process_time_limit() -> Result<(), BoxError> {
    process_time_limit::main()
}

#[cfg(all(feature = "sqlite", feature = "sse"))]
#[test]
fn feed_to_database() -> Result<(), BoxError> {
    feed_to_database::main()
}

#[cfg(feature = "http-client")]
#[test]
fn crawl() -> Result<(), BoxError> {
    crawl::main()
}

#[cfg(feature = "http-server")]
#[test]
fn five_slow_requests() -> Result<(), BoxError> {
    five_slow_requests::main()
}
