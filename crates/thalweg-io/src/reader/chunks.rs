//! Blocking reads on a thread of their own, behind a bounded queue.

use std::io::{self, Read};
use std::thread;

use async_channel::{Receiver, Sender};

/// The most that one read brings.
const CHUNK: usize = 64 * 1024;

/// So many chunks may lie in the queue. After that the thread waits, and whoever writes at the
/// other end waits for it.
const QUEUE: usize = 4;

/// Chunks in the order they were read; closed at the end of the input or after an error.
pub(crate) struct Chunks<E>(Receiver<Result<Vec<u8>, E>>);

impl<E: Send + 'static> Chunks<E> {
    /// Reads `source` on a thread of this name until it ends, and then calls `finish` there. The thread ends with its
    /// next read when the chunks are dropped.
    pub(crate) fn read(
        thread_name: &str,
        source: impl Read + Send + 'static,
        finish: impl FnOnce(io::Result<()>) -> Result<(), E> + Send + 'static,
    ) -> io::Result<Self> {
        let (sender, receiver) = async_channel::bounded(QUEUE);
        thread::Builder::new()
            .name(thread_name.to_owned())
            .spawn(move || {
                if let Err(error) = finish(forward(source, &sender)) {
                    // Nobody receives any more.
                    let _ = sender.send_blocking(Err(error));
                }
            })?;
        Ok(Self(receiver))
    }

    /// The next chunk, or `None` at the end. Cancel-safe.
    pub(crate) async fn next(&self) -> Option<Result<Vec<u8>, E>> {
        self.0.recv().await.ok()
    }
}

/// Returns when `source` ends, or nobody receives any more.
fn forward<E>(mut source: impl Read, sender: &Sender<Result<Vec<u8>, E>>) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match source.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                if sender
                    .send_blocking(Ok(buffer[..count].to_owned()))
                    .is_err()
                {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Endless, and counts its reads.
    struct Counting(Arc<AtomicUsize>);

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.fetch_add(1, Ordering::SeqCst);
            buffer[0] = b'x';
            Ok(1)
        }
    }

    #[test]
    fn reading_stops_when_the_queue_is_full() {
        let reads = Arc::new(AtomicUsize::new(0));
        let chunks = Chunks::read("test", Counting(Arc::clone(&reads)), |end| end);
        let chunks = chunks.expect("a thread can be started");
        for taken in 1..10_000 {
            assert!(matches!(pollster::block_on(chunks.next()), Some(Ok(_))));
            // The received chunk, the queue, the one waiting to enter it, and the read after that.
            assert!(reads.load(Ordering::SeqCst) <= taken + QUEUE + 2);
        }
    }

    #[test]
    fn the_thread_drops_its_source_when_the_receiver_is_gone() {
        let reads = Arc::new(AtomicUsize::new(0));
        let (done, ended) = std::sync::mpsc::channel::<()>();
        let chunks = Chunks::read("test", Counting(Arc::clone(&reads)), move |end| {
            drop(done);
            end
        });
        drop(chunks);
        assert!(ended.recv().is_err());
    }
}
