//! Errors of processes.

use std::io;
use std::process::ExitStatus;

use crate::LineError;

/// Why a process gives no line. Each names the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It could not be started: there is no such program, say.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// Its output could not be read.
    #[error("cannot read from `{program}`: {source}")]
    Read {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// Its output is not a line as [`Lines`](crate::Lines) describes them.
    #[error("`{program}`: {source}")]
    Line {
        /// The program.
        program: String,
        /// The line's error.
        source: LineError,
    },
    /// It has ended, but not with success.
    #[error("`{program}` failed ({status}){}", last_words(stderr))]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote to standard error: whole lines, at most 8 KiB. Empty if
        /// standard error went elsewhere.
        stderr: String,
    },
}

fn last_words(stderr: &str) -> String {
    match stderr.trim_end() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}
