//! A process as the source of a pipeline.

use std::path::Path;

use thalweg::{Element, Emitter, Source, Stop, Stream};

use super::Process;

impl<T: Element> Source for Process<T> {
    type Item = T;
    const KIND: &'static str = "from_process";

    fn label(&self) -> Option<String> {
        let program = Path::new(self.command.get_program()).file_name()?;
        Some(program.to_string_lossy().into_owned())
    }

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        self.start()?.emit_all(out).await
    }
}

/// Processes as sources: [`Stream::from_process`](FromProcess::from_process).
pub trait FromProcess {
    /// Conversion of a line to an element.
    type Line: Element;

    /// Emits the lines of a process's output until it ends. The process is given as a [`Process`] or a
    /// [`Command`](std::process::Command). The name is streamz's.
    ///
    /// The process runs from [`start`](Stream::start) on. [`stop`](Stream::stop) and [`drain`](Stream::drain) kill it:
    /// output that the pipeline has not yet taken is lost. Its failure is a failure of the source's node, which `drain`
    /// reports.
    ///
    /// ```
    /// use thalweg::Stream;
    /// use thalweg_io::{Process, prelude::*};
    ///
    /// # if !cfg!(unix) { return Ok(()) }
    /// let lines = Stream::from_process(Process::new("printf", ["%s\n", "20.5", "20.7"]));
    /// let list = lines.sink_to_list();
    /// lines.run("5s").wait()?;
    /// assert_eq!(list.to_vec(), ["20.5", "20.7"]);
    ///
    /// let lines = Stream::from_process(Process::shell("echo one; echo oops >&2; exit 3"));
    /// let list = lines.sink_to_list();
    /// let error = lines.run("5s").wait().unwrap_err();
    /// assert!(error.to_string().ends_with("`sh` failed (exit status: 3): oops"));
    /// assert_eq!(list.to_vec(), ["one"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    fn from_process(process: impl Into<Process<Self::Line>>) -> Stream<Self::Line>;
}

impl<T: Element> FromProcess for Stream<T> {
    type Line = T;

    fn from_process(process: impl Into<Process<T>>) -> Self {
        Stream::from_source(process.into())
    }
}
