//! Starting and stopping sources.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::{Graph, Pass};
use crate::failure::Error;
use crate::runtime::RuntimeHandle;
use crate::sync::lock;

/// A source that is not running.
pub(crate) trait Parked: Send {
    /// Starts it.
    fn launch(self: Box<Self>, control: &Arc<Control>, runtime: &RuntimeHandle);

    /// Runs its part at the end of a drain.
    fn close(self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// The switch of a source.
pub(crate) struct Control {
    state: Mutex<State>,
    /// Whether it is to stop. It changes under the lock of the state, and is read without it for each element.
    stop: AtomicBool,
}

#[derive(Default)]
struct State {
    running: bool,
    /// It has been started again since it was last told to stop, and may still be stopping.
    again: bool,
    /// The source, while it is not running and is not finished.
    parked: Option<Box<dyn Parked>>,
    /// It was stopped by a pause, and has not been resumed.
    is_paused: bool,
    /// It has ended.
    is_exhausted: bool,
    stop_waker: Option<Waker>,
    end_wakers: VecDeque<Waker>,
}

impl Control {
    pub(crate) fn new(source: Box<dyn Parked>) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                parked: Some(source),
                ..State::default()
            }),
            stop: AtomicBool::new(false),
        })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Starts the source, unless it is running or has ended.
    pub(crate) fn start(self: &Arc<Self>, runtime: &RuntimeHandle) {
        let source = {
            let mut state = lock(&self.state);
            state.again |= state.running && self.is_stopped();
            self.stop.store(false, Ordering::Release);
            state.is_paused = false;
            let source = match state.is_exhausted {
                true => None,
                false => state.parked.take(),
            };
            state.running |= source.is_some();
            source
        };
        if let Some(source) = source {
            source.launch(self, runtime);
        }
    }

    pub(crate) fn stop(&self) {
        let waker = {
            let mut state = lock(&self.state);
            self.stop.store(true, Ordering::Release);
            state.again = false;
            state.is_paused = false;
            state.stop_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Stops the source if it is running and was not told to; returns whether it did.
    fn pause(&self) -> bool {
        let runs = {
            let state = lock(&self.state);
            state.running && (!self.is_stopped() || state.again)
        };
        if runs {
            self.stop();
            lock(&self.state).is_paused = true;
        }
        runs
    }

    /// Resumes a paused source; returns whether it was paused.
    fn resume(self: &Arc<Self>, runtime: &RuntimeHandle) -> bool {
        let is_paused = lock(&self.state).is_paused;
        if is_paused {
            self.start(runtime);
        }
        is_paused
    }

    pub(crate) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    pub(crate) fn poll_stop(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        state.stop_waker = Some(waker.clone());
        self.is_stopped()
    }

    /// Whether it is not running; the waker is woken when it stops.
    pub(crate) fn poll_ended(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        if state.running {
            state.end_wakers.push_back(waker.clone());
        }
        !state.running
    }

    /// The source has stopped. It may be started again, unless it `is_exhausted`.
    pub(crate) fn ended(
        self: &Arc<Self>,
        source: Option<Box<dyn Parked>>,
        is_exhausted: bool,
        runtime: &RuntimeHandle,
    ) {
        let mut state = lock(&self.state);
        let again = std::mem::take(&mut state.again);
        match source {
            Some(source) if again && !is_exhausted => {
                drop(state);
                source.launch(self, runtime);
            }
            source => {
                state.running = false;
                state.parked = source;
                state.is_exhausted = is_exhausted;
                state.stop_waker = None;
                let wakers = std::mem::take(&mut state.end_wakers);
                drop(state);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }

    /// The source, which will not run again.
    fn retire(&self) -> Option<Box<dyn Parked>> {
        lock(&self.state).parked.take()
    }
}

impl Graph {
    /// Starts all sources.
    pub(crate) fn start_sources(self: &Arc<Self>) -> Result<(), Error> {
        self.check_open()?;
        if let Some((sources, Some(runtime))) = self.query(|pass| {
            let graph = pass.graph();
            let sources = graph.sources(pass);
            if !sources.is_empty() {
                graph.need_runtime(pass);
            }
            (sources, graph.runtime().cloned())
        }) {
            for source in sources {
                source.start(&runtime);
            }
        }
        self.check()
    }

    pub(crate) fn stop_sources(self: &Arc<Self>) {
        for source in self
            .query(|pass| pass.graph().sources(pass))
            .unwrap_or_default()
        {
            source.stop();
        }
    }

    /// Stops all running sources; returns their number.
    pub(crate) fn pause_sources(&self, pass: &Pass) -> usize {
        let sources = self.sources(pass);
        sources.iter().filter(|source| source.pause()).count()
    }

    /// Resumes all paused sources; returns their number.
    pub(crate) fn resume_sources(&self, pass: &Pass) -> usize {
        let Some(runtime) = self.runtime() else {
            return 0;
        };
        let sources = self.sources(pass);
        let resumed = sources.iter().filter(|source| source.resume(runtime));
        resumed.count()
    }

    /// Completes when no source is running.
    pub(crate) async fn sources_ended(self: &Arc<Self>) {
        let sources = self
            .query(|pass| pass.graph().sources(pass))
            .unwrap_or_default();
        poll_fn(|cx| {
            let mut running = sources
                .iter()
                .filter(|source| !source.poll_ended(cx.waker()));
            let ended = running.next().is_none();
            if ended {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Closes all sources, now that nothing is in flight: at the same time, so that none waits for another that is slow.
    pub(crate) async fn close_sources(self: &Arc<Self>) {
        let sources = self
            .query(|pass| pass.graph().sources(pass))
            .unwrap_or_default();
        let retired = sources.iter().filter_map(|source| source.retire());
        let mut closing: Vec<_> = retired.map(Parked::close).collect();
        poll_fn(|cx| {
            closing.retain_mut(|source| source.as_mut().poll(cx).is_pending());
            match closing.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Starts the sources upstream of a node, or the node itself.
    pub(crate) fn start_above(&self, id: u64, pass: &Pass) {
        let sources = self.sources_above(id, pass);
        if sources.is_empty() {
            return;
        }
        self.need_runtime(pass);
        if let Some(runtime) = self.runtime() {
            sources.iter().for_each(|source| source.start(runtime));
        }
    }

    pub(crate) fn stop_above(&self, id: u64, pass: &Pass) {
        self.sources_above(id, pass)
            .iter()
            .for_each(|source| source.stop());
    }
}
