//! Records of files and other bytes: their format, and their offsets.

#[cfg(feature = "csv")]
mod csv;
mod decode;
mod emit;
mod plain;
mod source;
#[cfg(all(test, feature = "csv"))]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use thalweg::BoxError;

#[cfg(feature = "csv")]
pub use self::csv::{CsvRow, FromCsv};
use self::decode::{Decode, Json, Messages};
#[cfg(feature = "remote")]
pub(crate) use self::emit::EmitRecords;
use self::plain::{Pieces, TextLines};
pub use self::source::{FromJsonl, FromRecords, RecordFile};
use super::RecordError;
use crate::framing::PrefixWidth;
use crate::lines::{DEFAULT_MAX_LEN, LineError, Lines};

/// Maximum size of a header in bytes.
pub(crate) const MAX_HEADER: usize = 1 << 20;

/// Format of records: how bytes are split, and how records are decoded.
///
/// An invalid record is an error with its offset. The records after it are returned.
///
/// ```
/// use thalweg_io::files::Records;
///
/// let mut buffer = Records::<[u32; 2]>::jsonl().buffer();
/// buffer.push(b"[1, 2]\n[3,\n[5,");
/// assert_eq!(buffer.next_record().transpose()?, Some([1, 2]));
/// let error = buffer.next_record().expect("a line").unwrap_err();
/// assert_eq!((error.line, error.byte), (2, 7));
/// assert!(buffer.next_record().is_none());
/// buffer.push(b" 6]");
/// assert_eq!(buffer.finish().transpose()?, Some([5, 6]));
/// # Ok::<(), thalweg_io::files::RecordError>(())
/// ```
pub struct Records<T> {
    max_len: usize,
    make: Make<T>,
}

/// Creates a decoder for records of at most this many bytes.
type Make<T> = Arc<dyn Fn(usize) -> Box<dyn Decode<T> + Send> + Send + Sync>;

impl<T> Records<T> {
    fn new(make: impl Fn(usize) -> Box<dyn Decode<T> + Send> + Send + Sync + 'static) -> Self {
        Self {
            max_len: DEFAULT_MAX_LEN,
            make: Arc::new(make),
        }
    }

    /// Maximum length of a record, in bytes; 16 MiB by default. A longer one is an error, reported as soon as the limit
    /// is passed, and is not buffered.
    #[must_use]
    pub fn max_len(mut self, bytes: usize) -> Self {
        self.max_len = bytes;
        self
    }

    /// A buffer that splits the bytes pushed into it.
    pub fn buffer(&self) -> RecordBuffer<T> {
        RecordBuffer {
            decode: (self.make)(self.max_len),
        }
    }
}

impl<T: DeserializeOwned + 'static> Records<T> {
    /// JSON lines: each is a value. Empty lines are skipped.
    pub fn jsonl() -> Self {
        Self::new(|max_len| {
            Box::new(Json::new(max_len, |line| {
                Ok::<T, BoxError>(serde_json::from_slice(line)?)
            }))
        })
    }
}

impl Records<String> {
    /// JSON lines, validated and returned as text.
    ///
    /// ```
    /// use thalweg_io::files::Records;
    ///
    /// let mut buffer = Records::json_texts().buffer();
    /// buffer.push(b"{ \"metres\": 3.650e3 }\n");
    /// assert_eq!(buffer.next_record().transpose()?.as_deref(), Some("{ \"metres\": 3.650e3 }"));
    /// # Ok::<(), thalweg_io::files::RecordError>(())
    /// ```
    pub fn json_texts() -> Self {
        Self::new(|max_len| {
            Box::new(Json::new(max_len, |line| {
                let text: &serde_json::value::RawValue = serde_json::from_slice(line)?;
                Ok(text.get().to_string())
            }))
        })
    }
}

impl<T: 'static> Records<T> {
    /// Lines as described by [`Lines`], with its limit.
    ///
    /// ```
    /// use thalweg_io::Lines;
    /// use thalweg_io::files::Records;
    ///
    /// let mut buffer = Records::lines(Lines::text())?.buffer();
    /// buffer.push(b"river\r\nbed");
    /// assert_eq!(buffer.next_record().transpose()?.as_deref(), Some("river"));
    /// assert_eq!(buffer.finish().transpose()?.as_deref(), Some("bed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The delimiter is empty.
    pub fn lines(lines: Lines<T>) -> Result<Self, LineError> {
        TextLines::new(&lines)?;
        Ok(Self::new(move |_| {
            let lines = TextLines::new(&lines);
            Box::new(lines.expect("the delimiter was checked"))
        }))
    }
}

impl Records<Vec<u8>> {
    /// Bytes in chunks as they arrive, of 1 MiB at most.
    ///
    /// ```
    /// use thalweg_io::files::Records;
    ///
    /// let mut buffer = Records::chunks().buffer();
    /// buffer.push(b"river");
    /// assert_eq!(buffer.next_record().transpose()?, Some(b"river".to_vec()));
    /// assert_eq!(buffer.offset(), 5);
    /// # Ok::<(), thalweg_io::files::RecordError>(())
    /// ```
    pub fn chunks() -> Self {
        Self::new(|_| Box::new(Pieces::default()))
    }

    /// Length-prefixed messages; the prefix is a big-endian number of this width.
    ///
    /// ```
    /// use thalweg_io::files::{PrefixWidth, Records};
    ///
    /// let mut buffer = Records::length_prefixed(PrefixWidth::Two).buffer();
    /// buffer.push(b"\x00\x05river\x00\x03bed");
    /// assert_eq!(buffer.next_record().transpose()?, Some(b"river".to_vec()));
    /// assert_eq!(buffer.next_record().transpose()?, Some(b"bed".to_vec()));
    /// assert!(buffer.finish().is_none());
    /// # Ok::<(), thalweg_io::files::RecordError>(())
    /// ```
    pub fn length_prefixed(width: PrefixWidth) -> Self {
        Self::new(move |max_len| Box::new(Messages::new(width, max_len)))
    }
}

impl<T> Clone for Records<T> {
    fn clone(&self) -> Self {
        Self {
            max_len: self.max_len,
            make: self.make.clone(),
        }
    }
}

impl<T> fmt::Debug for Records<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}

/// Splits bytes into records; created by [`Records::buffer`]. It holds at most one record of the maximum length, and
/// the bytes pushed last.
pub struct RecordBuffer<T> {
    decode: Box<dyn Decode<T> + Send>,
}

impl<T> RecordBuffer<T> {
    /// Appends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.decode.push(bytes);
    }

    /// Returns the next complete record, or `None` until more is pushed.
    ///
    /// # Errors
    /// It is invalid. The next call continues after it.
    pub fn next_record(&mut self) -> Option<Result<T, RecordError>> {
        self.decode.next()
    }

    /// Returns the last record, if it has no ending; call it once [`next_record`](Self::next_record) has returned
    /// `None`, until it returns `None` too.
    ///
    /// # Errors
    /// It is invalid or incomplete.
    pub fn finish(&mut self) -> Option<Result<T, RecordError>> {
        self.decode.finish()
    }

    /// Offset of the next record, in bytes.
    pub fn offset(&self) -> u64 {
        self.decode.offset()
    }

    /// Whether the header, for example of CSV, is still incomplete.
    pub(crate) fn wants_header(&self) -> bool {
        self.decode.wants_header()
    }

    /// Continues at another offset, in bytes, of the same content.
    pub(crate) fn restart(&mut self, offset: u64) {
        self.decode.restart(offset);
    }
}

impl<T> fmt::Debug for RecordBuffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordBuffer").finish_non_exhaustive()
    }
}
