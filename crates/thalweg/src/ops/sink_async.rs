use std::any::Any;
use std::future::Future;

use super::parts::{Begun, Borrows, Callee, Calls, Came, Step, Sure, Takes};
use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{Context, Element, EmitResult, Never, Operator, Sink, Stream};

/// Calls an asynchronous function, `C`, with every element; see [`Stream::sink_async`].
pub struct SinkAsync<T, C> {
    calls: Calls<T, (), C>,
    label: Option<String>,
}

shows!([T, C] SinkAsync<T, C> { label });

impl<T, E, F, Fut> SinkAsync<T, Takes<F, Fut>>
where
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<(), E>>,
{
    /// Creates a sink that calls `f(x)` for every `x`, and holds `x` until the future is done.
    pub fn new(f: F) -> Self {
        Self::calling(Takes::new(f), function_name::<F>())
    }
}

impl<T, E, F, Fut> SinkAsync<T, Borrows<F, Fut>>
where
    F: FnMut(&T) -> Result<Step<(), Fut>, E>,
    Fut: Future<Output = Result<(), E>>,
{
    /// The same with a function that may end at once, which costs no more than in [`try_sink`](Stream::try_sink).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{SinkAsync, Step};
    /// use thalweg::{Sink, Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let flush = SinkAsync::stepwise(move |x: &u32| {
    ///     if x % 10 != 0 {
    ///         return Ok(Step::Done(()));
    ///     }
    ///     let sleep = timer.sleep(Duration::from_secs(1));
    ///     Ok(Step::Pending(async move {
    ///         sleep.await;
    ///         Ok::<_, &str>(())
    ///     }))
    /// });
    /// let _sink = Sink::from(source.apply(flush));
    /// assert!(source.emit(9).is_ready());
    /// let tenth = source.emit(10);
    /// assert!(!tenth.is_ready());
    /// clock.block_on(tenth)?;
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn stepwise(f: F) -> Self {
        Self::calling(Borrows::new(f), function_name::<F>())
    }

    /// Uses no runtime until the function returns a future. The function is then called outside of the runtime's
    /// context, so that its futures must not need that context at creation.
    pub fn runtime_on_demand(mut self) -> Self {
        self.calls.runtime_on_demand();
        self
    }
}

impl<T, C> SinkAsync<T, C> {
    fn calling(function: C, label: Option<String>) -> Self {
        Self {
            calls: Calls::new(function),
            label,
        }
    }
}

impl<T, C> Operator for SinkAsync<T, C>
where
    T: Element,
    C: Callee<T, Output = ()>,
{
    type In = T;
    type Out = Never;
    type Event = Came<()>;
    const KIND: &'static str = "sink_async";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const SINK: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let ordinal = cx.ordinal();
        match self.calls.begin(x, ordinal, cx) {
            Begun::Done(()) | Begun::Pending(_) => Ok(()),
            Begun::Failed(element, cause) => cx.give_up(element, ordinal, cause),
        }
    }

    /// Releases an element whose call has ended, and reports a failure.
    fn event(
        &mut self,
        key: u64,
        came: Result<Came<()>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let key = key as usize;
        self.calls.came(key, came, cx);
        if let Some((call, Err(cause))) = self.calls.take(key) {
            let (element, ordinal) = (call.element, call.ordinal);
            cx.under(call.lease, |cx| cx.give_up(element, ordinal, cause));
        }
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.calls.len()
    }

    fn suspends(&self) -> bool {
        self.calls.needs_runtime()
    }

    fn needs_runtime(&self) -> bool {
        self.calls.needs_runtime()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.calls.traverse(visit);
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

impl<T: Element> Stream<T> {
    /// Calls an asynchronous function with every element; the emitter waits until the future is
    /// done.
    ///
    /// The futures run on the pipeline's runtime, as many at a time as there are waiting emitters: one for a single
    /// loop that awaits each `emit`, or behind a [`buffer`](Self::buffer). An acknowledgement token fires when the
    /// future is done.
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
        let function = Takes::sure(move |x| Sure::new(f(x)));
        Sink::new(self.apply(SinkAsync::calling(function, function_name::<F>())))
    }

    /// The same with a function that may fail. The policy set with [`on_error`](Self::on_error) handles failures; the
    /// element is kept for it while the future runs.
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

#[cfg(test)]
mod tests {
    use super::super::test_inputs::{Bench, ms};
    use crate::{Never, Stream, VirtualClock};

    #[test]
    fn each_emitter_waits_for_its_own_call_concurrently() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.map(|x: i32| x));
        let emitted = [bench.emit(1), bench.emit(2)];
        bench.advance_to(50);
        let later = bench.emit(3);
        bench.advance_to(100);
        assert!(emitted.iter().all(|emitted| emitted.is_ready()) && !later.is_ready());
        assert_eq!(bench.acked(), [1, 2]);
        bench.advance_to(150);
        assert!(later.is_ready());
    }

    #[test]
    fn a_drain_waits_for_the_futures() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.map(|x: i32| x));
        let _emitted = [bench.emit(1), bench.emit(2)];
        assert_eq!(bench.drain(), [(100, 1), (100, 2)]);
    }

    #[test]
    fn the_failed_element_is_reported_to_the_emitter() {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let timer = clock.clone();
        let sink = source.try_sink_async(move |x: u64| {
            let sleep = timer.sleep(ms(100 - x));
            async move {
                sleep.await;
                if x == 2 { Err("two") } else { Ok(()) }
            }
        });
        let emitted = [1, 2, 3].map(|x| source.emit(x));
        let errors = emitted.map(|emitted| clock.block_on(emitted).err());
        let [None, Some(error), None] = errors else {
            panic!("only the second fails: {errors:?}");
        };
        assert_eq!(error.failures()[0].element(), Some(2_u64));
        assert_eq!(error.failures()[0].ordinal(), 2);
        let counters = Stream::<Never>::counters(sink.stream());
        assert_eq!((counters.failed, counters.held), (1, 0));
    }

    #[test]
    fn an_async_sink_is_named_after_its_function() {
        async fn write(_: i32) {}
        let source = Stream::on(VirtualClock::new());
        assert_eq!(
            source.sink_async(write).stream().name(),
            "sink_async(write)#2"
        );
    }
}
