//! Length-prefixed messages.

use crate::lines::LineError;

/// Number of bytes of the length prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixWidth {
    /// One byte: messages of up to 255 bytes.
    One,
    /// Two bytes.
    Two,
    /// Four bytes.
    Four,
    /// Eight bytes.
    Eight,
}

impl PrefixWidth {
    /// The width with this many bytes, if there is one.
    ///
    /// ```
    /// use thalweg_io::tcp::PrefixWidth;
    ///
    /// assert_eq!(PrefixWidth::of(4), Some(PrefixWidth::Four));
    /// assert_eq!(PrefixWidth::of(3), None);
    /// ```
    pub fn of(bytes: usize) -> Option<Self> {
        match bytes {
            1 => Some(Self::One),
            2 => Some(Self::Two),
            4 => Some(Self::Four),
            8 => Some(Self::Eight),
            _ => None,
        }
    }

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// The length prefix of a message; none if the length does not fit.
    pub(crate) fn prefix(self, len: usize) -> Option<Vec<u8>> {
        let all = (len as u64).to_be_bytes();
        let (zeros, prefix) = all.split_at(8 - self.bytes());
        zeros.iter().all(|byte| *byte == 0).then(|| prefix.to_vec())
    }
}

/// Cuts bytes into messages. It buffers at most one message of the maximum length, and the bytes pushed last.
pub(crate) struct Prefixed {
    width: PrefixWidth,
    max_len: usize,
    buffer: Vec<u8>,
    /// Where the next message begins in `buffer`, with its length.
    start: usize,
    /// Bytes still to come of a message that is too long.
    skip: u64,
    /// Offset of `start` in the content.
    offset: u64,
}

impl Prefixed {
    pub(crate) fn new(width: PrefixWidth, max_len: usize) -> Self {
        Self {
            width,
            max_len,
            buffer: Vec::new(),
            start: 0,
            skip: 0,
            offset: 0,
        }
    }

    /// Offset of the next message in the content.
    #[cfg(feature = "files")]
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether the rest of a message that is too long is still to come.
    #[cfg(feature = "files")]
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip > 0
    }

    /// Starts over, at this offset of another content.
    #[cfg(feature = "files")]
    pub(crate) fn restart(&mut self, offset: u64) {
        self.buffer.clear();
        (self.start, self.skip, self.offset) = (0, 0, offset);
    }

    /// Bytes buffered of an incomplete message.
    pub(crate) fn unfinished(&self) -> usize {
        self.buffer.len() - self.start
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let skipped = skipped.min(bytes.len());
        self.skip -= skipped as u64;
        self.offset += skipped as u64;
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(&bytes[skipped..]);
    }

    pub(crate) fn next(&mut self) -> Option<Result<&[u8], LineError>> {
        let width = self.width.bytes();
        let there = &self.buffer[self.start..];
        let prefix = there.get(..width)?;
        let len = prefix
            .iter()
            .fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
        let there = there.len() - width;
        if len > self.max_len as u64 {
            let error = LineError::TooLong {
                offset: self.offset,
                limit: self.max_len,
            };
            let skipped = there.min(usize::try_from(len).unwrap_or(usize::MAX));
            self.skip = len - skipped as u64;
            self.start += width + skipped;
            self.offset += (width + skipped) as u64;
            return Some(Err(error));
        }
        // Fits into memory, since its length has been checked.
        let len = len as usize;
        if there < len {
            return None;
        }
        let begin = self.start + width;
        self.start = begin + len;
        self.offset += (width + len) as u64;
        Some(Ok(&self.buffer[begin..begin + len]))
    }
}
