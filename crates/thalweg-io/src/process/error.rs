//! Errors of processes.

use std::io;
use std::process::ExitStatus;

use crate::LineError;

/// Error of a process. Each names the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The program could not be started: it does not exist, for example.
    #[error("cannot start `{program}`: {source}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The output could not be read.
    #[error("cannot read from `{program}`: {source}")]
    Read {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The output contains an invalid line; see [`Lines`](crate::Lines).
    #[error("`{program}`: {source}")]
    Line {
        /// The program.
        program: String,
        /// The line's error.
        source: LineError,
    },
    /// The process exited without success.
    #[error("`{program}` failed ({status}){}", last_words(stderr))]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its standard error: whole lines, at most 8 KiB. Empty if standard error went elsewhere.
        stderr: String,
    },
}

fn last_words(stderr: &str) -> String {
    match stderr.trim_end() {
        "" => String::new(),
        words => format!(": {words}"),
    }
}
