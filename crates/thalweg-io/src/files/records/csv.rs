//! CSV records.

use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, StringRecord};
use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use serde::de::DeserializeOwned;
use thalweg::{BoxError, Element, Stream};

use super::decode::{Decode, too_long};
use super::{RecordError, RecordFile, Records};

/// A byte order mark, which some programs put before their text.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// A CSV record: its values, and the names of its columns.
///
/// ```
/// use thalweg_io::files::Records;
///
/// let mut buffer = Records::csv_rows().buffer();
/// buffer.push(b"name,metres\r\n\"Ob, upper\",3650\r\n");
/// let row = buffer.next_record().transpose()?.expect("a record");
/// assert_eq!(row.get("name"), Some("Ob, upper"));
/// assert!(row.iter().eq([("name", "Ob, upper"), ("metres", "3650")]));
/// # Ok::<(), thalweg_io::files::RecordError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvRow {
    header: Arc<[String]>,
    values: Vec<String>,
}

impl CsvRow {
    /// Creates a record of values with these column names. Without names, the file has no header.
    ///
    /// # Panics
    /// The numbers of names and values differ.
    pub fn new(header: Arc<[String]>, values: Vec<String>) -> Self {
        assert!(
            header.is_empty() || header.len() == values.len(),
            "{} names for {} values",
            header.len(),
            values.len()
        );
        Self { header, values }
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The values.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// The value of the column with this name, if there is one.
    pub fn get(&self, column: &str) -> Option<&str> {
        let at = self.header.iter().position(|name| name == column)?;
        self.values.get(at).map(String::as_str)
    }

    /// The columns and the values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.header.iter().map(String::as_str);
        names.zip(self.values.iter().map(String::as_str))
    }
}

impl Records<CsvRow> {
    /// CSV records, with commas, as [`CsvRow`]s. The first one contains the names of the columns.
    pub fn csv_rows() -> Self {
        Self::csv_rows_with(b',')
    }

    /// The same with another byte between values, such as a semicolon.
    pub fn csv_rows_with(delimiter: u8) -> Self {
        Self::new(move |max_len| {
            let mut known: Option<Arc<[String]>> = None;
            Box::new(Csv::new(delimiter, max_len, move |header, record| {
                let header =
                    known.get_or_insert_with(|| header.iter().map(str::to_string).collect());
                let values = record.iter().map(str::to_string).collect();
                let header = header.clone();
                Ok(CsvRow { header, values })
            }))
        })
    }
}

impl<T: DeserializeOwned + 'static> Records<T> {
    /// CSV records, with commas. The first one contains the names of the columns, which are those of a struct's fields;
    /// tuples take the values in order.
    ///
    /// ```
    /// use thalweg_io::files::Records;
    ///
    /// #[derive(Debug, PartialEq, serde::Deserialize)]
    /// struct River { name: String, metres: u32 }
    ///
    /// let mut buffer = Records::<River>::csv().buffer();
    /// buffer.push(b"name,metres\nOb,3650\nDon,long\n");
    /// let ob = River { name: "Ob".to_string(), metres: 3650 };
    /// assert_eq!(buffer.next_record().transpose()?, Some(ob));
    /// let error = buffer.next_record().expect("a record").unwrap_err();
    /// assert_eq!((error.line, error.byte), (3, 20));
    /// # Ok::<(), thalweg_io::files::RecordError>(())
    /// ```
    pub fn csv() -> Self {
        Self::csv_with(b',')
    }

    /// The same with another byte between values, such as a semicolon.
    pub fn csv_with(delimiter: u8) -> Self {
        Self::new(move |max_len| {
            Box::new(Csv::new(delimiter, max_len, |header, record| {
                Ok(record.deserialize(Some(header))?)
            }))
        })
    }
}

type MakeOfRecord<T> = Box<dyn FnMut(&StringRecord, &StringRecord) -> Result<T, BoxError> + Send>;

struct Csv<T> {
    reader: Reader,
    /// Whether nothing has been read.
    is_fresh: bool,
    delimiter: u8,
    max_len: usize,
    make: MakeOfRecord<T>,
    header: Option<StringRecord>,
    /// Unread bytes.
    input: Vec<u8>,
    at: usize,
    /// Offset of the current record.
    begin: Place,
    now: Place,
    /// Bytes of a byte order mark so far; `None` when it is over.
    mark: Option<usize>,
    output: Vec<u8>,
    len: usize,
    ends: Vec<usize>,
    fields: usize,
    is_too_long: bool,
    is_reported: bool,
}

#[derive(Clone, Copy, Default)]
struct Place {
    byte: u64,
    line: u64,
}

impl<T> Csv<T> {
    fn new(
        delimiter: u8,
        max_len: usize,
        make: impl FnMut(&StringRecord, &StringRecord) -> Result<T, BoxError> + Send + 'static,
    ) -> Self {
        Self {
            reader: reader(delimiter),
            is_fresh: true,
            delimiter,
            max_len,
            make: Box::new(make),
            header: None,
            input: Vec::new(),
            at: 0,
            begin: Place::default(),
            now: Place::default(),
            mark: Some(0),
            output: vec![0; 1024],
            len: 0,
            ends: vec![0; 32],
            fields: 0,
            is_too_long: false,
            is_reported: false,
        }
    }

    /// Reads on; at the `end`, the rest is the last record. Returns whether a record is complete.
    fn read(&mut self, end: bool) -> Option<Result<(), RecordError>> {
        loop {
            if !self.has_begun() {
                self.skip_line_ends();
                self.begin = self.now;
            }
            let rest = &self.input[self.at..];
            if rest.is_empty() && !end {
                return None;
            }
            // One byte first: the reader would look for a byte order mark again.
            let rest = match std::mem::take(&mut self.is_fresh) {
                true => &rest[..rest.len().min(1)],
                false => rest,
            };
            let (result, read, written, fields) = self.reader.read_record(
                rest,
                &mut self.output[self.len..],
                &mut self.ends[self.fields..],
            );
            let lines = rest[..read].iter().filter(|byte| **byte == b'\n').count();
            self.at += read;
            self.now.byte += read as u64;
            self.now.line += lines as u64;
            self.len += written;
            self.fields += fields;
            if self.now.byte - self.begin.byte > self.max_len as u64 {
                self.is_too_long = true;
            }
            if self.is_too_long {
                self.len = 0;
                self.fields = 0;
                if !std::mem::replace(&mut self.is_reported, true) {
                    let begin = self.begin;
                    if matches!(result, ReadRecordResult::Record | ReadRecordResult::End) {
                        self.reset();
                    }
                    return Some(Err(self.error(begin, too_long(self.max_len))));
                }
            }
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::Record if self.is_too_long => self.reset(),
                ReadRecordResult::Record => return Some(Ok(())),
                ReadRecordResult::End => return None,
            }
        }
    }

    fn has_begun(&self) -> bool {
        self.now.byte > self.begin.byte
    }

    fn reset(&mut self) {
        (self.len, self.fields) = (0, 0);
        (self.is_too_long, self.is_reported) = (false, false);
        self.begin = self.now;
    }

    fn skip_mark(&mut self) {
        while let Some(matched) = self.mark
            && let Some(byte) = self.input.get(matched)
        {
            self.mark = match *byte == BOM[matched] {
                true if matched + 1 == BOM.len() => {
                    self.at = BOM.len();
                    self.now.byte = BOM.len() as u64;
                    self.begin = self.now;
                    None
                }
                true => Some(matched + 1),
                false => None,
            };
        }
    }

    /// Empty lines are not records.
    fn skip_line_ends(&mut self) {
        while let Some(byte @ (b'\r' | b'\n')) = self.input.get(self.at) {
            self.at += 1;
            self.now.byte += 1;
            self.now.line += u64::from(*byte == b'\n');
        }
    }

    fn error(&self, at: Place, problem: BoxError) -> RecordError {
        RecordError {
            line: at.line + 1,
            byte: at.byte,
            problem,
        }
    }

    /// The record that has been read; none if it is the header.
    fn record(&mut self) -> Option<Result<T, RecordError>> {
        let begin = self.begin;
        let ends = &self.ends[..self.fields];
        let mut record = ByteRecord::with_capacity(self.len, self.fields);
        let mut start = 0;
        for end in ends {
            record.push_field(&self.output[start..*end]);
            start = *end;
        }
        self.reset();
        let record = match StringRecord::from_byte_record(record) {
            Ok(record) => record,
            Err(error) => {
                let problem = format!("invalid UTF-8 in column {}", error.utf8_error().field() + 1);
                return Some(Err(self.error(begin, problem.into())));
            }
        };
        let Some(header) = &self.header else {
            self.header = Some(record);
            return None;
        };
        if record.len() != header.len() {
            let (len, columns) = (record.len(), header.len());
            let problem = format!("{len} values for {columns} columns");
            return Some(Err(self.error(begin, problem.into())));
        }
        let made = (self.make)(header, &record);
        Some(made.map_err(|problem| self.error(begin, problem)))
    }

    fn next_or_last(&mut self, end: bool) -> Option<Result<T, RecordError>> {
        loop {
            match self.read(end)? {
                Err(error) => return Some(Err(error)),
                Ok(()) => {
                    if let Some(record) = self.record() {
                        return Some(record);
                    }
                }
            }
        }
    }
}

fn reader(delimiter: u8) -> Reader {
    ReaderBuilder::new().delimiter(delimiter).build()
}

impl<T> Decode<T> for Csv<T> {
    fn push(&mut self, bytes: &[u8]) {
        // While a byte order mark is possible, nothing has been read.
        self.input.drain(..self.at);
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }

    fn next(&mut self) -> Option<Result<T, RecordError>> {
        if self.mark.is_some() {
            self.skip_mark();
            if self.mark.is_some() {
                return None;
            }
        }
        self.next_or_last(false)
    }

    fn finish(&mut self) -> Option<Result<T, RecordError>> {
        self.mark = None;
        self.next_or_last(true)
    }

    fn offset(&self) -> u64 {
        self.begin.byte
    }

    fn restart(&mut self, offset: u64) {
        self.reader = reader(self.delimiter);
        self.is_fresh = true;
        self.input.clear();
        self.at = 0;
        self.now = Place {
            byte: offset,
            line: 0,
        };
        self.mark = None;
        self.reset();
    }

    fn wants_header(&self) -> bool {
        self.header.is_none()
    }
}

/// CSV as sources: [`Stream::from_csv`](FromCsv::from_csv).
pub trait FromCsv<T> {
    /// Emits the records of a CSV file, with commas: as [`Records::csv`] reads them. See
    /// [`from_records`](super::FromRecords::from_records).
    fn from_csv(path: impl AsRef<Path>) -> Stream<T>;
}

impl<T: Element + DeserializeOwned> FromCsv<T> for Stream<T> {
    fn from_csv(path: impl AsRef<Path>) -> Stream<T> {
        RecordFile::new(path, Records::csv()).stream()
    }
}
