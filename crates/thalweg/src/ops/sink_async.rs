use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;

use crate::failure::BoxError;
use crate::graph::Verdict;
use crate::operator::function_name;
use crate::{Context, Element, Flow, Lease, Never, Operator, Sink, Stream};

/// Calls an asynchronous function with every element; see [`Stream::sink_async`].
pub struct SinkAsync<T, F, E> {
    f: F,
    running: HashMap<u64, Running<T>>,
    next: u64,
    _error: PhantomData<fn() -> E>,
}

struct Running<T> {
    element: T,
    lease: Lease,
    attempts: u32,
}

impl<T, F, E> SinkAsync<T, F, E> {
    /// A sink that calls `f(x)` for every `x` and holds `x` until the future is done.
    pub fn new<Fut>(f: F) -> Self
    where
        F: FnMut(T) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        Self {
            f,
            running: HashMap::new(),
            next: 0,
            _error: PhantomData,
        }
    }
}

impl<T, F, Fut, E> Operator for SinkAsync<T, F, E>
where
    T: Element,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError> + Send + 'static,
{
    type In = T;
    type Out = Never;
    type Event = Result<(), E>;
    const KIND: &'static str = "sink_async";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const SINK: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        let future = cx.enter_runtime(|| (self.f)(x.clone()));
        let key = self.next;
        self.next += 1;
        let running = Running {
            element: x,
            lease: cx.hold(),
            attempts: 1,
        };
        self.running.insert(key, running);
        cx.spawn(key, future);
        Ok(())
    }

    fn event(
        &mut self,
        key: u64,
        event: Result<Result<(), E>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> Flow {
        let Some(running) = self.running.remove(&key) else {
            return Ok(());
        };
        let cause = match event {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.into(),
            Err(panic) => panic,
        };
        let Running {
            element,
            lease,
            attempts,
        } = running;
        cx.under(lease, |cx| match cx.verdict(element, attempts, cause) {
            Verdict::Decided(flow) => flow,
            Verdict::Retry(element, pause) => {
                let again = cx.enter_runtime(|| (self.f)(element.clone()));
                let lease = cx.hold();
                self.running.insert(
                    key,
                    Running {
                        element,
                        lease,
                        attempts: attempts + 1,
                    },
                );
                cx.spawn_after(pause, key, again);
                Ok(())
            }
        });
        Ok(())
    }

    fn moving(&self) -> usize {
        self.running.len()
    }

    fn label(&self) -> Option<String> {
        function_name::<F>()
    }
}

impl<T: Element> Stream<T> {
    /// Calls an asynchronous function with every element; the emitter waits until the future is done.
    pub fn sink_async<Fut>(&self, mut f: impl FnMut(T) -> Fut + Send + 'static) -> Sink
    where
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.try_sink_async(move |x| {
            let future = f(x);
            async move {
                future.await;
                Ok::<_, std::convert::Infallible>(())
            }
        })
    }

    /// The same with a function that may fail.
    pub fn try_sink_async<Fut, E>(&self, f: impl FnMut(T) -> Fut + Send + 'static) -> Sink
    where
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError> + Send + 'static,
    {
        Sink::new(self.apply(SinkAsync::new(f)))
    }
}
