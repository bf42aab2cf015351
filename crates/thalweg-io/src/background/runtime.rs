use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

/// Threads of the runtime: they wait for the network most of the time.
const THREADS: usize = 2;

/// The runtime, and the process that it was started in. A process that was forked has the memory of it, and none of its
/// threads: then it needs another.
static CURRENT: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// A task on the runtime, which ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running(Option<AbortHandle>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

#[cfg(any(feature = "http-server", feature = "mqtt", feature = "websocket"))]
impl Running {
    /// Has the task run to its end, whatever happens.
    pub(crate) fn detach(mut self) {
        self.0 = None;
    }
}

/// Has a task run on the runtime of the process.
///
/// # Errors
/// The system has no thread or descriptor left for the runtime.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<Running> {
    Ok(Running(Some(handle()?.spawn(task).abort_handle())))
}

/// The runtime of the process.
///
/// # Errors
/// As [`spawn`].
fn handle() -> io::Result<Handle> {
    let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((process, handle)) = &*current
        && *process == process::id()
    {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .thread_name("thalweg-io")
        .enable_all()
        .build()?;
    let handle = runtime.handle().clone();
    // It lives as long as the process. Dropped, it would wait for its threads: in a process that was forked, for ever.
    std::mem::forget(runtime);
    *current = Some((process::id(), handle.clone()));
    Ok(handle)
}
