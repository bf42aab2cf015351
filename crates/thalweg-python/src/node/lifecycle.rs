use std::future::Future;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pyo3::prelude::*;

use super::Node;
use crate::event_loop::EventLoop;
use crate::pipeline::Mode;
use crate::run_on_loop::Begun;
use crate::{failure, interpreter, interrupt, policy};
use thalweg_tasks::host;

/// A number of elements, and their mean, median, 99th percentile and longest latency in seconds.
type Latencies = (u64, f64, f64, f64, f64);

/// How long a drain may take that is not waited for: it ends at once, or never.
const PATIENCE: Duration = Duration::from_secs(1);

#[pymethods]
impl Node {
    /// Ends the pipeline in good order, within `seconds`.
    fn _drain(&self, py: Python<'_>, seconds: f64, asynchronous: bool) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        let drain = parts.out.drain(limit_of(seconds));
        if asynchronous || parts.pipeline().place() != Mode::NoLoop {
            return parts.begin(py, asynchronous, move || Begun::Other(Box::pin(drain)));
        }
        waited(py, drain.wait())
    }

    /// Waits until nothing is on its way in the pipeline, for `seconds` at most.
    fn _until_idle(&self, py: Python<'_>, seconds: f64, asynchronous: bool) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        let idle = parts.out.until_idle(limit_of(seconds));
        if asynchronous || parts.pipeline().place() != Mode::NoLoop {
            return parts.begin(py, asynchronous, move || Begun::Other(Box::pin(idle)));
        }
        waited(py, idle.wait())
    }

    /// Ends the pipeline as far as that needs no event loop: whether it has ended.
    fn _drain_at_once(&self, py: Python<'_>) -> PyResult<bool> {
        let mut drain = std::pin::pin!(self.parts()?.out.drain(PATIENCE));
        let polled = drain.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        interrupt::check()?;
        match polled {
            Poll::Ready(result) => result
                .map(|()| true)
                .map_err(|error| failure::raise(py, &error)),
            Poll::Pending => Ok(false),
        }
    }

    /// Has the pipeline refuse elements from now on, without waiting for who is at work inside.
    fn _close(&self) -> PyResult<()> {
        self.parts()?.out.close();
        Ok(())
    }

    /// Says whether the pipeline takes elements while it is being drained, and later.
    fn _take_late(&self, takes_late: bool) -> PyResult<()> {
        let out = &self.parts()?.out;
        if takes_late {
            out.take_late_elements(is_waited_for);
        } else {
            out.refuse_late_elements();
        }
        Ok(())
    }

    /// Whether elements have come that the last drain has not seen.
    fn _has_late(&self) -> PyResult<bool> {
        Ok(self.parts()?.out.has_late_elements())
    }

    /// Has the pipeline take elements again after a drain.
    fn _reopen(&self) -> PyResult<()> {
        let parts = self.parts()?;
        parts.out.reopen();
        parts.pipeline().reopen();
        Ok(())
    }

    /// Whether nothing of the pipeline's will go on by itself, and nobody is at work inside. Where there is no event loop,
    /// an element that waits there does not go on.
    fn _is_at_rest(&self) -> PyResult<bool> {
        let parts = self.parts()?;
        Ok(match parts.pipeline().place() {
            Mode::NoLoop => parts.in_flight().is_some(),
            _ => parts.out.is_pipeline_idle(),
        })
    }

    /// How many elements are on their way in the node; `None` if somebody is at work inside the pipeline.
    fn _in_flight(&self) -> PyResult<Option<usize>> {
        Ok(self.parts()?.in_flight())
    }

    /// Takes what failed in the pipeline without anybody having been told: pairs of a node's name and the
    /// exception.
    fn _take_failures(&self, py: Python<'_>) -> PyResult<Vec<(String, Py<PyAny>)>> {
        let failures = self.parts()?.out.take_failures();
        let told = failures.iter().map(|failure| {
            let exception = failure::exception(py, failure).into_value(py);
            (failure.node().to_owned(), exception.into_any())
        });
        Ok(told.collect())
    }

    /// Has elements end where their way would close a cycle.
    fn _cut_cycles(&self) -> PyResult<()> {
        self.parts()?.out.cut_cycles();
        Ok(())
    }

    /// Says whether `emit` is awaited or blocks.
    fn _set_asynchronous(&self, asynchronous: bool) -> PyResult<()> {
        self.parts()?.pipeline().set_asynchronous(asynchronous)
    }

    #[getter]
    fn asynchronous(&self) -> PyResult<Option<bool>> {
        Ok(self.parts()?.pipeline().asynchronous())
    }

    /// Gives the pipeline an asyncio loop.
    fn _set_event_loop(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let parts = self.parts()?;
        let event_loop = EventLoop::of(event_loop)?;
        parts.pipeline().set_event_loop(py, &event_loop)?;
        parts
            .out
            .run_on(event_loop.handle())
            .map_err(|error| failure::raise(py, &error))
    }

    /// Sees to it that the pipeline has an event loop: the one the user runs, if the pipeline is
    /// asynchronous, else one on a thread of its own.
    #[pyo3(name = "_need_loop")]
    pub(crate) fn need_loop(slf: &Bound<'_, Self>) -> PyResult<()> {
        let parts = slf.get().parts()?;
        let event_loop = parts.pipeline().need_loop(slf.py())?;
        parts
            .out
            .run_on(event_loop.handle())
            .map_err(|error| failure::raise(slf.py(), &error))
    }

    /// Has the pipeline run on a loop on a thread of its own, if it is asynchronous and no loop runs here.
    fn _begin_without_loop(&self, py: Python<'_>) -> PyResult<()> {
        self.parts()?.pipeline().begin_without_loop(py)
    }

    /// Has the pipeline run on the event loop that runs on this thread, unless it has another.
    fn _follow_loop(&self, py: Python<'_>) -> PyResult<()> {
        self.parts()?.begin(py, true, || {
            Begun::Other(Box::pin(std::future::ready(Ok(()))))
        })?;
        Ok(())
    }

    /// The pipeline's asyncio loop.
    #[getter]
    fn _event_loop(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        let event_loop = self.parts()?.pipeline().event_loop();
        Ok(event_loop.map(|event_loop| event_loop.object(py)))
    }

    /// Sets what is done about elements that the node's function fails on.
    fn _set_on_error(slf: &Bound<'_, Self>, on_error: &Bound<'_, PyAny>) -> PyResult<()> {
        policy::set(slf, on_error)
    }

    /// How many elements the node has received, sent, failed on and holds; and for how long elements
    /// have waited in it, in seconds.
    fn _counters(&self) -> PyResult<(u64, u64, u64, u64, f64)> {
        let counters = self.parts()?.inlet.counters();
        Ok((
            counters.received,
            counters.sent,
            counters.failed,
            counters.held,
            counters.waited.as_secs_f64(),
        ))
    }

    /// How many elements have been timed at the node; and how late they were on the average, at the median and at the
    /// 99th percentile, and the latest of them, in seconds. From now on elements are timed.
    fn _latency(&self) -> PyResult<Option<Latencies>> {
        let found = self.parts()?.inlet.latency();
        Ok(found.map(|latency| {
            let seconds = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64();
            (
                latency.count(),
                seconds(latency.mean()),
                seconds(latency.quantile(0.5)),
                seconds(latency.quantile(0.99)),
                latency.max().as_secs_f64(),
            )
        }))
    }

    /// Whether nothing is on its way in the node, and nobody is at work inside the pipeline.
    fn _has_nothing_on_its_way(&self) -> PyResult<bool> {
        Ok(self.parts()?.is_idle())
    }
}

/// Whether the end of the program waits for what this thread emits.
fn is_waited_for() -> bool {
    interpreter::ends_here() || host::runs_task()
}

fn limit_of(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn waited(py: Python<'_>, result: Result<(), thalweg::Error>) -> PyResult<Py<PyAny>> {
    interrupt::check()?;
    result.map_err(|error| failure::raise(py, &error))?;
    Ok(py.None())
}
