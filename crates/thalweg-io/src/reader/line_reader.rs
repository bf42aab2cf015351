//! Lines of chunks.

use std::error::Error;

use thalweg::{Element, Emitter, Stop};

use super::Chunks;
use crate::LineError;
use crate::lines::LineBuffer;

/// Lines read by a thread, and its result.
pub(crate) struct LineReader<T, E> {
    chunks: Chunks<E>,
    lines: LineBuffer<T>,
    /// The result, until the last line has been returned.
    error: Option<E>,
}

/// Why there is no line.
#[derive(Debug)]
pub(crate) enum NextLineError<E> {
    /// The line is invalid; others may follow.
    Line(LineError),
    /// It has ended, with this result.
    End(E),
}

impl<T, E: Send + 'static> LineReader<T, E> {
    pub(crate) fn new(chunks: Chunks<E>, lines: LineBuffer<T>) -> Self {
        Self {
            chunks,
            lines,
            error: None,
        }
    }

    /// Waits for the next line; `None` at the end. Cancel-safe: nothing is lost when the future is dropped.
    pub(crate) async fn next_line(&mut self) -> Result<Option<T>, NextLineError<E>> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return line.map(Some).map_err(NextLineError::Line);
            }
            if let Some(error) = self.error.take() {
                return Err(NextLineError::End(error));
            }
            match self.chunks.next().await {
                Some(Ok(bytes)) => self.lines.push(&bytes),
                ended => {
                    self.error = ended.and_then(Result::err);
                    match self.lines.finish() {
                        Some(line) => return line.map(Some).map_err(NextLineError::Line),
                        None if self.error.is_none() => return Ok(None),
                        None => {}
                    }
                }
            }
        }
    }

    /// Emits lines until their end or until the source is stopped. `name` converts a fault to the user's error.
    pub(crate) async fn emit_all<F>(
        &mut self,
        out: &Emitter<T>,
        name: impl Fn(NextLineError<E>) -> F + Send + Sync,
    ) -> Result<(), Stop>
    where
        T: Element,
        F: Error + Send + Sync + 'static,
    {
        loop {
            match out.or_stop(self.next_line()).await? {
                Ok(Some(line)) => {
                    let fault = |error| name(NextLineError::Line(error)).into();
                    self.lines.emit_from(line, out, fault).await?;
                }
                Ok(None) => return Ok(()),
                Err(fault @ NextLineError::Line(_)) => {
                    out.report(name(fault));
                    out.yield_now().await?;
                }
                Err(end) => return Err(name(end).into()),
            }
        }
    }

    /// Drops the lines, and returns the unread rest.
    pub(crate) fn into_rest(mut self) -> (Chunks<E>, Vec<u8>) {
        (self.chunks, self.lines.take_rest())
    }
}
