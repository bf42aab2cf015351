//! Splitting received bytes into messages.

use std::fmt;

use crate::framing::{PrefixWidth, Prefixed};
use crate::lines::{LineBuffer, LineError, Lines};

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

    /// Creates a buffer for one connection.
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
            } => Cutter::Prefixed(Prefixed::new(*width, *max_len), *make),
        })
    }
}

/// Received bytes that have not been split yet.
pub(super) enum Cutter<T> {
    Lines(Box<LineBuffer<T>>),
    Prefixed(Prefixed, fn(&[u8]) -> T),
}

impl<T> Cutter<T> {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        match self {
            Self::Lines(lines) => lines.push(bytes),
            Self::Prefixed(prefixed, _) => prefixed.push(bytes),
        }
    }

    /// The next message; none until more bytes arrive.
    pub(super) fn next(&mut self) -> Option<Result<T, LineError>> {
        match self {
            Self::Lines(lines) => lines.next_line(),
            Self::Prefixed(prefixed, make) => {
                let message = prefixed.next()?;
                Some(message.map(*make))
            }
        }
    }

    /// Bytes buffered of an incomplete message.
    pub(super) fn rest(&self) -> usize {
        match self {
            Self::Lines(lines) => lines.unfinished(),
            Self::Prefixed(prefixed, _) => prefixed.unfinished(),
        }
    }
}
