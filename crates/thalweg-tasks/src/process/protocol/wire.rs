//! Messages between a process and its workers, and their encoding.

use crate::process::protocol::memory::{MemoryFile, read_all};
use crate::process::protocol::payload::{Body, Payload, end_of};
use crate::process::system::SharedFile;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;

/// Messages to a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) enum ToWorker<'a> {
    /// The first message. It carries a file, in which the worker records what it runs.
    Hello { threads: u32 },
    /// A function that tasks will call.
    Function {
        id: u64,
        #[serde(borrow)]
        code: Sent<'a>,
    },
    /// A value that tasks will need more than once.
    Value {
        id: u64,
        #[serde(borrow)]
        value: Sent<'a>,
    },
    Run {
        task: u64,
        function: u64,
        #[serde(borrow)]
        args: Sent<'a>,
        #[serde(borrow)]
        inputs: Vec<Input<'a>>,
    },
    /// A function or a value sent earlier that is no longer needed.
    Forget { id: u64 },
    /// Kept results that are no longer needed.
    ForgetResults { tasks: Vec<u64> },
    /// Requests a kept result.
    Fetch { task: u64 },
    /// Requests unstarted tasks back: the last ones, at most this many.
    Recall { most: u32 },
    /// A task need not run, if it has not started. The worker answers which it is.
    Skip { task: u64 },
    /// Ping.
    Ping,
    /// The answer to a request.
    Answer {
        question: u64,
        #[serde(with = "serde_bytes")]
        answer: &'a [u8],
    },
}

/// Where a task finds one of its inputs.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) enum Input<'a> {
    Here(#[serde(borrow)] Sent<'a>),
    /// It was sent earlier.
    Value(u64),
    /// It is the kept result of that task.
    Result(u64),
}

/// Messages from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) enum ToParent<'a> {
    /// It has started, and takes tasks.
    Ready,
    Done {
        task: u64,
        #[serde(borrow)]
        value: Sent<'a>,
        nanos: u64,
    },
    /// It is done, and the value has been kept.
    Stored { task: u64, nanos: u64 },
    Failed {
        task: u64,
        #[serde(borrow)]
        error: Sent<'a>,
        nanos: u64,
    },
    Fetched {
        task: u64,
        #[serde(borrow)]
        value: Sent<'a>,
    },
    /// A requested value cannot be sent.
    NotFetched {
        task: u64,
        #[serde(borrow)]
        error: Sent<'a>,
    },
    /// It runs this many more tasks at a time.
    Threads { more: i32 },
    /// Answer to a ping.
    Pong,
    /// Returned tasks, not started.
    Returned { tasks: Vec<u64>, recalled: bool },
    /// A task to be skipped has started, or is done.
    NotSkipped { task: u64 },
    /// A request of a task, or of unknown origin.
    Question {
        question: u64,
        task: Option<u64>,
        #[serde(with = "serde_bytes")]
        text: &'a [u8],
    },
}

/// An encoded payload. If its pieces are in a file, that is sent along.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::process) struct Sent<'a> {
    #[serde(with = "serde_bytes")]
    bytes: &'a [u8],
    is_in_file: bool,
    lens: Cow<'a, [u64]>,
}

/// Queued messages.
#[derive(Debug, Default)]
pub(in crate::process) struct Outbox {
    pub bytes: Vec<u8>,
    /// Number of bytes sent so far.
    #[cfg_attr(
        not(target_os = "linux"),
        expect(dead_code, reason = "elsewhere nothing is sent")
    )]
    pub sent: usize,
    pub files: Vec<MemoryFile>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Encodes a payload. Its files are taken along.
    pub(crate) fn pack<'a>(&mut self, payload: &'a Payload) -> Sent<'a> {
        let (bytes, is_in_file) = match &payload.body {
            Body::Bytes(bytes) => (bytes.as_slice(), false),
            Body::File(file) => {
                self.files.push(file.clone());
                (&[][..], true)
            }
        };
        Sent {
            bytes,
            is_in_file,
            lens: Cow::Borrowed(&payload.lens),
        }
    }

    /// Appends a message: its length, then the message.
    pub(crate) fn put(&mut self, message: &impl Serialize) -> io::Result<()> {
        let start = self.bytes.len();
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.extend_from_slice(&[0; 4]);
        self.bytes = postcard::to_extend(message, bytes).map_err(io::Error::other)?;
        let len = self.bytes.len() - start - 4;
        let len = u32::try_from(len).map_err(|_| io::Error::other("a message of over 4 GiB"))?;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        Ok(())
    }
}

/// Incoming messages.
#[derive(Debug, Default)]
pub(in crate::process) struct Inbox {
    pub bytes: Vec<u8>,
    pub files: Files,
}

/// Received files, for the messages they belong to. None for one that could not be received.
pub(in crate::process) type Files = VecDeque<Option<SharedFile>>;

impl Inbox {
    /// Calls `take` with each complete message, and removes it.
    pub(crate) fn each(
        &mut self,
        mut take: impl FnMut(&[u8], &mut Files) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut at = 0;
        while let Some(len) = self.bytes.get(at..at + 4) {
            let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
            let Some(message) = self.bytes.get(at + 4..at + 4 + len) else {
                break;
            };
            take(message, &mut self.files)?;
            at += 4 + len;
        }
        self.bytes.drain(..at);
        Ok(())
    }
}

impl Inbox {
    /// Calls `take` with the first message, if it is complete, and removes it.
    pub(crate) fn first(
        &mut self,
        take: impl FnOnce(&[u8], &mut Files) -> io::Result<()>,
    ) -> io::Result<()> {
        let Some(len) = self.bytes.first_chunk() else {
            return Ok(());
        };
        let end = 4 + u32::from_le_bytes(*len) as usize;
        if let Some(message) = self.bytes.get(4..end) {
            take(message, &mut self.files)?;
            self.bytes.drain(..end);
        }
        Ok(())
    }
}

/// Reads a message.
pub(in crate::process) fn read<'a, M: Deserialize<'a>>(message: &'a [u8]) -> io::Result<M> {
    postcard::from_bytes(message).map_err(io::Error::other)
}

impl Sent<'_> {
    /// The payload, with its file.
    ///
    /// # Errors
    /// The file could not be received, or there is not enough memory.
    pub(crate) fn unpack(&self, files: &mut Files) -> io::Result<Payload> {
        let lens = self.lens.to_vec();
        let body = if self.is_in_file {
            let len = end_of(&lens);
            let file = files.pop_front().flatten().ok_or_else(|| {
                io::Error::other(format!(
                    "{len} bytes could not be received: this process has too many files open; allow more by `ulimit -n`"
                ))
            })?;
            // One that may not stay open is read and closed.
            match MemoryFile::received(file) {
                Ok(file) => Body::File(file),
                Err(file) => Body::Bytes(read_all(file, len)?),
            }
        } else {
            Body::Bytes(self.bytes.to_vec())
        };
        Ok(Payload::of(body, lens))
    }
}
