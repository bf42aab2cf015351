//! A time limit per element: work that takes too long is cancelled, and really stops; the element
//! is handled by the node's policy, and the next one starts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use thalweg::{BoxError, Stream};
use tokio::time::{sleep, timeout};

/// Counts running tasks, whether they finish or are cancelled.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits this many seconds, and prints it.
async fn block_then_print(seconds: u64, running: Running) {
    sleep(Duration::from_secs(seconds)).await;
    println!("{seconds} seconds have passed");
    drop(running);
}

/// Time is paused: tokio advances to the next timer whenever everything waits.
#[tokio::main(flavor = "current_thread", start_paused = true)]
pub(crate) async fn main() -> Result<(), BoxError> {
    let running = Arc::new(AtomicUsize::new(0));
    let tasks = running.clone();

    let source = Stream::new();
    let limited = source
        .try_sink_async(move |seconds| {
            let task = block_then_print(seconds, Running::begin(&tasks));
            timeout(Duration::from_secs(5), task)
        })
        .named("limited");
    let late = limited.stream().errors().sink_to_list();
    for seconds in [1, 10, 3] {
        source.emit(seconds).await?;
        assert_eq!(
            running.load(Ordering::Relaxed),
            0,
            "nothing is left running"
        );
    }

    let late = late.to_vec();
    println!("{}", late[0]);
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].element::<u64>(), Some(10));
    assert_eq!(
        late[0].to_string(),
        "`limited` failed on element 2: deadline has elapsed"
    );
    Ok(())
}
