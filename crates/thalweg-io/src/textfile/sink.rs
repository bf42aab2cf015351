//! Writing lines to a text file.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use thalweg::{BoxError, BuildError, Context, Element, EmitResult, Never, Operator, Sink, Stream};

use super::TextFileError;

/// Bytes buffered before the file is written to.
const CAPACITY: usize = 64 * 1024;

/// A text file as a sink: each element is appended as a line.
///
/// Lines are buffered and written 64 KiB at a time, and when [`flush`](Self::flush) or [`close`](Self::close) is
/// called, as a pipeline does when it is drained. With [`flush_each`](Self::flush_each) every line is in the file when
/// `write` returns.
///
/// The name and its `end` are streamz's `sink_to_textfile`.
///
/// ```
/// use thalweg_io::TextFileSink;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("means.csv");
/// let mut sink = TextFileSink::append(&path)?;
/// sink.write("20.5")?;
/// sink.write("20.7")?;
/// sink.close()?;
/// assert_eq!(std::fs::read_to_string(&path)?, "20.5\n20.7\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TextFileSink {
    path: PathBuf,
    file: Box<dyn Write + Send>,
    end: Vec<u8>,
    flush_each: bool,
    buffer: Vec<u8>,
}

impl TextFileSink {
    /// Appends to the file, which is created if it does not exist.
    ///
    /// # Errors
    ///
    /// [`TextFileError::Open`] if that is not possible.
    pub fn append(path: impl AsRef<Path>) -> Result<Self, TextFileError> {
        Self::open(path.as_ref(), OpenOptions::new().append(true))
    }

    /// Empties the file first, if it exists.
    ///
    /// # Errors
    ///
    /// [`TextFileError::Open`] if that is not possible.
    pub fn truncate(path: impl AsRef<Path>) -> Result<Self, TextFileError> {
        Self::open(path.as_ref(), OpenOptions::new().write(true).truncate(true))
    }

    fn open(path: &Path, options: &mut OpenOptions) -> Result<Self, TextFileError> {
        let file: File = options
            .create(true)
            .open(path)
            .map_err(|error| TextFileError::open(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: Box::new(file),
            end: b"\n".to_vec(),
            flush_each: false,
            buffer: Vec::new(),
        })
    }

    /// Text written after each element; `"\n"` by default.
    pub fn end(mut self, end: impl AsRef<[u8]>) -> Self {
        self.end = end.as_ref().to_owned();
        self
    }

    /// Whether each line is passed to the operating system at once: slower, but then an element whose `write` has
    /// returned survives the program. False by default.
    pub fn flush_each(mut self, flush_each: bool) -> Self {
        self.flush_each = flush_each;
        self
    }

    /// Appends a line.
    ///
    /// # Errors
    ///
    /// [`TextFileError::Write`] if the file can't be written to. The lines before this one are
    /// kept, and tried again by the next call; this one is not, so that writing it again does not
    /// write it twice. (The exception: a disk that fills up in the middle of this very line, with
    /// `flush_each`. What is left of it is kept then, and a line written again is in the file
    /// twice.)
    pub fn write(&mut self, line: impl AsRef<[u8]>) -> Result<(), TextFileError> {
        self.add(line.as_ref(), self.flush_each)
    }

    fn add(&mut self, line: &[u8], flush: bool) -> Result<(), TextFileError> {
        let length = line.len() + self.end.len();
        if self.buffer.len() + length > CAPACITY {
            self.flush()?;
        }
        self.buffer.extend_from_slice(line);
        self.buffer.extend_from_slice(&self.end);
        if !flush {
            return Ok(());
        }
        let flushed = self.flush();
        if flushed.is_err() && self.buffer.len() >= length {
            self.buffer.truncate(self.buffer.len() - length);
        }
        flushed
    }

    /// Passes buffered lines to the operating system, without synchronizing them to the disk.
    ///
    /// # Errors
    ///
    /// [`TextFileError::Write`] if the file cannot be written to. Unwritten bytes stay buffered.
    pub fn flush(&mut self) -> Result<(), TextFileError> {
        let mut written = 0;
        let result = loop {
            let rest = &self.buffer[written..];
            if rest.is_empty() {
                break self.file.flush();
            }
            match self.file.write(rest) {
                Ok(0) => break Err(std::io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.buffer.drain(..written);
        result.map_err(|error| TextFileError::write(&self.path, error))
    }

    /// Flushes and closes the file. Dropping the sink does so too, but cannot report an error.
    ///
    /// # Errors
    ///
    /// As with [`flush`](Self::flush).
    pub fn close(mut self) -> Result<(), TextFileError> {
        self.flush()
    }
}

impl Drop for TextFileSink {
    fn drop(&mut self) {
        // Nobody is left to receive an error; `close` is there for that.
        let _ = self.flush();
    }
}

impl fmt::Debug for TextFileSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextFileSink")
            .field("path", &self.path)
            .field("buffered", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

/// The node behind [`SinkToTextFile`].
struct WriteLines<T> {
    file: TextFileSink,
    _in: PhantomData<fn(T)>,
}

impl<T: Element + AsRef<[u8]>> Operator for WriteLines<T> {
    type In = T;
    type Out = Never;
    type Event = Never;
    const KIND: &'static str = "sink_to_textfile";
    const SINK: bool = true;

    fn update(&mut self, line: T, cx: &mut Context<'_, Self>) -> EmitResult {
        // A token that fires for a buffered line would promise what a crash can break.
        let flush = self.file.flush_each || !cx.acks().is_none();
        match self.file.add(line.as_ref(), flush) {
            Ok(()) => Ok(()),
            Err(error) => cx.fail(line, error),
        }
    }

    fn close(&mut self) -> Result<(), BoxError> {
        Ok(self.file.flush()?)
    }

    fn label(&self) -> Option<String> {
        let name = self.file.path.file_name()?;
        Some(name.to_string_lossy().into_owned())
    }
}

/// Text files as sinks: [`Stream::sink_to_textfile`](SinkToTextFile::sink_to_textfile).
pub trait SinkToTextFile {
    /// Appends a line to the file for every element, a string or bytes. The file is created if necessary. The name is
    /// streamz's.
    ///
    /// Lines are written 64 KiB at a time, and when the pipeline is drained; a line with an [`Ack`](thalweg::Ack) is
    /// written at once. A line that cannot be written is a failure of this node: its policy applies, and a retry does
    /// not write it twice. Lines that are never written are reported by the drain. A file that cannot be opened is a
    /// build error, which the pipeline reports.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("squares.txt");
    /// let numbers = Stream::new();
    /// numbers.map(|x: i32| format!("{}", x * x)).sink_to_textfile(&path);
    /// numbers.emit_many(1..=3).wait()?;
    /// numbers.drain("5s").wait()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "1\n4\n9\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn sink_to_textfile(&self, path: impl AsRef<Path>) -> Sink;

    /// The same with an open file and its settings.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{TextFileSink, prelude::*};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("names.txt");
    /// let names = Stream::new();
    /// names.sink_to_textfile_with(TextFileSink::truncate(&path)?.end(";").flush_each(true));
    /// names.emit("thalweg").wait()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "thalweg;");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn sink_to_textfile_with(&self, file: TextFileSink) -> Sink;
}

impl<T: Element + AsRef<[u8]>> SinkToTextFile for Stream<T> {
    fn sink_to_textfile(&self, path: impl AsRef<Path>) -> Sink {
        match TextFileSink::append(path) {
            Ok(file) => self.sink_to_textfile_with(file),
            Err(error) => {
                self.build_error(BuildError::new("sink_to_textfile", error));
                self.sink(drop)
            }
        }
    }

    fn sink_to_textfile_with(&self, file: TextFileSink) -> Sink {
        let sink = WriteLines {
            file,
            _in: PhantomData,
        };
        self.apply(sink).into()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::io;
    use std::sync::{Arc, Mutex};

    use tempfile::TempDir;

    use super::*;

    /// A disk with this much free space, in bytes.
    struct Disk {
        room: Arc<Mutex<usize>>,
        content: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut room = self.room.lock().unwrap();
            let count = bytes.len().min(*room);
            if count == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= count;
            self.content
                .lock()
                .unwrap()
                .extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Shared<T> = Arc<Mutex<T>>;

    fn sink_with_room(room: usize) -> (TextFileSink, Shared<usize>, Shared<Vec<u8>>) {
        let room = Arc::new(Mutex::new(room));
        let content = Arc::new(Mutex::new(Vec::new()));
        let sink = TextFileSink {
            path: "full.txt".into(),
            file: Box::new(Disk {
                room: Arc::clone(&room),
                content: Arc::clone(&content),
            }),
            end: b"\n".to_vec(),
            flush_each: false,
            buffer: Vec::new(),
        };
        (sink, room, content)
    }

    #[test]
    fn appending_keeps_the_content_and_truncating_does_not() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("out.txt");
        type Open = fn(&Path) -> Result<TextFileSink, TextFileError>;
        let steps: [(Open, &str); 3] = [
            (|path| TextFileSink::append(path), "a;"),
            (|path| TextFileSink::append(path), "a;a;"),
            (|path| TextFileSink::truncate(path), "a;"),
        ];
        for (open, expected) in steps {
            let sink = open(&path);
            let mut sink = sink.unwrap().end(";");
            sink.write("a").unwrap();
            sink.close().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected);
        }
    }

    #[test]
    fn a_dropped_sink_has_written_everything() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("out.txt");
        TextFileSink::append(&path).unwrap().write([0xff]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"\xff\n");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error_that_names_it() {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("no/such/directory.txt");
        let error = TextFileSink::append(&path).unwrap_err();
        assert!(matches!(error, TextFileError::Open { .. }));
        assert_eq!(error.path(), path);
    }

    #[test]
    fn lines_are_buffered_unless_flushed_one_by_one() {
        let (mut sink, _, content) = sink_with_room(usize::MAX);
        sink.write("a").unwrap();
        assert!(content.lock().unwrap().is_empty());
        let mut sink = sink.flush_each(true);
        sink.write("b").unwrap();
        assert_eq!(*content.lock().unwrap(), b"a\nb\n");
    }

    #[test]
    fn the_buffer_never_exceeds_its_capacity() {
        let (mut sink, _, content) = sink_with_room(usize::MAX);
        let line = "x".repeat(999);
        for _ in 0..1000 {
            sink.write(&line).unwrap();
            assert!(sink.buffer.len() <= CAPACITY);
        }
        sink.close().unwrap();
        assert_eq!(content.lock().unwrap().len(), 1_000_000);
    }

    #[test]
    fn after_a_full_disk_rewriting_neither_loses_nor_repeats() {
        for flush_each in [false, true] {
            let (sink, room, content) = sink_with_room(300_000);
            let mut sink = sink.flush_each(flush_each);
            let line = "x".repeat(999);
            let mut failures = 0;
            for _ in 0..600 {
                while let Err(error) = sink.write(&line) {
                    assert!(error.to_string().starts_with("cannot write to full.txt: "));
                    failures += 1;
                    *room.lock().unwrap() += 100_000;
                }
            }
            sink.close().unwrap();
            assert!(failures > 0);
            assert_eq!(content.lock().unwrap().len(), 600_000);
        }
    }

    #[test]
    fn a_partially_written_line_is_finished_first() {
        let (sink, room, content) = sink_with_room(6);
        let mut sink = sink.flush_each(true);
        sink.write("one").unwrap();
        assert!(sink.write("two").is_err());
        *room.lock().unwrap() = 100;
        sink.write("two").unwrap();
        assert_eq!(*content.lock().unwrap(), b"one\ntwo\ntwo\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn close_reports_unwritten_lines() {
        let mut sink = TextFileSink::append("/dev/full").unwrap();
        sink.write("lost").unwrap();
        let error = sink.close().unwrap_err();
        assert!(matches!(error, TextFileError::Write { .. }));
        assert_eq!(error.path(), Path::new("/dev/full"));
    }
}
