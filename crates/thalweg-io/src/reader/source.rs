//! A reader as the source of a pipeline.

use thalweg::{Element, Emitter, Source, Stop, Stream};

use super::{Reader, ReaderError, State};

impl<T: Element> Source for Reader<T> {
    type Item = T;
    const KIND: &'static str = "from_reader";

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        if let State::Unread(_) = self.state {
            self.start()?;
        }
        match &mut self.state {
            State::Reading(reader) => reader.emit_all(out, ReaderError::from).await,
            State::Unread(_) | State::Ended => Ok(()),
        }
    }
}

/// Readers as sources: [`Stream::from_reader`](FromReader::from_reader).
pub trait FromReader {
    /// Conversion of a line to an element.
    type Line: Element;

    /// Emits the lines of anything that implements [`Read`](std::io::Read), or of a configured [`Reader`], until it
    /// ends: a socket, a pipe, a decompressed archive. It is read on a separate thread, at most 320 KiB ahead of the
    /// pipeline.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// let lines = Stream::from_reader("20.5\n20.7".as_bytes());
    /// let list = lines.sink_to_list();
    /// lines.run("5s").wait()?;
    /// assert_eq!(list.to_vec(), ["20.5", "20.7"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    fn from_reader(reader: impl Into<Reader<Self::Line>>) -> Stream<Self::Line>;
}

impl<T: Element> FromReader for Stream<T> {
    type Line = T;

    fn from_reader(reader: impl Into<Reader<T>>) -> Self {
        Stream::from_source(reader.into())
    }
}
