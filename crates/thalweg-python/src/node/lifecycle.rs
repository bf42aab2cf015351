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

/// Name, value, unacknowledged elements, and age of the oldest of them in seconds.
type Position = (String, Option<String>, u64, Option<f64>);

/// Count, and mean, median, 99th percentile and maximum in seconds.
type Latencies = (u64, f64, f64, f64, f64);

/// Time limit of a drain that is not waited for: it completes at once, or never.
const PATIENCE: Duration = Duration::from_secs(1);

#[pymethods]
impl Node {
    /// Drains the pipeline within `seconds`.
    fn _drain(&self, py: Python<'_>, seconds: f64, asynchronous: bool) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        let drain = parts.out.drain(limit_of(seconds));
        if asynchronous || parts.pipeline().place() != Mode::NoLoop {
            return parts.begin(py, asynchronous, move || Begun::Other(Box::pin(drain)));
        }
        waited(py, drain.wait())
    }

    /// Waits until nothing is in flight in the pipeline, for `seconds` at most.
    fn _until_idle(&self, py: Python<'_>, seconds: f64, asynchronous: bool) -> PyResult<Py<PyAny>> {
        let parts = self.parts()?;
        let idle = parts.out.until_idle(limit_of(seconds));
        if asynchronous || parts.pipeline().place() != Mode::NoLoop {
            return parts.begin(py, asynchronous, move || Begun::Other(Box::pin(idle)));
        }
        waited(py, idle.wait())
    }

    /// Drains the pipeline as far as that needs no event loop; returns whether it has completed.
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

    /// Makes the pipeline refuse elements, without waiting for threads inside.
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

    /// Reopens a pipeline after a drain.
    fn _reopen(&self) -> PyResult<()> {
        let parts = self.parts()?;
        parts.out.reopen();
        parts.pipeline().reopen();
        Ok(())
    }

    /// Whether nothing in the pipeline will go on by itself, and no thread is inside. Without an event loop, a waiting
    /// element does not go on.
    fn _is_pipeline_idle(&self) -> PyResult<bool> {
        let parts = self.parts()?;
        Ok(match parts.pipeline().place() {
            Mode::NoLoop => parts.in_flight().is_some(),
            _ => parts.out.is_pipeline_idle(),
        })
    }

    /// Number of elements in flight in the node; `None` if a thread is inside the pipeline.
    fn _in_flight(&self) -> PyResult<Option<usize>> {
        Ok(self.parts()?.in_flight())
    }

    /// Takes the failures that have not been reported: pairs of a node's name and the exception.
    fn _take_failures(&self, py: Python<'_>) -> PyResult<Vec<(String, Py<PyAny>)>> {
        let failures = self.parts()?.out.take_failures();
        let told = failures.iter().map(|failure| {
            let exception = failure::exception(py, failure).into_value(py);
            (failure.node().to_owned(), exception.into_any())
        });
        Ok(told.collect())
    }

    /// Ends elements where their way would close a cycle.
    fn _cut_cycles(&self) -> PyResult<()> {
        self.parts()?.out.cut_cycles();
        Ok(())
    }

    /// Sets whether `emit` is awaited or blocks.
    fn _set_asynchronous(&self, asynchronous: bool) -> PyResult<()> {
        self.parts()?.pipeline().set_asynchronous(asynchronous)
    }

    #[getter]
    fn asynchronous(&self) -> PyResult<Option<bool>> {
        Ok(self.parts()?.pipeline().asynchronous())
    }

    /// Assigns the pipeline to an asyncio loop.
    fn _set_event_loop(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let parts = self.parts()?;
        let event_loop = EventLoop::of(event_loop)?;
        parts.pipeline().set_event_loop(py, &event_loop)?;
        parts
            .out
            .run_on(event_loop.handle())
            .map_err(|error| failure::raise(py, &error))
    }

    /// Makes sure that the pipeline has an event loop: the running one if the pipeline is asynchronous, otherwise one
    /// on a separate thread.
    #[pyo3(name = "_need_loop")]
    fn make_loop(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::need_loop(slf).map(drop)
    }

    /// Assigns an asynchronous pipeline to a loop on a separate thread, if no loop runs here.
    fn _begin_without_loop(&self, py: Python<'_>) -> PyResult<()> {
        self.parts()?.pipeline().begin_without_loop(py)
    }

    /// Assigns the pipeline to the loop running on this thread, unless it has one.
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

    /// Sets the policy for elements that the node's function fails on.
    fn _set_on_error(slf: &Bound<'_, Self>, on_error: &Bound<'_, PyAny>) -> PyResult<()> {
        policy::set(slf, on_error)
    }

    /// Number of elements received, sent, failed and held, and seconds that elements have waited in the node.
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

    /// Number of elements timed at the node, and the mean, median, 99th percentile and maximum of their latencies in
    /// seconds. The first call begins the timing.
    /// Positions of the source: name, value, number of unacknowledged elements, and age of the oldest in seconds.
    fn _positions(&self) -> PyResult<Vec<Position>> {
        let positions = self.parts()?.out.positions().into_iter();
        let shown = positions.map(|position| {
            let oldest = position.oldest.map(|age| age.as_secs_f64());
            (
                position.name,
                position.value,
                position.unacknowledged,
                oldest,
            )
        });
        Ok(shown.collect())
    }

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

    /// Whether nothing is in flight in the node, and no thread is inside the pipeline.
    fn _is_idle(&self) -> PyResult<bool> {
        Ok(self.parts()?.is_idle())
    }
}

impl Node {
    /// Makes sure that the pipeline has an event loop, and returns it.
    pub(crate) fn need_loop(slf: &Bound<'_, Self>) -> PyResult<EventLoop> {
        let parts = slf.get().parts()?;
        let event_loop = parts.pipeline().need_loop(slf.py())?;
        let moved = parts.out.run_on(event_loop.handle());
        moved.map_err(|error| failure::raise(slf.py(), &error))?;
        Ok(event_loop)
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
