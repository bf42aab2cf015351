//! The end of a process's standard error.

use std::io::{self, Read};
use std::process::ChildStderr;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Maximum size of the text, in bytes.
const LIMIT: usize = 8 * 1024;

/// How long to wait for the end of standard error after the process has exited: another process may still hold it open.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads standard error to its end on a separate thread, so that the process never blocks on it.
pub(super) struct StderrTail {
    kept: Arc<Mutex<Tail>>,
    ended: Receiver<()>,
}

#[derive(Default)]
struct Tail {
    bytes: Vec<u8>,
    /// Whether text before `bytes` was dropped.
    cut: bool,
}

impl StderrTail {
    pub(super) fn keep(mut stderr: ChildStderr) -> io::Result<Self> {
        let kept = Arc::new(Mutex::new(Tail::default()));
        let (end, ended) = mpsc::channel::<()>();
        let writer = Arc::clone(&kept);
        thread::Builder::new()
            .name("thalweg stderr".to_owned())
            .spawn(move || {
                let _end = end;
                let mut buffer = [0; LIMIT];
                while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                    writer
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(&buffer[..count]);
                }
            })?;
        Ok(Self { kept, ended })
    }

    /// The kept text, from its first whole line on.
    pub(super) fn text(self) -> String {
        // A timeout leaves what has been read so far.
        let _ = self.ended.recv_timeout(PATIENCE);
        self.kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .text()
    }
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() > LIMIT {
            self.bytes.drain(..self.bytes.len() - LIMIT);
            self.cut = true;
        }
    }

    fn text(&self) -> String {
        let start = match self.bytes.iter().position(|&byte| byte == b'\n') {
            Some(at) if self.cut => at + 1,
            _ => 0,
        };
        String::from_utf8_lossy(&self.bytes[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_starts_at_a_complete_line() {
        let mut kept = Tail::default();
        kept.push(b"first\n");
        assert_eq!(kept.text(), "first\n");
        for line in 0..10_000 {
            kept.push(format!("line {line}\n").as_bytes());
        }
        assert!(kept.bytes.len() <= LIMIT);
        assert!(kept.text().starts_with("line "));
        assert!(kept.text().ends_with("line 9998\nline 9999\n"));
    }

    #[test]
    fn a_line_longer_than_the_tail_is_truncated() {
        let mut kept = Tail::default();
        kept.push(&[b'x'; 3 * LIMIT]);
        assert_eq!(kept.text(), "x".repeat(LIMIT));
    }
}
