//! Lines of a process's output.

mod error;
mod running;
mod source;
mod stderr_tail;

use std::ffi::OsStr;
use std::fmt;
use std::process::{Command, Stdio};

pub use error::ProcessError;
pub use running::Running;
pub use source::FromProcess;

use crate::Lines;

/// A process as a source of the lines on its standard output.
///
/// Arguments are passed as they are, with no shell in between, unless [`shell`](Self::shell) is used. Standard input is
/// empty. Output is read at most about 320 KiB ahead of the pipeline; then the pipe is full, and the process waits.
///
/// The process is killed when the source is stopped or dropped; processes that it has started itself are not. Starting
/// the source again runs the command anew.
///
/// [`Stream::from_process`](FromProcess::from_process) makes a stream of it. An invalid line is a failure of the
/// source's node, and reading continues with the next one.
///
/// An exit without success is an error, reported after the last line, with the exit status and the end of standard
/// error.
///
/// ```
/// use thalweg_io::Process;
///
/// # #[cfg(unix)]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> { pollster::block_on(async {
/// let mut running = Process::new("printf", ["%s\n", "20.5", "20.7"]).start()?;
/// assert_eq!(running.next_line().await?, Some("20.5".to_string()));
/// assert_eq!(running.next_line().await?, Some("20.7".to_string()));
/// assert_eq!(running.next_line().await?, None);
/// # Ok(()) }) }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
pub struct Process<T = String> {
    command: Command,
    stderr: Stderr,
    lines: Lines<T>,
}

/// Where a [`Process`] sends its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stderr {
    /// Its end is kept, for the error if the process fails.
    #[default]
    Keep,
    /// Merged into the lines, as with streamz's `with_stderr`.
    Merge,
    /// Inherited from this program.
    Inherit,
}

impl Process<String> {
    /// Runs a program with these arguments.
    pub fn new<A: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null());
        Self::from(command)
    }

    /// Runs a line of text in the system's shell (`sh`, or `cmd` on Windows). Never put input from others into that
    /// line.
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        let (shell, flag) = match cfg!(windows) {
            true => ("cmd", "/C"),
            false => ("sh", "-c"),
        };
        Self::new(shell, [OsStr::new(flag), line.as_ref()])
    }
}

impl<T> Process<T> {
    /// How the output is split into lines and decoded.
    pub fn lines<U>(self, lines: Lines<U>) -> Process<U> {
        Process {
            command: self.command,
            stderr: self.stderr,
            lines,
        }
    }

    /// Where standard error goes; [`Stderr::Keep`] by default.
    pub fn stderr(mut self, stderr: Stderr) -> Self {
        self.stderr = stderr;
        self
    }

    /// Starts the process. Sources call it; it needs no pipeline.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] if the program cannot be started, and [`ProcessError::Line`] if the delimiter is empty.
    pub fn start(&mut self) -> Result<Running<T>, ProcessError> {
        Running::start(&mut self.command, self.stderr, &self.lines)
    }
}

/// Runs a command with its directory, environment and standard input. The source sets standard output and error.
impl From<Command> for Process<String> {
    fn from(command: Command) -> Self {
        Self {
            command,
            stderr: Stderr::default(),
            lines: Lines::text(),
        }
    }
}

impl<T> fmt::Debug for Process<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("command", &self.command)
            .field("stderr", &self.stderr)
            .field("lines", &self.lines)
            .finish()
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use pollster::block_on;

    use super::*;

    fn all(mut process: Process) -> (Vec<String>, Option<ProcessError>) {
        let mut running = process.start().unwrap();
        let mut lines = Vec::new();
        loop {
            match block_on(running.next_line()) {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, None),
                Err(error) => return (lines, Some(error)),
            }
        }
    }

    #[test]
    fn arguments_are_not_seen_by_a_shell() {
        let (lines, error) = all(Process::new("printf", ["%s\n", "$HOME; *"]));
        assert_eq!(lines, ["$HOME; *"]);
        assert!(error.is_none());
    }

    #[test]
    fn a_shell_sees_the_line_if_asked_for() {
        let (lines, _) = all(Process::shell("printf 'a\nb' | cat; echo c"));
        assert_eq!(lines, ["a", "bc"]);
    }

    #[test]
    fn standard_input_is_empty() {
        assert!(all(Process::new("cat", [""; 0])).0.is_empty());
    }

    #[test]
    fn a_failure_follows_the_last_line_with_the_status_and_the_stderr_tail() {
        let (lines, error) = all(Process::shell("printf out; echo oops >&2; exit 3"));
        assert_eq!(lines, ["out"]);
        let error = error.unwrap();
        assert_eq!(error.to_string(), "`sh` failed (exit status: 3): oops");
        let ProcessError::Failed { status, stderr, .. } = error else {
            panic!("{error}");
        };
        assert_eq!((status.code(), stderr.as_str()), (Some(3), "oops\n"));
    }

    #[test]
    fn a_process_that_is_killed_has_failed() {
        let (_, error) = all(Process::shell("kill -9 $$"));
        assert_eq!(
            error.unwrap().to_string(),
            "`sh` failed (signal: 9 (SIGKILL))"
        );
    }

    #[test]
    fn a_program_that_does_not_exist_is_an_error_that_names_it() {
        let error = Process::new("no-such-program", [""; 0])
            .start()
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("cannot start `no-such-program`: ")
        );
    }

    #[test]
    fn standard_error_can_be_merged() {
        let process = Process::shell("echo 1; echo 2 >&2; echo 3; exit 1").stderr(Stderr::Merge);
        let (lines, error) = all(process);
        assert_eq!(lines, ["1", "2", "3"]);
        assert_eq!(error.unwrap().to_string(), "`sh` failed (exit status: 1)");
    }

    #[test]
    fn a_flood_of_standard_error_neither_blocks_nor_fills_memory() {
        let (_, error) = all(Process::shell("yes oops | head -n 100000 >&2; exit 1"));
        let Some(ProcessError::Failed { stderr, .. }) = error else {
            panic!("{error:?}");
        };
        assert!(stderr.len() <= 8 * 1024);
        assert!(stderr.lines().all(|line| line == "oops"));
    }

    #[test]
    fn a_process_that_closes_its_output_is_waited_for() {
        let (_, error) = all(Process::shell("exec >&-; exit 4"));
        assert_eq!(error.unwrap().to_string(), "`sh` failed (exit status: 4)");
    }

    #[test]
    fn the_command_can_be_run_again() {
        for stderr in [Stderr::Keep, Stderr::Merge] {
            let mut process = Process::new("echo", ["a"]).stderr(stderr);
            for _ in 0..2 {
                let mut running = process.start().unwrap();
                assert_eq!(
                    block_on(running.next_line()).unwrap(),
                    Some("a".to_string())
                );
                assert_eq!(block_on(running.next_line()).unwrap(), None);
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn dropping_kills_and_reaps_the_process() {
        for command in ["exec sleep 1000", "exec yes", "exec sleep 1000 >&-"] {
            let mut process = Process::shell(command);
            let running = process.start().unwrap();
            let directory = format!("/proc/{}", running.id());
            assert!(std::path::Path::new(&directory).exists());
            drop(running);
            assert!(!std::path::Path::new(&directory).exists(), "{command}");
        }
    }

    #[test]
    fn a_command_keeps_its_directory_and_environment() {
        let mut command = Command::new("sh");
        command
            .args(["-c", "pwd; echo $GREETING"])
            .current_dir("/")
            .env("GREETING", "hello");
        assert_eq!(all(Process::from(command)).0, ["/", "hello"]);
    }
}
