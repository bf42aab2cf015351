//! Sources and sinks for [thalweg](https://docs.rs/thalweg) pipelines, a module per system.

#[cfg(feature = "filenames")]
pub mod filenames;
#[cfg(any(feature = "textfile", feature = "reader"))]
pub mod lines;
#[cfg(feature = "textfile")]
pub mod textfile;

#[cfg(feature = "filenames")]
pub use filenames::{Filenames, FilenamesError};
#[cfg(any(feature = "textfile", feature = "reader"))]
pub use lines::{LineError, Lines};
#[cfg(feature = "textfile")]
pub use textfile::{TextFile, TextFileError, TextFileSink};
