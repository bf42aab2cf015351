//! Sources and sinks for [thalweg](https://docs.rs/thalweg) pipelines, a module per system.

#[cfg(any(feature = "textfile", feature = "reader"))]
pub mod lines;
#[cfg(feature = "textfile")]
pub mod textfile;

#[cfg(any(feature = "textfile", feature = "reader"))]
pub use lines::{LineError, Lines};
#[cfg(feature = "textfile")]
pub use textfile::{TextFile, TextFileError, TextFileSink};
