//! Undecoded bytes: whole chunks, and lines of text.

use std::collections::VecDeque;

use super::RecordError;
use super::decode::Decode;
use crate::lines::{LineBuffer, LineError, Lines};

/// Maximum length of a chunk, in bytes: larger ones are split.
const MAX_CHUNK: usize = 1 << 20;

/// Chunks as they arrive.
#[derive(Default)]
pub(super) struct Pieces {
    waiting: VecDeque<Vec<u8>>,
    offset: u64,
}

impl Decode<Vec<u8>> for Pieces {
    fn push(&mut self, bytes: &[u8]) {
        (self.waiting).extend(bytes.chunks(MAX_CHUNK).map(<[u8]>::to_vec));
    }

    fn next(&mut self) -> Option<Result<Vec<u8>, RecordError>> {
        let piece = self.waiting.pop_front()?;
        self.offset += piece.len() as u64;
        Some(Ok(piece))
    }

    fn finish(&mut self) -> Option<Result<Vec<u8>, RecordError>> {
        self.next()
    }

    fn offset(&self) -> u64 {
        self.offset
    }

    fn restart(&mut self, offset: u64) {
        self.waiting.clear();
        self.offset = offset;
    }
}

/// Lines as described by [`Lines`].
pub(super) struct TextLines<T> {
    lines: LineBuffer<T>,
    line: u64,
}

impl<T> TextLines<T> {
    /// # Errors
    /// The delimiter is empty.
    pub(super) fn new(lines: &Lines<T>) -> Result<Self, LineError> {
        Ok(Self {
            lines: lines.buffer()?,
            line: 0,
        })
    }

    fn record(&mut self, line: Result<T, LineError>) -> Result<T, RecordError> {
        self.line += 1;
        line.map_err(|error| RecordError {
            line: self.line,
            byte: match error {
                LineError::TooLong { offset, .. } => offset,
                LineError::NotUtf8 { line, .. } => line,
                LineError::EmptyDelimiter => 0,
            },
            problem: error.into(),
        })
    }
}

impl<T> Decode<T> for TextLines<T> {
    fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn next(&mut self) -> Option<Result<T, RecordError>> {
        let line = self.lines.next_line()?;
        Some(self.record(line))
    }

    fn finish(&mut self) -> Option<Result<T, RecordError>> {
        let line = self.lines.finish()?;
        Some(self.record(line))
    }

    fn offset(&self) -> u64 {
        self.lines.offset()
    }

    fn restart(&mut self, offset: u64) {
        self.lines.restart(offset);
        self.line = 0;
    }
}
