//! Sources: where elements come from by themselves.

mod from_iter;
mod from_periodic;
mod from_stream;

use std::collections::VecDeque;
use std::error::Error as StdError;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

use crate::ack::Ack;
use crate::failure::{BoxError, Error};
use crate::graph::{Emit, Graph, Pass};
use crate::operator::Element;
use crate::runtime::RuntimeHandle;
use crate::stream::{Stream, WeakStream};
use crate::sync::lock;

/// Something that emits by itself once started: a file, a timer, a socket.
///
/// [`Stream::from_source`] makes a stream of it; [`Stream::start`] has it run, as a future on the
/// pipeline's runtime; [`Stream::stop`] and [`Stream::drain`] ask it to stop.
///
/// ```
/// use thalweg::{Emitter, Source, Stop, Stream};
///
/// /// Counts from `0` to `end`, one every `pause`.
/// struct Counter { next: u32, end: u32 }
///
/// impl Source for Counter {
///     type Item = u32;
///     const KIND: &'static str = "counter";
///
///     async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
///         while self.next < self.end {
///             self.next += 1;
///             out.emit(self.next - 1).await?;
///         }
///         Ok(())
///     }
/// }
///
/// let source = Stream::from_source(Counter { next: 0, end: 3 });
/// let list = source.sink_to_list();
/// source.run(std::time::Duration::from_secs(5)).wait()?;
/// assert_eq!(list.to_vec(), [0, 1, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Source: Send + 'static {
    /// What it emits.
    type Item: Element;
    /// The name of this kind of source, as users know it.
    const KIND: &'static str;

    /// What sets this source apart from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }

    /// Emits until there is no more (`Ok`) or until it is asked to stop, which the functions of
    /// `out` report as [`Stop::Stopped`], to be passed on with `?`.
    ///
    /// The position is kept in `self`: started again after a stop, it goes on from there. Advance
    /// it before emitting: an element whose `emit` reports a stop has been taken.
    fn run(&mut self, out: &Emitter<Self::Item>) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// Why a source ends before there is no more.
#[derive(Debug)]
pub enum Stop {
    /// It was asked to.
    Stopped,
    /// It cannot go on. The pipeline's users get this as an unhandled failure of the source's node.
    Failed(BoxError),
}

impl<E: StdError + Send + Sync + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// How often a source emits before others on its event loop get a turn.
const TURN: usize = 128;

/// A source's way into the pipeline.
///
/// Emitting lets others on the same event loop have their turn every now and then, also where
/// nothing downstream ever waits: a source without end can be stopped.
pub struct Emitter<T> {
    stream: Stream<T>,
    control: Arc<Control>,
    runtime: RuntimeHandle,
    /// Elements emitted since the others' last turn.
    emitted: AtomicUsize,
}

impl<T: Element> Emitter<T> {
    /// Emits an element and waits until every node downstream has taken it. What fails on the way
    /// is no business of the source: it is unhandled, and the source goes on.
    ///
    /// # Errors
    /// [`Stop::Stopped`] if the source is to stop. The element has been taken nevertheless.
    pub async fn emit(&self, x: T) -> Result<(), Stop> {
        self.settle(self.stream.emit_from_source(x, None)).await
    }

    /// The same with an acknowledgement token.
    ///
    /// # Errors
    /// As [`emit`](Self::emit).
    pub async fn emit_with(&self, x: T, ack: Ack) -> Result<(), Stop> {
        self.settle(self.stream.emit_from_source(x, Some(ack)))
            .await
    }

    /// Emits all elements of a batch, in order. They are taken from it as they can be sent: behind
    /// something that waits, one by one.
    ///
    /// # Errors
    /// As [`emit`](Self::emit), once the whole batch has been taken. For a batch that ends as soon
    /// as the source [is to stop](Self::is_stopped), that is soon.
    pub async fn emit_many(
        &self,
        batch: impl IntoIterator<Item = T, IntoIter: Send>,
    ) -> Result<(), Stop> {
        if let Err(error) = self.stream.emit_many_from_source(batch).await {
            self.stream.report_unhandled(&error);
        }
        self.go_on(TURN).await
    }

    /// Reports that one element could not be made, a line that is no text say. The source goes on,
    /// and its node's policy is asked: the failure goes to [`Stream::errors`], say, or is unhandled.
    pub fn report(&self, cause: impl Into<BoxError>) {
        self.stream.report_unmade(cause.into());
    }

    async fn settle(&self, emit: Emit) -> Result<(), Stop> {
        if let Err(error) = emit.await {
            self.stream.report_unhandled(&error);
        }
        self.go_on(1).await
    }

    /// Waits on the pipeline's clock.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn sleep(&self, duration: Duration) -> Result<(), Stop> {
        self.or_stop(self.runtime.sleep(duration)).await
    }

    /// Waits until a time of the pipeline's clock.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn sleep_until(&self, at: Duration) -> Result<(), Stop> {
        self.or_stop(self.runtime.sleep_until(at)).await
    }

    /// Waits for a future, which is dropped if the source is to stop before it ends.
    ///
    /// # Errors
    /// [`Stop::Stopped`], at once, if the source is to stop.
    pub async fn or_stop<R>(&self, future: impl Future<Output = R>) -> Result<R, Stop> {
        let mut future = pin!(future);
        poll_fn(|cx| {
            if self.control.poll_stop(cx.waker()) {
                return Poll::Ready(Err(Stop::Stopped));
            }
            future.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Lets others on the same event loop have their turn. A source that works without ever waiting
    /// for anything else calls this now and then; emitting does.
    ///
    /// # Errors
    /// [`Stop::Stopped`] if the source is to stop.
    pub async fn yield_now(&self) -> Result<(), Stop> {
        self.emitted.store(0, Ordering::Relaxed);
        self.or_stop(yield_once()).await
    }

    /// Whether the source is to stop.
    pub fn is_stopped(&self) -> bool {
        lock(&self.control.state).stop
    }

    /// The time of the pipeline's clock.
    pub fn now(&self) -> Duration {
        self.runtime.now()
    }

    /// Ends an emission that counts for so many.
    async fn go_on(&self, emitted: usize) -> Result<(), Stop> {
        let emitted = emitted + self.emitted.load(Ordering::Relaxed);
        self.emitted.store(emitted, Ordering::Relaxed);
        if emitted >= TURN {
            return self.yield_now().await;
        }
        if self.is_stopped() {
            Err(Stop::Stopped)
        } else {
            Ok(())
        }
    }
}

/// Lets others on the same event loop have their turn.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// What starts a source: a function that makes the future to run.
type Launch = Box<dyn FnOnce(&Arc<Control>, &RuntimeHandle) + Send>;

/// The switch of a source.
pub(crate) struct Control {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    running: bool,
    stop: bool,
    /// It has been started again since it was last told to stop, which it may be doing.
    again: bool,
    /// How to start it, while it does not run and is not exhausted.
    launch: Option<Launch>,
    stop_waker: Option<Waker>,
    end_wakers: VecDeque<Waker>,
}

impl Control {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
        })
    }

    /// Has the source run, unless it does or has nothing left.
    pub(crate) fn start(self: &Arc<Self>, runtime: &RuntimeHandle) {
        let launch = {
            let mut state = lock(&self.state);
            state.again |= state.running && state.stop;
            state.stop = false;
            let launch = state.launch.take();
            state.running |= launch.is_some();
            launch
        };
        if let Some(launch) = launch {
            launch(self, runtime);
        }
    }

    pub(crate) fn stop(&self) {
        let waker = {
            let mut state = lock(&self.state);
            state.stop = true;
            state.again = false;
            state.stop_waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        lock(&self.state).running
    }

    fn poll_stop(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        state.stop_waker = Some(waker.clone());
        state.stop
    }

    /// Whether it does not run; the waker is called when it no longer does.
    pub(crate) fn poll_ended(&self, waker: &Waker) -> bool {
        let mut state = lock(&self.state);
        if state.running {
            state.end_wakers.push_back(waker.clone());
        }
        !state.running
    }

    /// The source does not run any more; `launch` is how to have it go on.
    fn ended(self: &Arc<Self>, launch: Option<Launch>, runtime: &RuntimeHandle) {
        let mut state = lock(&self.state);
        let again = std::mem::take(&mut state.again);
        match launch {
            Some(launch) if again => {
                drop(state);
                launch(self, runtime);
            }
            launch => {
                state.running = false;
                state.launch = launch;
                state.stop_waker = None;
                let wakers = std::mem::take(&mut state.end_wakers);
                drop(state);
                wakers.into_iter().for_each(Waker::wake);
            }
        }
    }
}

/// How to run `source`, and how to go on after it was stopped.
fn launch<S: Source>(mut source: S, node: WeakStream<S::Item>) -> Launch {
    Box::new(move |control, runtime| {
        let ended = control.clone();
        let Some(stream) = node.upgrade() else {
            control.ended(None, runtime);
            return;
        };
        let out = Emitter {
            stream,
            control: control.clone(),
            runtime: runtime.clone(),
            emitted: AtomicUsize::new(0),
        };
        runtime.spawn(Box::pin(async move {
            let result = crate::graph::caught(source.run(&out)).await;
            let rest = match result {
                Ok(Err(Stop::Stopped)) => Some(launch(source, node)),
                Ok(Ok(())) => None,
                Ok(Err(Stop::Failed(cause))) | Err(cause) => {
                    out.stream.report_source_failure(cause);
                    None
                }
            };
            ended.ended(rest, &out.runtime);
        }));
    })
}

impl<T: Element> Stream<T> {
    /// A stream of what `source` emits, on the runtime this call is made in.
    ///
    /// It runs once [`start`](Self::start)ed, or with [`run`](Self::run).
    pub fn from_source(source: impl Source<Item = T>) -> Self {
        Self::build_source(source, RuntimeHandle::current())
    }

    /// The same on a given runtime.
    ///
    /// ```
    /// # use thalweg::{Emitter, Source, Stop};
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock};
    /// # struct Hours;
    /// # impl Source for Hours {
    /// #     type Item = Duration;
    /// #     const KIND: &'static str = "hours";
    /// #     async fn run(&mut self, out: &Emitter<Duration>) -> Result<(), Stop> {
    /// #         loop {
    /// #             out.emit(out.now()).await?;
    /// #             out.sleep(Duration::from_secs(3600)).await?;
    /// #         }
    /// #     }
    /// # }
    ///
    /// // `Hours` is a source that emits the time every hour.
    /// let clock = VirtualClock::new();
    /// let hours = Stream::from_source_on(Hours, &clock);
    /// let list = hours.sink_to_list();
    /// hours.start()?;
    /// clock.advance(Duration::from_secs(24 * 3600));
    /// assert_eq!(list.len(), 25);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn from_source_on(
        source: impl Source<Item = T>,
        runtime: impl Into<RuntimeHandle>,
    ) -> Self {
        Self::build_source(source, Some(runtime.into()))
    }

    pub(crate) fn build_source<S: Source<Item = T>>(
        source: S,
        runtime: Option<RuntimeHandle>,
    ) -> Self {
        let stream = Self::source_node(S::KIND, source.label(), runtime);
        let control = Control::new();
        lock(&control.state).launch = Some(launch(source, stream.downgrade()));
        let id = stream.id();
        stream.graph().act(Box::new(move |pass| {
            pass.graph().add_source(id, control, pass);
        }));
        stream
    }
}

impl Graph {
    /// Has all sources run.
    pub(crate) fn start_sources(self: &Arc<Self>) -> Result<(), Error> {
        self.check_open()?;
        if let Some((sources, Some(runtime))) = self.ask(|pass| {
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
            .ask(|pass| pass.graph().sources(pass))
            .unwrap_or_default()
        {
            source.stop();
        }
    }

    /// Ends when no source runs.
    pub(crate) async fn sources_ended(self: &Arc<Self>) {
        let sources = self
            .ask(|pass| pass.graph().sources(pass))
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

    /// Has the sources above a node, or the node itself, run.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::VirtualClock;

    #[test]
    fn a_source_without_end_leaves_others_their_turn() -> Result<(), Error> {
        let clock = VirtualClock::new();
        let numbers = Stream::from_source_on(Numbers(0), &clock);
        let list = numbers.sink_to_list();
        clock.block_on(async {
            numbers.start()?;
            // The source runs when this future waits, here for the next turn of the loop.
            yield_once().await;
            numbers.drain("5s").await
        })?;
        assert!(!list.is_empty());
        Ok(())
    }

    #[test]
    fn what_cannot_be_made_goes_where_the_policy_says() -> Result<(), Error> {
        /// Makes every second number.
        struct Evens;
        impl Source for Evens {
            type Item = u32;
            const KIND: &'static str = "evens";

            async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
                for x in 0..5 {
                    match x % 2 {
                        0 => out.emit(x).await?,
                        _ => out.report(format!("{x} is odd")),
                    }
                }
                Err(Stop::Failed("out of numbers".into()))
            }
        }
        let texts = |failures: &[crate::Failure]| -> Vec<String> {
            failures.iter().map(ToString::to_string).collect()
        };

        let clock = VirtualClock::new();
        let raised = Stream::from_source_on(Evens, &clock).named("evens");
        let list = raised.sink_to_list();
        let error = clock.block_on(raised.run("5s")).unwrap_err();
        assert_eq!(list.to_vec(), [0, 2, 4]);
        assert_eq!(
            texts(error.failures()),
            [
                "`evens` failed: 1 is odd",
                "`evens` failed: 3 is odd",
                "`evens` failed: out of numbers"
            ]
        );
        assert_eq!(raised.counters().failed, 3);

        let routed = Stream::from_source_on(Evens, &clock).named("evens");
        let odd = routed.errors().sink_to_list();
        let error = clock.block_on(routed.run("5s")).unwrap_err();
        assert_eq!(texts(&odd.to_vec()).len(), 2);
        assert_eq!(texts(error.failures()), ["`evens` failed: out of numbers"]);
        Ok(())
    }

    #[test]
    fn a_source_that_is_started_while_it_stops_goes_on() -> Result<(), Error> {
        /// Counts its runs, and does something when it is stopped.
        struct Runs<F>(u32, F);
        impl<F: FnMut() + Send + 'static> Source for Runs<F> {
            type Item = u32;
            const KIND: &'static str = "runs";

            async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
                self.0 += 1;
                out.emit(self.0).await?;
                let stopped = out.sleep(Duration::from_secs(3600)).await;
                (self.1)();
                stopped
            }
        }

        let clock = VirtualClock::new();
        let (sender, receiver) = std::sync::mpsc::channel::<Stream<u32>>();
        let start_again = move || {
            if let Ok(stream) = receiver.try_recv() {
                stream.start().unwrap();
            }
        };
        let runs = Stream::from_source_on(Runs(0, start_again), &clock);
        let list = runs.sink_to_list();
        runs.start()?;
        clock.run_until_idle();
        sender.send(runs.clone()).unwrap();
        runs.stop();
        clock.run_until_idle();
        assert_eq!(list.to_vec(), [1, 2]);
        clock.block_on(runs.drain("1s"))
    }

    #[test]
    fn nothing_is_taken_from_a_batch_that_cannot_be_sent() -> Result<(), Error> {
        let clock = VirtualClock::new();
        let numbers = Stream::from_source_on(Numbers(0), &clock);
        let list = numbers.rate_limit("1s").sink_to_list();
        clock.block_on(async {
            numbers.start()?;
            clock.sleep(Duration::from_millis(2500)).await;
            numbers.drain("5s").await
        })?;
        // Nothing is lost between what the source has given and what has arrived.
        assert_eq!(list.to_vec(), [0, 1, 2, 3]);
        assert_eq!(numbers.counters().sent, 4);
        Ok(())
    }

    /// Counts on, in batches that end when the source is to stop.
    struct Numbers(u64);

    impl Source for Numbers {
        type Item = u64;
        const KIND: &'static str = "numbers";

        async fn run(&mut self, out: &Emitter<u64>) -> Result<(), Stop> {
            loop {
                let next = std::iter::from_fn(|| {
                    (!out.is_stopped()).then(|| {
                        self.0 += 1;
                        self.0 - 1
                    })
                });
                out.emit_many(next.take(100)).await?;
            }
        }
    }
}
