#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;

use super::parts::{Borrows, Callee, Calls, Came, Step, Sure, Takes, Waiting, at_least_one};
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::operator::function_name;
use crate::{Context, Delivery, Element, EmitResult, Lease, Operator, Reconfigure, Stream};

/// Calls an asynchronous function, `C`, with every element, and emits the results; see [`Stream::map_async`].
pub struct MapAsync<T, C>
where
    C: Callee<T>,
{
    parallelism: usize,
    ordered: bool,
    calls: Calls<T, C::Output, C>,
    /// The calls in the order of their results' emission: all of them or, without order, the finished ones.
    turns: VecDeque<usize>,
    /// Elements whose call has not started; their emitters wait.
    waiting: VecDeque<Waiting<T>>,
    delivering: bool,
    /// Whether emitters wait for the results of their elements.
    holds: bool,
    label: Option<String>,
}

shows!([T, C: Callee<T>] MapAsync<T, C> { parallelism, ordered, delivering, holds, label });

impl<T, U, E, F, Fut> MapAsync<T, Takes<F, Fut>>
where
    T: Element,
    U: Element,
    E: Into<BoxError>,
    F: FnMut(T) -> Fut + Send + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    /// Creates a node that calls `f(x)` for every `x` and emits the results in the order of the elements.
    ///
    /// # Errors
    /// `parallelism` is zero.
    pub fn ordered(parallelism: usize, f: F) -> Result<Self, BuildError> {
        Self::new(parallelism, true, f)
    }

    /// The same, but emits each result as soon as it is available.
    ///
    /// # Errors
    /// `parallelism` is zero.
    pub fn unordered(parallelism: usize, f: F) -> Result<Self, BuildError> {
        Self::new(parallelism, false, f)
    }

    fn new(parallelism: usize, ordered: bool, f: F) -> Result<Self, BuildError> {
        let label = function_name::<F>();
        Self::calling(parallelism, ordered, Takes::new(f), label)
    }
}

impl<T, U, E, F, Fut> MapAsync<T, Borrows<F, Fut>>
where
    T: Element,
    U: Element,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<Step<U, Fut>, E> + Send + 'static,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    /// Creates a node whose function may return a result at once, or a future; results are emitted in the order of the
    /// elements, or, unless `ordered`, as soon as they are available.
    ///
    /// A call that ends at once, without others before it, does not wait for the runtime.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{MapAsync, Step};
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let node = MapAsync::stepwise(2, true, move |x: &u64| match x {
    ///     0 => Ok::<_, &str>(Step::Done(0)),
    ///     x => {
    ///         let (sleep, x) = (timer.sleep(Duration::from_secs(*x)), *x);
    ///         Ok(Step::Pending(async move {
    ///             sleep.await;
    ///             Ok(x)
    ///         }))
    ///     }
    /// });
    /// let list = source.apply(node).sink_to_list();
    /// assert!(source.emit(0).is_ready());
    /// assert_eq!(list.to_vec(), [0]);
    /// source.emit_many([1, 0]).wait()?;
    /// clock.run_until_idle();
    /// assert_eq!(list.to_vec(), [0]);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [0, 1, 0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// `parallelism` is zero.
    pub fn stepwise(parallelism: usize, ordered: bool, f: F) -> Result<Self, BuildError> {
        let label = function_name::<F>();
        Self::calling(parallelism, ordered, Borrows::new(f), label)
    }
}

impl<T, U, F, Fut> MapAsync<T, Takes<F, Sure<Fut>>>
where
    T: Element,
    U: Element,
    F: FnMut(T) -> Sure<Fut> + Send + 'static,
    Fut: Future<Output = U> + Send + 'static,
{
    /// For a function that cannot fail, wrapping `G`: elements are kept only if a policy may need them.
    fn sure<G>(parallelism: usize, ordered: bool, f: F) -> Result<Self, BuildError> {
        let label = function_name::<G>();
        Self::calling(parallelism, ordered, Takes::sure(f), label)
    }
}

impl<T, C> MapAsync<T, C>
where
    T: Element,
    C: Callee<T>,
{
    fn calling(
        parallelism: usize,
        ordered: bool,
        function: C,
        label: Option<String>,
    ) -> Result<Self, BuildError> {
        Ok(Self {
            parallelism: at_least_one("map_async", "the number of calls at a time", parallelism)?,
            ordered,
            calls: Calls::new(function),
            turns: VecDeque::new(),
            waiting: VecDeque::new(),
            delivering: false,
            holds: false,
            label,
        })
    }

    /// Makes the emitter of an element wait until everything downstream has accepted its result. Emitters of many
    /// elements, such as a buffer or [`emit_many`](Stream::emit_many), wait for room only.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{MapAsync, Step};
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let node = MapAsync::stepwise(2, true, move |x: &u64| {
    ///     let (sleep, x) = (timer.sleep(Duration::from_secs(*x)), *x);
    ///     Ok::<_, &str>(Step::Pending(async move {
    ///         sleep.await;
    ///         Ok(x)
    ///     }))
    /// });
    /// let list = source.apply(node?.holding_emitters()).sink_to_list();
    /// let emit = source.emit(1);
    /// assert!(!emit.is_ready());
    /// clock.advance(Duration::from_secs(1));
    /// assert!(emit.is_ready());
    /// assert_eq!(list.to_vec(), [1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn holding_emitters(self) -> Self {
        Self {
            holds: true,
            ..self
        }
    }
}

impl<T, C> MapAsync<T, C>
where
    T: Element,
    C: Callee<T>,
    C::Output: Element,
{
    fn start(&mut self, element: T, mut lease: Lease, ordinal: u64, cx: &mut Context<'_, Self>) {
        if self.holds {
            lease.admit();
        } else {
            // The emitter continues.
            lease = Lease::accepted(lease.accept());
        }
        let key = self.calls.start(element, lease, ordinal, cx);
        if self.ordered || self.calls.has_ended(key) {
            self.turns.push_back(key);
        }
    }

    /// Emits results whose turn it is, one at a time, and starts further calls.
    fn go_on(&mut self, cx: &mut Context<'_, Self>) {
        loop {
            if !self.delivering
                && let Some(&key) = self.turns.front()
                && let Some((call, result)) = self.calls.take(key)
            {
                self.turns.pop_front();
                let delivery = match result {
                    Ok(y) => cx.deliver_under(call.lease, y),
                    Err(cause) => cx.deliver_failure(call.lease, call.element, call.ordinal, cause),
                };
                self.delivering = delivery == Delivery::Pending;
            } else if self.calls.len() < self.parallelism
                && let Some(next) = self.waiting.pop_front()
            {
                let (x, lease, ordinal) = (next.element, next.lease, next.ordinal);
                next.caller.enter(|| self.start(x, lease, ordinal, cx));
            } else {
                return;
            }
        }
    }
}

impl<T, C> Reconfigure for MapAsync<T, C>
where
    C: Callee<T>,
{
    fn reconfigure(&mut self, new: Self) {
        self.parallelism = new.parallelism;
        self.calls.reconfigure(new.calls);
        self.label = new.label;
    }
}

impl<T, C> Operator for MapAsync<T, C>
where
    T: Element,
    C: Callee<T>,
    C::Output: Element,
{
    type In = T;
    type Out = C::Output;
    type Event = Came<C::Output>;
    const KIND: &'static str = "map_async";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, element: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let is_free = self.calls.len() < self.parallelism && self.waiting.is_empty();
        let lease = if is_free && !self.holds {
            Lease::accepted(cx.acks())
        } else {
            cx.hold_for_room()
        };
        if is_free {
            self.start(element, lease, cx.ordinal(), cx);
            if self
                .turns
                .front()
                .is_some_and(|key| self.calls.has_ended(*key))
            {
                cx.wake_soon();
            }
        } else {
            self.waiting.push_back(Waiting::new(element, lease, cx));
        }
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.go_on(cx);
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        self.go_on(cx);
        Ok(())
    }

    fn event(
        &mut self,
        key: u64,
        came: Result<Came<C::Output>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let key = key as usize;
        let has_ended = self.calls.came(key, came, cx);
        if has_ended && !self.ordered {
            self.turns.push_back(key);
        }
        self.go_on(cx);
        Ok(())
    }

    fn withdraw(&mut self) {
        self.waiting.retain(|next| next.lease.stays());
    }

    fn in_flight(&self) -> usize {
        self.calls.len() + self.waiting.len() + usize::from(self.delivering)
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.calls.traverse(visit);
        self.waiting.iter().for_each(|next| visit(&next.element));
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

/// # Asynchronous functions
///
/// At most `parallelism` calls run at a time, and at most as many results wait for their turn. When that limit is
/// reached, emitters wait; otherwise the emitter continues once the call has started, while the element's
/// acknowledgement token is held until everything downstream is done with the result. Results are emitted one at a
/// time, each when the one before has been accepted. Nothing is allocated in advance: `parallelism` may be as large as
/// memory allows.
///
/// The function is called in the order of the elements. Each future is a separate task of the pipeline's runtime, and
/// futures may be polled in any order: work that must happen in order belongs in the function, before its future.
///
/// A future that fails or panics is handled by the node's policy, see [`on_error`](Self::on_error): an element that is
/// retried keeps its place in the order. No emitter waits for an element once its call has started, so failures are
/// unhandled, see [`on_unhandled`](Self::on_unhandled).
impl<T: Element> Stream<T> {
    /// Calls an asynchronous function with every element, up to `parallelism` at a time, and emits the results in the
    /// order of the elements. A parallelism of 0 is a build error, see [`check`](Self::check).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let list = source
    ///     .map_async(3, move |seconds| {
    ///         let sleep = timer.sleep(Duration::from_secs(seconds));
    ///         async move {
    ///             sleep.await;
    ///             seconds
    ///         }
    ///     })
    ///     .sink_to_list();
    /// for seconds in [3, 1, 2] {
    ///     assert!(source.emit(seconds).is_ready());
    /// }
    /// clock.block_on(source.drain("1min"))?;
    /// assert_eq!(list.to_vec(), [3, 1, 2]);
    /// assert_eq!(clock.now(), Duration::from_secs(3));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn map_async<U, F, Fut>(&self, parallelism: usize, mut f: F) -> Stream<U>
    where
        U: Element,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        let f = move |x| Sure::new(f(x));
        self.apply(MapAsync::sure::<F>(parallelism, true, f))
    }

    /// The same with a function that may fail. The element is kept while its future runs, so that a failure can name
    /// it; put large elements into an [`Arc`](std::sync::Arc).
    ///
    /// ```
    /// # use thalweg::{OnError::Skip, Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source
    ///     .try_map_async(2, |text: &str| async move { text.parse::<f64>() })
    ///     .on_error(Skip)
    ///     .sink_to_list();
    /// clock.block_on(source.emit_many(["1.5", "?", "2"]))?;
    /// clock.run_until_idle();
    /// assert_eq!(list.to_vec(), [1.5, 2.0]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn try_map_async<U, Fut, E>(
        &self,
        parallelism: usize,
        f: impl FnMut(T) -> Fut + Send + 'static,
    ) -> Stream<U>
    where
        U: Element,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.apply(MapAsync::ordered(parallelism, f))
    }

    /// Calls an asynchronous function with every element, up to `parallelism` at a time, and emits each result as soon
    /// as it is available. A parallelism of 0 is a build error, see [`check`](Self::check).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let list = source
    ///     .map_async_unordered(3, move |seconds| {
    ///         let sleep = timer.sleep(Duration::from_secs(seconds));
    ///         async move {
    ///             sleep.await;
    ///             seconds
    ///         }
    ///     })
    ///     .sink_to_list();
    /// for seconds in [3, 1, 2] {
    ///     assert!(source.emit(seconds).is_ready());
    /// }
    /// clock.block_on(source.drain("1min"))?;
    /// assert_eq!(list.to_vec(), [1, 2, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn map_async_unordered<U, F, Fut>(&self, parallelism: usize, mut f: F) -> Stream<U>
    where
        U: Element,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        let f = move |x| Sure::new(f(x));
        self.apply(MapAsync::sure::<F>(parallelism, false, f))
    }

    /// The same with a function that may fail.
    pub fn try_map_async_unordered<U, Fut, E>(
        &self,
        parallelism: usize,
        f: impl FnMut(T) -> Fut + Send + 'static,
    ) -> Stream<U>
    where
        U: Element,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.apply(MapAsync::unordered(parallelism, f))
    }
}
