//! Lines of anything that implements [`Read`].

mod chunks;
mod line_reader;
mod source;

use std::fmt;
use std::io::{self, Read};

pub(crate) use chunks::Chunks;
pub(crate) use line_reader::{LineReader, NextLineError};
pub use source::FromReader;

use crate::{LineError, Lines};

/// A source of the lines of any reader, until it ends.
///
/// It is read on a separate thread, at most 320 KiB ahead of the pipeline; after that the thread waits. The thread
/// lives until the reader ends, or, when the source is dropped, until its current read returns.
///
/// [`Stream::from_reader`](FromReader::from_reader) makes a stream of it. Stopped and started again, it continues with
/// the line after the last one emitted. An invalid line is a failure of the source's node, and reading continues with
/// the next one; a failed read ends it.
///
/// ```
/// use thalweg_io::Reader;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
/// let mut reader = Reader::new("20.5\n20.7".as_bytes());
/// assert_eq!(reader.next_line().await?, Some("20.5".to_string()));
/// assert_eq!(reader.next_line().await?, Some("20.7".to_string()));
/// assert_eq!(reader.next_line().await?, None);
/// # Ok(()) }) }
/// ```
pub struct Reader<T = String> {
    lines: Lines<T>,
    state: State<T>,
}

enum State<T> {
    Unread(Box<dyn Read + Send>),
    Reading(Box<LineReader<T, io::Error>>),
    Ended,
}

impl Reader<String> {
    /// Reads `source`. No thread is started before the first line is requested.
    pub fn new(source: impl Read + Send + 'static) -> Self {
        Self {
            lines: Lines::text(),
            state: State::Unread(Box::new(source)),
        }
    }

    /// How the text is split into lines and decoded.
    pub fn lines<U>(self, lines: Lines<U>) -> Reader<U> {
        let state = match self.state {
            State::Unread(source) => State::Unread(source),
            State::Reading(_) | State::Ended => State::Ended,
        };
        Reader { lines, state }
    }
}

impl<T> Reader<T> {
    /// Waits for the next line; `None` at the end. Cancel-safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`ReaderError`]. After [`ReaderError::Line`] the next call continues with the next line; other errors end
    /// it.
    pub async fn next_line(&mut self) -> Result<Option<T>, ReaderError> {
        if let State::Unread(_) = self.state {
            self.start()?;
        }
        let State::Reading(reader) = &mut self.state else {
            return Ok(None);
        };
        Ok(reader.next_line().await?)
    }

    fn start(&mut self) -> Result<(), ReaderError> {
        let lines = self.lines.buffer()?;
        if let State::Unread(source) = std::mem::replace(&mut self.state, State::Ended) {
            let chunks = Chunks::read("thalweg reader", source, |end| end)?;
            self.state = State::Reading(Box::new(LineReader::new(chunks, lines)));
        }
        Ok(())
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl<R: Read + Send + 'static> From<R> for Reader<String> {
    fn from(source: R) -> Self {
        Self::new(source)
    }
}

/// Error of reading lines.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// Reading failed.
    #[error("cannot read: {0}")]
    Read(#[from] io::Error),
    /// The input contains an invalid line; see [`Lines`].
    #[error(transparent)]
    Line(#[from] LineError),
}

impl From<NextLineError<io::Error>> for ReaderError {
    fn from(fault: NextLineError<io::Error>) -> Self {
        match fault {
            NextLineError::Line(error) => Self::Line(error),
            NextLineError::End(error) => Self::Read(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pollster::block_on;

    use super::*;

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is cut"))
        }
    }

    fn next<T>(reader: &mut Reader<T>) -> Result<Option<T>, String> {
        block_on(reader.next_line()).map_err(|error| error.to_string())
    }

    #[test]
    fn lines_before_an_error_are_delivered_first() {
        let mut reader = Reader::new("one\ntwo".as_bytes().chain(Broken));
        assert_eq!(next(&mut reader), Ok(Some("one".to_string())));
        assert_eq!(next(&mut reader), Ok(Some("two".to_string())));
        assert_eq!(
            next(&mut reader),
            Err("cannot read: the cable is cut".to_string())
        );
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn reading_continues_after_a_bad_line() {
        let mut reader = Reader::new(&b"a\xff\nb\n"[..]);
        let error = "invalid UTF-8 at byte 1, in the line at byte 0";
        assert_eq!(next(&mut reader), Err(error.to_string()));
        assert_eq!(next(&mut reader), Ok(Some("b".to_string())));
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn lines_may_be_bytes_with_a_custom_delimiter() {
        let mut reader = Reader::new(&b"a\xff;b"[..]).lines(Lines::bytes().delimiter(";"));
        assert_eq!(next(&mut reader), Ok(Some(b"a\xff".to_vec())));
        assert_eq!(next(&mut reader), Ok(Some(b"b".to_vec())));
        assert_eq!(next(&mut reader), Ok(None));
    }

    #[test]
    fn an_empty_delimiter_is_an_error() {
        let mut reader = Reader::new("a".as_bytes()).lines(Lines::text().delimiter(""));
        assert_eq!(next(&mut reader), Err("the delimiter is empty".to_string()));
    }

    #[test]
    fn input_larger_than_the_queue_arrives_complete() {
        let text: String = (0..200_000).map(|line| format!("line {line}\n")).collect();
        let mut reader = Reader::new(io::Cursor::new(text));
        for line in 0..200_000 {
            assert_eq!(next(&mut reader), Ok(Some(format!("line {line}"))));
        }
        assert_eq!(next(&mut reader), Ok(None));
    }
}
