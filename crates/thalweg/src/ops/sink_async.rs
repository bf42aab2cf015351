use std::future::Future;

use super::parts::{Calls, Came, Sure};
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Context, Element, Flow, Never, Operator, Sink, Stream};

/// Calls an asynchronous function with every element; see [`Stream::sink_async`].
pub struct SinkAsync<T, F, Fut> {
    calls: Calls<T, (), F, Fut>,
    label: Option<String>,
}

impl<T, E, F, Fut> SinkAsync<T, F, Fut>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    /// A sink that calls `f(x)` for every `x`, and holds `x` until the future is done.
    pub fn new(f: F) -> Self {
        Self {
            calls: Calls::new(f),
            label: function_name::<F>(),
        }
    }
}

impl<T, E, F, Fut> SinkAsync<T, F, Fut>
where
    T: Element,
    E: Into<BoxError>,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    /// Lets go of an element if its call has ended, and reports it if that failed.
    fn let_go(&mut self, key: usize, cx: &mut Context<'_, Self>) {
        if let Some((call, Err(cause))) = self.calls.take(key) {
            let (element, ordinal) = (call.element, call.ordinal);
            cx.under(call.lease, |cx| cx.give_up(element, ordinal, cause));
        }
    }
}

impl<T, E, F, Fut> Operator for SinkAsync<T, F, Fut>
where
    T: Element,
    E: Into<BoxError>,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
{
    type In = T;
    type Out = Never;
    type Event = Came<()>;
    const KIND: &'static str = "sink_async";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const SINK: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        let (lease, ordinal) = (cx.hold(), cx.ordinal());
        let key = self.calls.start(x, lease, ordinal, cx);
        self.let_go(key, cx);
        Ok(())
    }

    fn event(
        &mut self,
        key: u64,
        came: Result<Came<()>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> Flow {
        let key = key as usize;
        self.calls.came(key, came, cx);
        self.let_go(key, cx);
        Ok(())
    }

    fn moving(&self) -> usize {
        self.calls.len()
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

impl<T: Element> Stream<T> {
    /// Calls an asynchronous function with every element; the emitter waits until the future is
    /// done.
    ///
    /// The futures run on the pipeline's runtime, and as many at a time as there are elements whose
    /// emitters wait: one, if they come from a single loop that awaits each `emit`, or from behind
    /// a [`buffer`](Self::buffer). An acknowledgement token fires when the future is done.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let (sender, written) = std::sync::mpsc::channel();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// source.sink_async(move |x| {
    ///     let (timer, sender) = (timer.clone(), sender.clone());
    ///     async move {
    ///         timer.sleep(Duration::from_millis(200)).await;
    ///         sender.send(x).unwrap();
    ///     }
    /// });
    /// clock.block_on(async {
    ///     for x in 0..10 {
    ///         source.emit(x).await?;
    ///     }
    ///     Ok::<(), thalweg::Error>(())
    /// })?;
    /// assert!(written.try_iter().eq(0..10));
    /// assert_eq!(clock.now(), Duration::from_secs(2));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sink_async<F, Fut>(&self, mut f: F) -> Sink
    where
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let mut sink = SinkAsync::new(move |x| Sure::new(f(x)));
        sink.calls.keep_on_demand();
        sink.label = function_name::<F>();
        Sink::new(self.apply(sink))
    }

    /// The same with a function that may fail. The policy set with
    /// [`on_error`](Self::on_error) decides what then; the element is kept for it while the future
    /// runs.
    ///
    /// ```
    /// # use thalweg::{OnError::Skip, Retry, Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let (mut calls, mut written) = (0, Vec::new());
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// source
    ///     .try_sink_async(move |x: &str| {
    ///         calls += 1;
    ///         let is_up = calls > 2;
    ///         let sender = sender.clone();
    ///         async move {
    ///             if !is_up {
    ///                 return Err("the server is down");
    ///             }
    ///             sender.send(x).map_err(|_| "nobody is there")
    ///         }
    ///     })
    ///     .on_error(Retry::times(3).backoff("1s"));
    /// clock.block_on(source.emit("hello"))?;
    /// written.extend(receiver.try_iter());
    /// assert_eq!(written, ["hello"]);
    /// assert_eq!(clock.now().as_secs(), 1 + 2);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn try_sink_async<Fut, E>(&self, f: impl FnMut(T) -> Fut + Send + 'static) -> Sink
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Sink::new(self.apply(SinkAsync::new(f)))
    }
}
