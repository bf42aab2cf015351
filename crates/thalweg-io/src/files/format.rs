//! Conversion of elements to the bytes of a file.

#[cfg(feature = "csv")]
use std::marker::PhantomData;
#[cfg(feature = "csv")]
use std::sync::Arc;

use serde::Serialize;
use thalweg::BoxError;

#[cfg(feature = "csv")]
use super::CsvRow;
use crate::framing::PrefixWidth;

/// File format: the argument of [`Stream::to_files_as`](super::ToFiles::to_files_as).
///
/// A format writes one file after the other: [`begin`](Self::begin), then [`add`](Self::add) for each element, then
/// [`end`](Self::end). An abandoned file is not ended; the next one begins all the same.
///
/// ```
/// use thalweg::{BoxError, Stream};
/// use thalweg_io::files::{Format, ToFiles};
///
/// struct Columns;
///
/// impl Format<[u32; 2]> for Columns {
///     const KIND: &'static str = "to_columns";
///
///     fn add(&mut self, [x, y]: &[u32; 2], out: &mut Vec<u8>) -> Result<(), BoxError> {
///         out.extend_from_slice(format!("{x:>4}{y:>4}\n").as_bytes());
///         Ok(())
///     }
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("points.txt");
/// let points = Stream::new();
/// points.to_files_as(&path, Columns);
/// points.emit_many([[1, 2], [30, 40]]).wait()?;
/// points.drain("10s").wait()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "   1   2\n  30  40\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Format<T>: Send + 'static {
    /// The user-visible name of this kind of sink.
    const KIND: &'static str = "to_files";

    /// Begins a file: appends its header.
    ///
    /// # Errors
    /// The header cannot be written.
    fn begin(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let _ = out;
        Ok(())
    }

    /// Appends an element.
    ///
    /// # Errors
    /// It cannot be written in this format. Then additions to `out` are undone; the format must be unchanged, too.
    fn add(&mut self, element: &T, out: &mut Vec<u8>) -> Result<(), BoxError>;

    /// Ends a file: appends its footer.
    ///
    /// # Errors
    /// The footer cannot be written: the file is abandoned.
    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let _ = out;
        Ok(())
    }

    /// Number of rows of an element, for [`Files::max_rows`](super::Files::max_rows).
    fn rows(&self, element: &T) -> u64 {
        let _ = element;
        1
    }

    /// Bytes of the file that are still buffered by the format.
    fn held(&self) -> u64 {
        0
    }
}

/// Each element, text or bytes, as a line.
pub(super) struct TextLines;

impl<T: AsRef<[u8]>> Format<T> for TextLines {
    const KIND: &'static str = "to_files";

    fn add(&mut self, element: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
        out.extend_from_slice(element.as_ref());
        out.push(b'\n');
        Ok(())
    }
}

/// Each element as a line of JSON.
pub(super) struct JsonLines;

impl<T: Serialize> Format<T> for JsonLines {
    const KIND: &'static str = "to_jsonl";

    fn add(&mut self, element: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
        serde_json::to_writer(&mut *out, element)?;
        out.push(b'\n');
        Ok(())
    }
}

/// Each element, text or bytes, length-prefixed.
///
/// ```
/// use thalweg::Stream;
/// use thalweg_io::files::{LengthPrefixed, PrefixWidth, ToFiles};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("words.bin");
/// let words = Stream::new();
/// words.to_files_as(&path, LengthPrefixed::new(PrefixWidth::Two));
/// words.emit_many(["river", "bed"]).wait()?;
/// words.drain("10s").wait()?;
/// assert_eq!(std::fs::read(&path)?, b"\x00\x05river\x00\x03bed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LengthPrefixed(PrefixWidth);

impl LengthPrefixed {
    /// Big-endian length prefixes of this width.
    pub fn new(width: PrefixWidth) -> Self {
        Self(width)
    }
}

impl<T: AsRef<[u8]>> Format<T> for LengthPrefixed {
    fn add(&mut self, element: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let element = element.as_ref();
        let prefix = self.0.prefix(element.len()).ok_or_else(|| {
            let (len, width) = (element.len(), self.0.bytes());
            format!("an element of {len} bytes, and its length has to fit into {width}")
        })?;
        out.extend_from_slice(&prefix);
        out.extend_from_slice(element);
        Ok(())
    }
}

/// Each element as a CSV record, with the names of its fields in the first line.
#[cfg(feature = "csv")]
pub(super) struct Csv<T> {
    has_header: bool,
    _element: PhantomData<fn(T)>,
}

#[cfg(feature = "csv")]
impl<T> Csv<T> {
    pub(super) fn new() -> Self {
        Self {
            has_header: false,
            _element: PhantomData,
        }
    }
}

#[cfg(feature = "csv")]
impl<T: Serialize + 'static> Format<T> for Csv<T> {
    const KIND: &'static str = "to_csv";

    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), BoxError> {
        self.has_header = false;
        Ok(())
    }

    fn add(&mut self, element: &T, out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut writer = csv::WriterBuilder::new()
            .has_headers(!self.has_header)
            .from_writer(&mut *out);
        writer.serialize(element)?;
        writer.flush()?;
        drop(writer);
        self.has_header = true;
        Ok(())
    }
}

/// Rows, whose columns are known at run time, as CSV records. The columns of a file are those of its first row.
///
/// ```
/// use thalweg::Stream;
/// use thalweg_io::files::{CsvRow, CsvRows, ToFiles};
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("rivers.csv");
/// let rows = Stream::new();
/// rows.to_files_as(&path, CsvRows::new(b';'));
/// let header: std::sync::Arc<[String]> = ["name", "metres"].map(String::from).into();
/// rows.emit(CsvRow::new(header, ["Ob; upper", "3650"].map(String::from).into())).wait()?;
/// rows.drain("10s").wait()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "name;metres\n\"Ob; upper\";3650\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[cfg(feature = "csv")]
#[derive(Clone, Debug)]
pub struct CsvRows {
    delimiter: u8,
    header: Option<Arc<[String]>>,
    columns: usize,
}

#[cfg(feature = "csv")]
impl CsvRows {
    /// Records with this byte between values.
    pub fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            header: None,
            columns: 0,
        }
    }

    fn write(&self, values: &[String], out: &mut Vec<u8>) -> Result<(), BoxError> {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(self.delimiter)
            .from_writer(out);
        writer.write_record(values)?;
        writer.flush()?;
        Ok(())
    }
}

#[cfg(feature = "csv")]
impl Format<CsvRow> for CsvRows {
    const KIND: &'static str = "to_csv";

    fn begin(&mut self, _: &mut Vec<u8>) -> Result<(), BoxError> {
        self.header = None;
        Ok(())
    }

    fn add(&mut self, row: &CsvRow, out: &mut Vec<u8>) -> Result<(), BoxError> {
        match &self.header {
            None => {
                if !row.header().is_empty() {
                    self.write(row.header(), out)?;
                }
                self.write(row.values(), out)?;
                self.header = Some(row.header().into());
                self.columns = row.values().len();
                return Ok(());
            }
            Some(header) if **header != *row.header() => {
                let (header, columns) = (header.join(", "), row.header().join(", "));
                let problem = format!(
                    "the columns of this file are those of its first row, {header}, not {columns}"
                );
                return Err(problem.into());
            }
            Some(_) if self.columns != row.values().len() => {
                let (columns, len) = (self.columns, row.values().len());
                return Err(format!("{len} values for the {columns} columns of this file").into());
            }
            Some(_) => {}
        }
        self.write(row.values(), out)
    }
}
