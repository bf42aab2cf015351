//! A running process.

use std::fmt;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use thalweg::{Element, Emitter, Stop};

use super::stderr_tail::StderrTail;
use super::{ProcessError, Stderr};
use crate::Lines;
use crate::reader::{Chunks, LineReader, NextLineError};

/// A [`Process`](super::Process) that has been started. Dropping it kills the process and waits for its end.
pub struct Running<T> {
    program: String,
    child: Owned,
    reader: LineReader<T, End>,
}

/// Exit of a process without success.
enum End {
    Unreadable(io::Error),
    Failed { status: ExitStatus, stderr: String },
}

/// The child, which does not outlive this.
struct Owned(Arc<Mutex<Child>>);

impl<T> Running<T> {
    pub(super) fn start(
        command: &mut Command,
        stderr: Stderr,
        lines: &Lines<T>,
    ) -> Result<Self, ProcessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let lines = lines.buffer().map_err(|source| ProcessError::Line {
            program: program.clone(),
            source,
        })?;
        let mut read = || {
            let (child, output, tail) = spawn(command, stderr)?;
            let waiter = Arc::clone(&child.0);
            let chunks = Chunks::read("thalweg process", output, move |end| {
                end.map_err(End::Unreadable)?;
                let status = wait(&waiter).map_err(End::Unreadable)?;
                let stderr = tail.map(StderrTail::text).unwrap_or_default();
                match status.success() {
                    true => Ok(()),
                    false => Err(End::Failed { status, stderr }),
                }
            })?;
            Ok((child, chunks))
        };
        match read() {
            Ok((child, chunks)) => Ok(Self {
                program,
                child,
                reader: LineReader::new(chunks, lines),
            }),
            Err(source) => Err(ProcessError::Start { program, source }),
        }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        lock(&self.child.0).id()
    }

    /// Waits for the next line; `None` when the process has exited with success. Cancel-safe: nothing is lost when the
    /// future is dropped.
    ///
    /// # Errors
    ///
    /// See [`ProcessError`]. After [`ProcessError::Line`] the next call continues with the next line.
    pub async fn next_line(&mut self) -> Result<Option<T>, ProcessError> {
        let line = self.reader.next_line().await;
        line.map_err(|fault| error(&self.program, fault))
    }

    /// Emits lines until the process ends or the source is stopped.
    pub(super) async fn emit_all(&mut self, out: &Emitter<T>) -> Result<(), Stop>
    where
        T: Element,
    {
        let Self {
            program, reader, ..
        } = self;
        reader.emit_all(out, |fault| error(program, fault)).await
    }
}

fn error(program: &str, fault: NextLineError<End>) -> ProcessError {
    let program = program.to_owned();
    match fault {
        NextLineError::Line(source) => ProcessError::Line { program, source },
        NextLineError::End(End::Unreadable(source)) => ProcessError::Read { program, source },
        NextLineError::End(End::Failed { status, stderr }) => ProcessError::Failed {
            program,
            status,
            stderr,
        },
    }
}

/// Spawns the child with its output in a pipe.
fn spawn(
    command: &mut Command,
    stderr: Stderr,
) -> io::Result<(Owned, Box<dyn Read + Send>, Option<StderrTail>)> {
    let mut merged = None;
    match stderr {
        Stderr::Keep => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        Stderr::Inherit => command.stdout(Stdio::piped()).stderr(Stdio::inherit()),
        Stderr::Merge => {
            let (reader, writer) = io::pipe()?;
            merged = Some(reader);
            command.stdout(writer.try_clone()?).stderr(writer)
        }
    };
    let spawned = command.spawn();
    // The command holds the writing ends of the pipe open; replaced, so that the pipe ends with the child.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawned?;
    let pipes = (child.stdout.take(), child.stderr.take());
    let child = Owned(Arc::new(Mutex::new(child)));
    let tail = pipes.1.map(StderrTail::keep).transpose()?;
    let output: Box<dyn Read + Send> = match (pipes.0, merged) {
        (Some(stdout), _) => Box::new(stdout),
        (None, Some(reader)) => Box::new(reader),
        (None, None) => Box::new(io::empty()),
    };
    Ok((child, output, tail))
}

/// Waits for the end of a child that other threads must be able to kill meanwhile.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = lock(child).try_wait()? {
            return Ok(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut child = lock(&self.0);
        // An error means that the child has already been waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl<T> fmt::Debug for Running<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("program", &self.program)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
