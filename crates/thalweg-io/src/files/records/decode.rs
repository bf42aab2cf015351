//! Splitting bytes into JSON lines and messages.

use thalweg::BoxError;

use super::RecordError;
use crate::framing::{PrefixWidth, Prefixed};
use crate::lines::{LineBuffer, LineError, Lines};

/// Bytes in, records out.
pub(super) trait Decode<T> {
    fn push(&mut self, bytes: &[u8]);
    fn next(&mut self) -> Option<Result<T, RecordError>>;
    fn finish(&mut self) -> Option<Result<T, RecordError>>;
    /// Offset of the next record.
    fn offset(&self) -> u64;
    /// Starts over, with the bytes before the first record.
    fn restart(&mut self, offset: u64);
    fn wants_header(&self) -> bool {
        false
    }
}

type MakeOfLine<T> = fn(&[u8]) -> Result<T, BoxError>;

/// One record per line.
pub(super) struct Json<T> {
    lines: LineBuffer<Vec<u8>>,
    make: MakeOfLine<T>,
    line: u64,
}

impl<T> Json<T> {
    pub(super) fn new(max_len: usize, make: MakeOfLine<T>) -> Self {
        let lines = Lines::bytes().delimiter("\n").keep_delimiter(true);
        let lines = lines.max_len(max_len).buffer();
        Self {
            lines: lines.expect("the delimiter is not empty"),
            make,
            line: 0,
        }
    }

    /// The record of a line, unless it is empty.
    fn record(&mut self, line: Result<Vec<u8>, LineError>) -> Option<Result<T, RecordError>> {
        self.line += 1;
        let (byte, problem) = match line {
            Ok(line) => {
                let byte = self.lines.offset() - line.len() as u64;
                // A byte order mark is not part of the text.
                let text = match byte {
                    0 => line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line),
                    _ => &line,
                };
                let text = text.trim_ascii();
                if text.is_empty() {
                    return None;
                }
                match (self.make)(text) {
                    Ok(record) => return Some(Ok(record)),
                    Err(problem) => (byte, problem),
                }
            }
            Err(LineError::TooLong { offset, limit }) => (offset, too_long(limit)),
            Err(other) => (self.lines.offset(), other.into()),
        };
        Some(Err(RecordError {
            line: self.line,
            byte,
            problem,
        }))
    }
}

impl<T> Decode<T> for Json<T> {
    fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn next(&mut self) -> Option<Result<T, RecordError>> {
        loop {
            let line = self.lines.next_line()?;
            if let Some(record) = self.record(line) {
                return Some(record);
            }
        }
    }

    fn finish(&mut self) -> Option<Result<T, RecordError>> {
        let line = self.lines.finish()?;
        self.record(line)
    }

    fn offset(&self) -> u64 {
        self.lines.offset()
    }

    fn restart(&mut self, offset: u64) {
        self.lines.restart(offset);
        self.line = 0;
    }
}

/// Length-prefixed messages.
pub(super) struct Messages {
    messages: Prefixed,
    max_len: usize,
    number: u64,
}

impl Messages {
    pub(super) fn new(width: PrefixWidth, max_len: usize) -> Self {
        Self {
            messages: Prefixed::new(width, max_len),
            max_len,
            number: 0,
        }
    }

    fn error(&self, byte: u64, problem: BoxError) -> RecordError {
        RecordError {
            line: self.number,
            byte,
            problem,
        }
    }
}

impl Decode<Vec<u8>> for Messages {
    fn push(&mut self, bytes: &[u8]) {
        self.messages.push(bytes);
    }

    fn next(&mut self) -> Option<Result<Vec<u8>, RecordError>> {
        let byte = self.messages.offset();
        let message = self.messages.next()?;
        let message = message.map(<[u8]>::to_vec);
        self.number += 1;
        Some(message.map_err(|_| self.error(byte, too_long(self.max_len))))
    }

    fn finish(&mut self) -> Option<Result<Vec<u8>, RecordError>> {
        let (byte, len) = (self.messages.offset(), self.messages.unfinished());
        let is_cut = len > 0 || self.messages.is_skipping();
        self.messages.restart(byte + len as u64);
        is_cut.then(|| {
            self.number += 1;
            let problem = format!("the content ends within a message, after {len} bytes of it");
            Err(self.error(byte, problem.into()))
        })
    }

    fn offset(&self) -> u64 {
        self.messages.offset()
    }

    fn restart(&mut self, offset: u64) {
        self.messages.restart(offset);
        self.number = 0;
    }
}

pub(super) fn too_long(limit: usize) -> BoxError {
    format!("the record is longer than the {limit} bytes allowed").into()
}
