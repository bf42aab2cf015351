//! Splitting bytes into lines: delimiter, maximum length and decoding.
//!
//! All sources of text (files, processes, standard input, readers) take a [`Lines`].

#[cfg(any(feature = "textfile", feature = "reader", feature = "http-client"))]
mod emit;
mod splitter;

use std::fmt;
use std::str::Utf8Error;

use splitter::{Piece, Splitter};

/// Maximum length of a line unless [`Lines::max_len`] sets another: 16 MiB.
pub const DEFAULT_MAX_LEN: usize = 16 << 20;

/// How bytes are split into lines, and how lines are decoded.
///
/// [`text`](Lines::text), the default, yields `String`s and reports invalid UTF-8 as an error; [`lossy`](Lines::lossy)
/// replaces invalid UTF-8 by `U+FFFD`; [`bytes`](Lines::bytes) yields `Vec<u8>` and accepts anything.
///
/// ```
/// use thalweg_io::{Lines, TextFile, textfile::Poll};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("records.bin");
/// std::fs::write(&path, b"one\0two\xff\0")?;
/// let mut file = TextFile::new(&path).until_end().lines(Lines::bytes().delimiter(b"\0"));
/// assert_eq!(file.poll()?, Poll::Line(b"one".to_vec()));
/// assert_eq!(file.poll()?, Poll::Line(b"two\xff".to_vec()));
/// assert_eq!(file.poll()?, Poll::End);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Lines<T> {
    /// `None`: a line ending, `\n` or `\r\n`.
    delimiter: Option<Vec<u8>>,
    keep_delimiter: bool,
    max_len: usize,
    decode: fn(&[u8]) -> Result<T, Utf8Error>,
}

impl Lines<String> {
    /// Lines of UTF-8. An invalid line is an error with the offset of the first invalid byte.
    pub fn text() -> Self {
        Self::new(|bytes| Ok(std::str::from_utf8(bytes)?.to_owned()))
    }

    /// Lines of text, with `U+FFFD` in place of invalid UTF-8.
    pub fn lossy() -> Self {
        Self::new(|bytes| Ok(String::from_utf8_lossy(bytes).into_owned()))
    }
}

impl Lines<Vec<u8>> {
    /// Lines of bytes, not decoded.
    ///
    /// They allow a policy for invalid UTF-8 like for any other failure: decode them in a `try_map` with that policy.
    pub fn bytes() -> Self {
        Self::new(|bytes| Ok(bytes.to_owned()))
    }
}

impl<T> Lines<T> {
    fn new(decode: fn(&[u8]) -> Result<T, Utf8Error>) -> Self {
        Self {
            delimiter: None,
            keep_delimiter: false,
            max_len: DEFAULT_MAX_LEN,
            decode,
        }
    }

    /// Splits at exactly these bytes.
    ///
    /// By default lines end with `\n`, and a `\r` before it belongs to the ending, as with
    /// [`BufRead::lines`](std::io::BufRead::lines). An empty delimiter is reported when reading begins.
    pub fn delimiter(mut self, delimiter: impl AsRef<[u8]>) -> Self {
        self.delimiter = Some(delimiter.as_ref().to_owned());
        self
    }

    /// Keeps the delimiter at the end of each line, as streamz does; false by default.
    pub fn keep_delimiter(mut self, keep: bool) -> Self {
        self.keep_delimiter = keep;
        self
    }

    /// Maximum length of a line, in bytes without its delimiter; [`DEFAULT_MAX_LEN`] by default.
    ///
    /// A longer line is a [`LineError::TooLong`], reported as soon as the limit is passed, so that input without
    /// delimiters cannot fill the memory. Reading continues with the next line.
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// End of a line.
    pub(crate) fn ending(&self) -> &[u8] {
        self.delimiter.as_deref().unwrap_or(b"\n")
    }

    /// A buffer that splits the bytes pushed into it.
    ///
    /// # Errors
    /// [`LineError::EmptyDelimiter`] if the delimiter is empty.
    ///
    /// ```
    /// use thalweg_io::Lines;
    ///
    /// let mut buffer = Lines::bytes().delimiter(";").buffer()?;
    /// buffer.push(b"one;tw");
    /// assert_eq!(buffer.next_line(), Some(Ok(b"one".to_vec())));
    /// assert_eq!(buffer.next_line(), None);
    /// buffer.push(b"o;");
    /// assert_eq!(buffer.next_line(), Some(Ok(b"two".to_vec())));
    /// # Ok::<(), thalweg_io::LineError>(())
    /// ```
    pub fn buffer(&self) -> Result<LineBuffer<T>, LineError> {
        if self.ending().is_empty() {
            return Err(LineError::EmptyDelimiter);
        }
        let strip_cr = self.delimiter.is_none();
        Ok(LineBuffer {
            splitter: Splitter::new(self.ending(), strip_cr, self.keep_delimiter, self.max_len),
            decode: self.decode,
        })
    }
}

impl Default for Lines<String> {
    fn default() -> Self {
        Self::text()
    }
}

impl<T> Clone for Lines<T> {
    fn clone(&self) -> Self {
        Self {
            delimiter: self.delimiter.clone(),
            ..*self
        }
    }
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("delimiter", &self.ending().escape_ascii().to_string())
            .field("keep_delimiter", &self.keep_delimiter)
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}

/// Error of a line. Offsets count bytes from the start of the content: of the current file, or of the output of the
/// process or reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line is longer than [`Lines::max_len`]. It is skipped: reading continues with the next line.
    #[error("the line at byte {offset} is longer than the {limit} bytes allowed")]
    TooLong {
        /// Offset of the line.
        offset: u64,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The line is not UTF-8. It is skipped: reading continues with the next line.
    #[error("invalid UTF-8 at byte {offset}, in the line at byte {line}")]
    NotUtf8 {
        /// Offset of the first invalid byte.
        offset: u64,
        /// Offset of the line.
        line: u64,
    },
    /// The delimiter is empty, so it matches nowhere.
    #[error("the delimiter is empty")]
    EmptyDelimiter,
}

impl LineError {
    /// Whether reading continues with the next line.
    #[cfg(feature = "textfile")]
    pub(crate) fn is_passed_over(&self) -> bool {
        !matches!(self, Self::EmptyDelimiter)
    }
}

/// Splits bytes into lines; created by [`Lines::buffer`]. It holds at most one line of the maximum length, and the
/// bytes pushed last.
pub struct LineBuffer<T> {
    splitter: Splitter,
    decode: fn(&[u8]) -> Result<T, Utf8Error>,
}

impl<T> LineBuffer<T> {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.splitter.push(bytes);
    }

    /// Returns the next complete line, or `None` until more is pushed.
    ///
    /// # Errors
    /// See [`LineError`]. The next call continues with the next line.
    pub fn next_line(&mut self) -> Option<Result<T, LineError>> {
        let piece = self.splitter.next()?;
        Some(piece.and_then(|piece| decode(&piece, self.decode)))
    }

    /// Returns the last line, which has no ending; call it once [`next_line`](Self::next_line) has returned `None`.
    ///
    /// # Errors
    /// See [`LineError`].
    pub fn finish(&mut self) -> Option<Result<T, LineError>> {
        let piece = self.splitter.finish()?;
        Some(piece.and_then(|piece| decode(&piece, self.decode)))
    }

    /// Bytes buffered of an incomplete line.
    #[cfg(feature = "tcp")]
    pub(crate) fn unfinished(&self) -> usize {
        self.splitter.unfinished()
    }

    /// Offset of the next line in the content, in bytes.
    #[cfg(any(feature = "textfile", feature = "files"))]
    pub(crate) fn offset(&self) -> u64 {
        self.splitter.offset()
    }

    /// Starts over with another content, whose first pushed byte is at `offset`, in bytes.
    #[cfg(any(feature = "textfile", feature = "files"))]
    pub(crate) fn restart(&mut self, offset: u64) {
        self.splitter.restart(offset);
    }

    /// Takes the bytes that have been pushed and not returned.
    #[cfg(feature = "reader")]
    pub(crate) fn take_rest(&mut self) -> Vec<u8> {
        self.splitter.take_rest()
    }
}

impl<T> fmt::Debug for LineBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineBuffer").finish_non_exhaustive()
    }
}

fn decode<T>(piece: &Piece<'_>, decode: fn(&[u8]) -> Result<T, Utf8Error>) -> Result<T, LineError> {
    decode(piece.bytes).map_err(|error| LineError::NotUtf8 {
        offset: piece.offset + error.valid_up_to() as u64,
        line: piece.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all<T>(lines: &Lines<T>, bytes: &[u8]) -> Vec<Result<T, LineError>> {
        let mut buffer = lines.buffer().expect("the delimiter is not empty");
        buffer.push(bytes);
        let mut out: Vec<_> = std::iter::from_fn(|| buffer.next_line()).collect();
        out.extend(buffer.finish());
        out
    }

    #[test]
    fn an_error_names_the_byte_that_is_not_utf8_and_the_next_line_is_whole() {
        let invalid = LineError::NotUtf8 { offset: 8, line: 5 };
        assert_eq!(
            all(&Lines::text(), b"fine\nabc\xffd\nnext\n"),
            [
                Ok("fine".to_string()),
                Err(invalid.clone()),
                Ok("next".to_string())
            ]
        );
        assert_eq!(
            invalid.to_string(),
            "invalid UTF-8 at byte 8, in the line at byte 5"
        );
    }

    #[test]
    fn lossy_text_and_bytes_take_anything() {
        assert_eq!(
            all(&Lines::lossy(), b"a\xff\r\n"),
            [Ok("a\u{fffd}".to_string())]
        );
        assert_eq!(all(&Lines::bytes(), b"a\xff\r\n"), [Ok(b"a\xff".to_vec())]);
    }

    #[test]
    fn a_custom_delimiter_is_matched_literally() {
        assert_eq!(
            all(&Lines::text().delimiter("\n"), b"a\r\n"),
            [Ok("a\r".to_string())]
        );
    }

    #[test]
    fn an_empty_delimiter_is_refused() {
        let error = Lines::text().delimiter("").buffer().err();
        assert_eq!(error, Some(LineError::EmptyDelimiter));
    }
}
