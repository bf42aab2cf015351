//! Lines of standard input.

use std::fmt;
use std::io::{self, Read};
use std::sync::{Mutex, MutexGuard, PoisonError};

use thalweg::{Element, Emitter, Source, Stop, Stream};

use crate::reader::{Chunks, LineReader, NextLineError};
use crate::{LineError, Lines};

/// Standard input as a source of lines, until it ends.
///
/// Standard input belongs to the whole program, so only one `Stdin` at a time can read it; the next one continues where
/// the last one was dropped. It is read ahead, as with a [`Reader`](crate::Reader), so that other readers of standard
/// input may miss some of it.
///
/// [`Stream::from_stdin`](FromStdin::from_stdin) makes a stream of it. Stopped and started again, it continues with the
/// line after the last one emitted. An invalid line is a failure of the source's node, and reading continues with the
/// next one.
///
/// ```no_run
/// use thalweg_io::Stdin;
///
/// # pollster::block_on(async {
/// let mut stdin = Stdin::new();
/// while let Some(line) = stdin.next_line().await? {
///     println!("{line}");
/// }
/// # Ok::<(), thalweg_io::StdinError>(()) });
/// ```
pub struct Stdin<T = String> {
    lines: Lines<T>,
    input: &'static Input,
    reading: Option<LineReader<T, io::Error>>,
}

static STANDARD_INPUT: Input = Input {
    open: || Box::new(io::stdin()),
    turn: Mutex::new(Turn::Unread),
};

/// The standard input of the process.
struct Input {
    open: fn() -> Box<dyn Read + Send>,
    turn: Mutex<Turn>,
}

enum Turn {
    Unread,
    Taken,
    /// No reader; these bytes come first.
    Left(Chunks<io::Error>, Vec<u8>),
}

impl Input {
    fn turn(&self) -> MutexGuard<'_, Turn> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stdin<String> {
    /// Reads standard input. Nothing is read before the first line is requested.
    pub fn new() -> Self {
        Self::of(&STANDARD_INPUT, Lines::text())
    }
}

impl Default for Stdin<String> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Stdin<T> {
    fn of(input: &'static Input, lines: Lines<T>) -> Self {
        Self {
            lines,
            input,
            reading: None,
        }
    }

    /// How the text is split into lines and decoded.
    pub fn lines<U>(self, lines: Lines<U>) -> Stdin<U> {
        Stdin::of(self.input, lines)
    }

    /// Waits for the next line; `None` at the end. Cancel-safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    ///
    /// See [`StdinError`]. After [`StdinError::Line`] the next call continues with the next line.
    pub async fn next_line(&mut self) -> Result<Option<T>, StdinError> {
        Ok(self.reading()?.next_line().await?)
    }

    fn reading(&mut self) -> Result<&mut LineReader<T, io::Error>, StdinError> {
        Ok(match &mut self.reading {
            Some(reading) => reading,
            none => {
                let mut lines = self.lines.buffer()?;
                let mut turn = self.input.turn();
                let chunks = match std::mem::replace(&mut *turn, Turn::Taken) {
                    Turn::Taken => return Err(StdinError::Taken),
                    Turn::Left(chunks, rest) => {
                        lines.push(&rest);
                        chunks
                    }
                    Turn::Unread => {
                        let read = Chunks::read("thalweg stdin", (self.input.open)(), |end| end);
                        read.inspect_err(|_| *turn = Turn::Unread)?
                    }
                };
                none.insert(LineReader::new(chunks, lines))
            }
        })
    }
}

impl<T: Element> Source for Stdin<T> {
    type Item = T;
    const KIND: &'static str = "from_stdin";

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        self.reading()?.emit_all(out, StdinError::from).await
    }
}

/// Standard input as a source: [`Stream::from_stdin`](FromStdin::from_stdin).
pub trait FromStdin {
    /// Emits the lines of the program's standard input until it ends; see [`Stdin`].
    ///
    /// For elements other than `String`s, pass a configured [`Stdin`] to [`Stream::from_source`].
    ///
    /// ```no_run
    /// use thalweg::Stream;
    /// use thalweg_io::prelude::*;
    ///
    /// let lines = Stream::from_stdin();
    /// lines.map(|line| line.to_uppercase()).sink(|line| println!("{line}"));
    /// lines.run("5s").wait()?;
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    fn from_stdin() -> Stream<String>;
}

impl FromStdin for Stream<String> {
    fn from_stdin() -> Self {
        Stream::from_source(Stdin::new())
    }
}

impl<T> Drop for Stdin<T> {
    fn drop(&mut self) {
        if let Some(reading) = self.reading.take() {
            let (chunks, rest) = reading.into_rest();
            *self.input.turn() = Turn::Left(chunks, rest);
        }
    }
}

impl<T> fmt::Debug for Stdin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

/// Error of reading standard input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdinError {
    /// Another [`Stdin`] is reading it.
    #[error("standard input is being read already; drop the source that reads it first")]
    Taken,
    /// Reading failed.
    #[error("cannot read standard input: {0}")]
    Read(#[from] io::Error),
    /// The input contains an invalid line; see [`Lines`].
    #[error("standard input: {0}")]
    Line(#[from] LineError),
}

impl From<NextLineError<io::Error>> for StdinError {
    fn from(fault: NextLineError<io::Error>) -> Self {
        match fault {
            NextLineError::Line(error) => Self::Line(error),
            NextLineError::End(error) => Self::Read(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pollster::block_on;

    use super::*;

    fn input(open: fn() -> Box<dyn Read + Send>) -> &'static Input {
        Box::leak(Box::new(Input {
            open,
            turn: Mutex::new(Turn::Unread),
        }))
    }

    #[test]
    fn a_new_reader_continues_where_the_dropped_one_stopped() {
        let input = input(|| Box::new("one\ntwo\nthree;four".as_bytes()));
        let mut first = Stdin::of(input, Lines::text());
        assert_eq!(
            block_on(first.next_line()).unwrap(),
            Some("one".to_string())
        );
        drop(first);
        let mut second = Stdin::of(input, Lines::text().delimiter(";"));
        assert_eq!(
            block_on(second.next_line()).unwrap(),
            Some("two\nthree".to_string())
        );
        drop(second);
        let mut third = Stdin::of(input, Lines::bytes());
        assert_eq!(block_on(third.next_line()).unwrap(), Some(b"four".to_vec()));
        assert_eq!(block_on(third.next_line()).unwrap(), None);
    }

    #[test]
    fn two_readers_at_a_time_are_refused() {
        let input = input(|| Box::new("one\ntwo\n".as_bytes()));
        let mut first = Stdin::of(input, Lines::text());
        let mut second = Stdin::of(input, Lines::text());
        assert_eq!(
            block_on(first.next_line()).unwrap(),
            Some("one".to_string())
        );
        assert!(matches!(
            block_on(second.next_line()),
            Err(StdinError::Taken)
        ));
        assert_eq!(
            block_on(first.next_line()).unwrap(),
            Some("two".to_string())
        );
        drop(first);
        assert_eq!(block_on(second.next_line()).unwrap(), None);
    }
}
