//! Runs the examples, which check their own output.

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
#[cfg(all(feature = "mongodb", feature = "sse"))]
#[path = "../examples/feed_to_mongodb.rs"]
mod feed_to_mongodb;
#[cfg(feature = "http-server")]
#[path = "../examples/five_slow_requests.rs"]
mod five_slow_requests;
#[cfg(feature = "kafka")]
#[path = "../examples/kafka_averages.rs"]
mod kafka_averages;
#[cfg(feature = "remote")]
#[path = "../examples/mirror.rs"]
mod mirror;
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

#[cfg(feature = "remote")]
#[test]
fn mirror() -> Result<(), BoxError> {
    mirror::main()
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

#[cfg(all(feature = "mongodb", feature = "sse"))]
#[test]
fn feed_to_mongodb() -> Result<(), BoxError> {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Command, Stdio};

    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(3).ok_or("it is in `target`")?;
    let program = target.join("services/ferretdb/ferretdb-sqlite");
    if !program.is_file() {
        let what = "there is no FerretDB; have `cargo xtask services up` build it";
        if std::env::var_os("THALWEG_TEST_SERVERS").is_some_and(|value| value == "required") {
            return Err(what.into());
        }
        eprintln!("skipped: {what}");
        return Ok(());
    }
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let dir = tempfile::tempdir()?;
    let mut server = Command::new(program);
    server.arg(address.to_string()).arg(dir.path());
    server.stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = server.spawn()?;
    let done = loop {
        if TcpStream::connect(address).is_ok() {
            break feed_to_mongodb::run(&format!("mongodb://{address}"));
        }
        if let Some(ended) = server.try_wait()? {
            return Err(format!("the server has ended: {ended}").into());
        }
        std::thread::yield_now();
    };
    server.kill()?;
    server.wait()?;
    assert_eq!(done?, (300, 100));
    Ok(())
}
