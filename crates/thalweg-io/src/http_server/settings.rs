use std::time::Duration;

use regex_automata::meta::Regex;
use regex_automata::util::syntax;

/// Kind of a server's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bodies, answered when they have been accepted.
    Bodies,
    /// Requests, answered by the pipeline.
    Requests,
}

/// A server's limits and paths.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) path: Path,
    pub(super) max_len: usize,
    pub(super) max_head: usize,
    pub(super) read_timeout: Duration,
    pub(super) time_limit: Option<Duration>,
    pub(super) max_connections: usize,
    pub(super) max_in_flight: usize,
    pub(super) shows_errors: bool,
}

/// Regular expression of paths.
#[derive(Clone, Debug)]
pub(super) enum Path {
    All,
    Matching(Regex),
}

impl Path {
    /// # Errors
    /// It is not a regular expression.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern == "/.*" {
            return Ok(Self::All);
        }
        // Paths are ASCII: other characters are percent-encoded.
        let syntax = syntax::Config::new().unicode(false).utf8(false);
        let whole = format!("^(?:{pattern})$");
        let regex = Regex::builder().syntax(syntax).build(&whole);
        let regex = regex.map_err(|error| match error.syntax_error() {
            Some(error) => error.to_string(),
            None => error.to_string(),
        })?;
        Ok(Self::Matching(regex))
    }

    pub(super) fn is_match(&self, path: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(regex) => regex.is_match(path),
        }
    }
}

impl Settings {
    pub(super) fn new() -> Self {
        Self {
            path: Path::All,
            max_len: 16 * 1024 * 1024,
            max_head: 64 * 1024,
            read_timeout: Duration::from_secs(30),
            time_limit: None,
            max_connections: 10_000,
            max_in_flight: 1024,
            shows_errors: false,
        }
    }
}
