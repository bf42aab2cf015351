use std::io;
use std::process;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::{Builder, Handle};
use tokio::task::AbortHandle;

/// Worker threads of the runtime. Two are enough, since tasks mostly wait for the network.
const THREADS: usize = 2;

/// The runtime and the id of the process that started it. A forked process inherits its memory but none of its threads,
/// and needs a new one.
static CURRENT: Mutex<Option<(u32, Handle)>> = Mutex::new(None);

/// A task on the runtime, aborted on drop.
#[derive(Debug)]
pub(crate) struct Running(Option<AbortHandle>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

#[cfg(any(
    feature = "http-server",
    feature = "kafka",
    feature = "mqtt",
    feature = "websocket"
))]
impl Running {
    /// Detaches the task, so that it runs to its end.
    pub(crate) fn detach(mut self) {
        self.0 = None;
    }
}

/// Spawns a task on the runtime of the process.
///
/// # Errors
/// The system has no thread or descriptor left for the runtime.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> io::Result<Running> {
    Ok(Running(Some(handle()?.spawn(task).abort_handle())))
}

/// Returns the runtime of the process, starting it if necessary.
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
    // Leaked on purpose: dropping it would wait for its threads, which in a forked process do not exist.
    std::mem::forget(runtime);
    *current = Some((process::id(), handle.clone()));
    Ok(handle)
}
