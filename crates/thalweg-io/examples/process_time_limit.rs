//! A time limit on blocking work in a separate process: a thread can't be stopped from outside, a
//! process can. Its output until then is kept.

use std::time::Duration;

use thalweg::{BoxError, Stream};
use thalweg_io::{Process, prelude::*};
use tokio::time::timeout;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), BoxError> {
    let lines = Stream::from_process(Process::shell("echo $$; exec sleep 1000"));
    let output = lines.sink_to_list();

    let ended = timeout(Duration::from_millis(200), lines.run("5s")).await;
    assert!(ended.is_err(), "it takes longer than it may");
    // Kills the process, and waits for its end.
    lines.drain("5s").await?;

    println!("{:?}", output.to_vec());
    #[cfg(target_os = "linux")]
    for id in output.to_vec() {
        assert!(!std::path::Path::new("/proc").join(id).exists());
    }
    Ok(())
}
