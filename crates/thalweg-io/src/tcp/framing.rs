//! How what comes over a connection is cut into messages.

use std::fmt;

use crate::lines::{LineBuffer, LineError, Lines};

/// How many bytes say how long a message is.
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
    /// The width of so many bytes, if there is one.
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

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::One => 1,
            Self::Two => 2,
            Self::Four => 4,
            Self::Eight => 8,
        }
    }

    /// A message's length as it is sent before it; none if it does not fit.
    pub(super) fn prefix(self, len: usize) -> Option<Vec<u8>> {
        let all = (len as u64).to_be_bytes();
        let (zeros, prefix) = all.split_at(8 - self.bytes());
        zeros.iter().all(|byte| *byte == 0).then(|| prefix.to_vec())
    }
}

/// How a connection's bytes become elements.
pub(super) enum Framing<T> {
    Lines(Lines<T>),
    Prefixed {
        width: PrefixWidth,
        max_len: usize,
        make: fn(&[u8]) -> T,
    },
}

impl<T> Clone for Framing<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Lines(lines) => Self::Lines(lines.clone()),
            Self::Prefixed {
                width,
                max_len,
                make,
            } => Self::Prefixed {
                width: *width,
                max_len: *max_len,
                make: *make,
            },
        }
    }
}

impl<T> fmt::Debug for Framing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(_) => f.write_str("Lines"),
            Self::Prefixed { width, .. } => f.debug_tuple("Prefixed").field(width).finish(),
        }
    }
}

impl<T> Framing<T> {
    pub(super) fn set_max_len(&mut self, bytes: usize) {
        match self {
            Self::Lines(lines) => *lines = lines.clone().max_len(bytes),
            Self::Prefixed { max_len, .. } => *max_len = bytes,
        }
    }

    /// For one connection.
    ///
    /// # Errors
    /// [`LineError::EmptyDelimiter`].
    pub(super) fn cutter(&self) -> Result<Cutter<T>, LineError> {
        Ok(match self {
            Self::Lines(lines) => Cutter::Lines(Box::new(lines.buffer()?)),
            Self::Prefixed {
                width,
                max_len,
                make,
            } => {
                let prefixed = Prefixed {
                    width: *width,
                    max_len: *max_len,
                    buffer: Vec::new(),
                    start: 0,
                    skip: 0,
                    offset: 0,
                };
                Cutter::Prefixed(prefixed, *make)
            }
        })
    }
}

/// What has come over one connection, and has not been cut yet.
pub(super) enum Cutter<T> {
    Lines(Box<LineBuffer<T>>),
    Prefixed(Prefixed, fn(&[u8]) -> T),
}

pub(super) struct Prefixed {
    width: PrefixWidth,
    max_len: usize,
    buffer: Vec<u8>,
    /// Where the next message begins in it, with its length.
    start: usize,
    /// How much of a message that is too long has not come yet.
    skip: u64,
    /// Where `start` is in all that has come.
    offset: u64,
}

impl<T> Cutter<T> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Lines(lines) => lines.push(bytes),
            Self::Prefixed(prefixed, _) => prefixed.push(bytes),
        }
    }

    /// The next message; none until more has come.
    pub(super) fn next(&mut self) -> Option<Result<T, LineError>> {
        match self {
            Self::Lines(lines) => lines.next_line(),
            Self::Prefixed(prefixed, make) => {
                let message = prefixed.next()?;
                Some(message.map(*make))
            }
        }
    }

    /// How many bytes of a message have come that has not come to its end.
    pub(super) fn rest(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.unfinished(),
            Self::Prefixed(prefixed, _) => prefixed.buffer.len() - prefixed.start,
        }
    }
}

impl Prefixed {
    fn push(&mut self, bytes: &[u8]) {
        let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX);
        let skipped = skipped.min(bytes.len());
        self.skip -= skipped as u64;
        self.offset += skipped as u64;
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(&bytes[skipped..]);
    }

    fn next(&mut self) -> Option<Result<&[u8], LineError>> {
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
        // It fits into memory, since it is no longer than it may be.
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
