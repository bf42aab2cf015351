//! Sources and sinks for [thalweg](https://docs.rs/thalweg) pipelines, a module per system.

#[cfg(feature = "filenames")]
pub mod filenames;
#[cfg(any(feature = "textfile", feature = "reader"))]
pub mod lines;
pub mod prelude;
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "reader")]
pub mod reader;
#[cfg(feature = "reader")]
pub mod stdin;
#[cfg(feature = "textfile")]
pub mod textfile;
#[cfg(any(feature = "textfile", feature = "filenames"))]
mod watch;

#[cfg(feature = "filenames")]
pub use filenames::{Filenames, FilenamesError};
#[cfg(any(feature = "textfile", feature = "reader"))]
pub use lines::{LineError, Lines};
#[cfg(feature = "process")]
pub use process::{Process, ProcessError};
#[cfg(feature = "reader")]
pub use reader::{Reader, ReaderError};
#[cfg(feature = "reader")]
pub use stdin::{Stdin, StdinError};
#[cfg(feature = "textfile")]
pub use textfile::{TextFile, TextFileError, TextFileSink};
