//! Splits a growing run of bytes at a delimiter.

use std::ops::Range;

use memchr::memchr;
use memchr::memmem::Finder;

use super::LineError;

/// Buffers bytes that have not been returned: at most one line of the maximum length plus the bytes pushed last.
pub(super) struct Splitter {
    finder: Finder<'static>,
    strip_cr: bool,
    keep_delimiter: bool,
    limit: usize,
    buffer: Vec<u8>,
    /// Start of the next line in `buffer`.
    start: usize,
    /// No delimiter begins in `buffer[start..scanned]`.
    scanned: usize,
    /// Offset of `buffer[start]` in the content.
    offset: u64,
    /// A line that was too long has been reported, and its end is still to come.
    skipping: bool,
}

/// A line and its offset in the content.
#[derive(Debug, PartialEq)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) offset: u64,
}

impl Splitter {
    /// `strip_cr` removes a carriage return at a line's end, unless the delimiter is kept.
    pub(super) fn new(
        delimiter: &[u8],
        strip_cr: bool,
        keep_delimiter: bool,
        limit: usize,
    ) -> Self {
        Self {
            finder: Finder::new(delimiter).into_owned(),
            strip_cr,
            keep_delimiter,
            limit,
            buffer: Vec::new(),
            start: 0,
            scanned: 0,
            offset: 0,
            skipping: false,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.scanned -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next complete line, or `None` until more is pushed.
    pub(super) fn next(&mut self) -> Option<Result<Piece<'_>, LineError>> {
        let (line, offset) = match self.advance()? {
            Ok(found) => found,
            Err(error) => return Some(Err(error)),
        };
        Some(Ok(Piece {
            bytes: &self.buffer[line],
            offset,
        }))
    }

    /// Ends the content: bytes without a delimiter are its last line. Call it once [`next`](Self::next) has returned
    /// `None`.
    pub(super) fn finish(&mut self) -> Option<Result<Piece<'_>, LineError>> {
        let line = self.start..self.buffer.len();
        let offset = self.offset;
        self.move_to(line.end);
        if std::mem::take(&mut self.skipping) || line.is_empty() {
            return None;
        }
        if line.len() > self.limit {
            return Some(Err(self.too_long(offset)));
        }
        Some(Ok(Piece {
            bytes: &self.buffer[line],
            offset,
        }))
    }

    /// Bytes after the last delimiter.
    #[cfg(feature = "tcp")]
    pub(super) fn unfinished(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Offset of the next line in the content.
    #[cfg(any(feature = "textfile", feature = "files"))]
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Starts over with another content, whose first pushed byte is at `offset`, in bytes.
    #[cfg(any(feature = "textfile", feature = "reader"))]
    pub(super) fn restart(&mut self, offset: u64) {
        self.move_to(self.buffer.len());
        self.skipping = false;
        self.offset = offset;
    }

    /// Takes the bytes that have been pushed and not returned.
    #[cfg(feature = "reader")]
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        let rest = self.buffer.split_off(self.start);
        self.restart(0);
        rest
    }

    fn advance(&mut self) -> Option<Result<(Range<usize>, u64), LineError>> {
        let width = self.finder.needle().len();
        while let Some(at) = self.find(&self.buffer[self.scanned..]) {
            let (start, end) = (self.start, self.scanned + at);
            let offset = self.offset;
            self.move_to(end + width);
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if end - start > self.limit {
                return Some(Err(self.too_long(offset)));
            }
            let end = match self.keep_delimiter {
                true => end + width,
                false if self.strip_cr && self.buffer[start..end].ends_with(b"\r") => end - 1,
                false => end,
            };
            return Some(Ok((start..end, offset)));
        }
        // The last bytes may be the beginning of a delimiter.
        self.scanned = self
            .start
            .max((self.buffer.len() + 1).saturating_sub(width));
        if self.skipping || self.scanned - self.start > self.limit {
            let offset = self.offset;
            self.move_to(self.scanned);
            if !std::mem::replace(&mut self.skipping, true) {
                return Some(Err(self.too_long(offset)));
            }
        }
        None
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        match self.finder.needle() {
            [byte] => memchr(*byte, bytes),
            _ => self.finder.find(bytes),
        }
    }

    fn move_to(&mut self, next: usize) {
        self.offset += (next - self.start) as u64;
        self.start = next;
        self.scanned = next;
    }

    fn too_long(&self, offset: u64) -> LineError {
        LineError::TooLong {
            offset,
            limit: self.limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Output of a splitter for `chunks`: lines with their offsets, or the offset of an oversized one.
    fn run(splitter: &mut Splitter, chunks: &[&[u8]]) -> Vec<Result<(Vec<u8>, u64), u64>> {
        let mut out = Vec::new();
        let mut give = |piece: Result<Piece<'_>, LineError>| {
            out.push(match piece {
                Ok(piece) => Ok((piece.bytes.to_vec(), piece.offset)),
                Err(LineError::TooLong { offset, .. }) => Err(offset),
                Err(other) => panic!("{other}"),
            });
        };
        for chunk in chunks {
            splitter.push(chunk);
            while let Some(piece) = splitter.next() {
                give(piece);
            }
        }
        if let Some(piece) = splitter.finish() {
            give(piece);
        }
        out
    }

    fn line(bytes: &[u8], offset: u64) -> Result<(Vec<u8>, u64), u64> {
        Ok((bytes.to_vec(), offset))
    }

    #[test]
    fn a_carriage_return_goes_with_the_line_ending() {
        let mut splitter = Splitter::new(b"\n", true, false, 100);
        assert_eq!(
            run(&mut splitter, &[b"a\r\n\r\nb\rc\n", b"d\r"]),
            [
                line(b"a", 0),
                line(b"", 3),
                line(b"b\rc", 5),
                line(b"d\r", 9)
            ]
        );
    }

    #[test]
    fn a_kept_delimiter_is_unchanged() {
        let mut splitter = Splitter::new(b"\n", true, true, 100);
        assert_eq!(
            run(&mut splitter, &[b"a\r\nb\nc"]),
            [line(b"a\r\n", 0), line(b"b\n", 3), line(b"c", 5)]
        );
    }

    #[test]
    fn an_oversized_line_is_reported_once_and_the_next_one_is_complete() {
        let mut splitter = Splitter::new(b"--", false, false, 4);
        assert_eq!(
            run(
                &mut splitter,
                &[b"ab--12345", b"67-", b"-cd--1234", b"5--e"]
            ),
            [
                line(b"ab", 0),
                Err(4),
                line(b"cd", 13),
                Err(17),
                line(b"e", 24)
            ]
        );
    }

    #[test]
    fn a_skipped_line_holds_no_memory() {
        let mut splitter = Splitter::new(b"\n", false, false, 8);
        for _ in 0..1000 {
            splitter.push(&[b'x'; 100]);
            while splitter.next().is_some() {}
        }
        assert!(splitter.buffer.len() <= 100);
    }

    #[test]
    fn a_restart_discards_the_buffered_content() {
        let mut splitter = Splitter::new(b"\n", false, false, 8);
        splitter.push(b"half");
        assert_eq!(splitter.next(), None);
        splitter.restart(100);
        assert_eq!(run(&mut splitter, &[b"line\n"]), [line(b"line", 100)]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_chunk_boundaries(
            text in "[ab\n\r;]{0,60}",
            delimiter in prop::sample::select(vec!["\n", ";", "ab", "aa", ";;\n"]),
            cuts in prop::collection::vec(0..60_usize, 0..8),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= text.len()).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();

            let mut expected = Vec::new();
            let mut offset = 0;
            for part in text.split(delimiter) {
                expected.push(line(part.as_bytes(), offset));
                offset += (part.len() + delimiter.len()) as u64;
            }
            // Bytes after the last delimiter are a line only if there are any.
            if let Some(Ok((last, _))) = expected.last() && last.is_empty() {
                expected.pop();
            }
            let mut splitter = Splitter::new(delimiter.as_bytes(), false, false, 100);
            prop_assert_eq!(run(&mut splitter, &chunks), expected);
        }
    }
}
