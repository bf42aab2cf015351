#[cfg(test)]
mod tests;

use std::any::Any;
use std::collections::VecDeque;
use std::future::Future;

use super::parts::{Begun, Borrows, Callee, Calls, Came, Step, Sure, Takes, Waiting};
use crate::debug::shows;
use crate::failure::BoxError;
use crate::operator::function_name;
use crate::{BuildError, Context, Element, EmitResult, Operator, Stream};

/// Calls a function, `C`, with one element after the other, and emits the results; see [`Stream::then`].
pub struct Then<T, U, C>
where
    C: Callee<T>,
{
    calls: Calls<T, C::Output, C>,
    /// The running call.
    pending: Option<usize>,
    /// Elements that arrived meanwhile; their emitters wait.
    waiting: VecDeque<Waiting<T>>,
    /// Maximum number of concurrent calls; `None` for one after the other.
    limit: Option<usize>,
    label: Option<String>,
    _out: std::marker::PhantomData<fn() -> U>,
}

shows!([T, U, C: Callee<T>] Then<T, U, C> { pending, limit, label });

impl<T, U, E, F, Fut> Then<T, U, Borrows<F, Fut>>
where
    T: Element,
    U: Element,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<Step<Option<U>, Fut>, E> + Send + 'static,
    Fut: Future<Output = Result<Option<U>, E>> + Send + 'static,
{
    /// Creates a node whose function may return a result at once, or a future; `None` emits nothing.
    ///
    /// A call that ends at once costs no more than in [`try_map`](Stream::try_map).
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{Step, Then};
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let list = source
    ///     .apply(Then::new(move |x: &u64| match x {
    ///         0 => Err("nothing to wait for"),
    ///         1 => Ok(Step::Done(Some(1))),
    ///         _ => {
    ///             let (sleep, x) = (timer.sleep(Duration::from_secs(*x)), *x);
    ///             Ok(Step::Pending(async move {
    ///                 sleep.await;
    ///                 Ok((x != 2).then_some(x))
    ///             }))
    ///         }
    ///     }))
    ///     .sink_to_list();
    /// assert!(source.emit(1).is_ready());
    /// let (two, three) = (source.emit(2), source.emit(3));
    /// clock.advance(Duration::from_secs(2));
    /// assert!(two.is_ready() && !three.is_ready());
    /// clock.block_on(three)?;
    /// assert_eq!(list.to_vec(), [1, 3]);
    /// assert!(source.emit(0).wait().is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn new(f: F) -> Self {
        Self::calling(Borrows::new(f), function_name::<F>())
    }

    /// Uses no runtime until the function returns a future. The function is then called outside of the runtime's
    /// context, so that its futures must not need that context at creation.
    ///
    /// ```
    /// use std::future::Ready;
    /// use thalweg::Stream;
    /// use thalweg::ops::{Step, Then};
    ///
    /// type Pending = Ready<Result<Option<i32>, &'static str>>;
    /// let node = Then::new(|x: &i32| Ok(Step::<_, Pending>::Done(Some(x + 1))));
    /// let source = Stream::new();
    /// let list = source.apply(node.runtime_on_demand()).sink_to_list();
    /// source.emit(1).wait()?;
    /// assert_eq!(list.to_vec(), [2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn runtime_on_demand(mut self) -> Self {
        self.calls.runtime_on_demand();
        self
    }

    /// Starts every call when its element arrives, and emits its result as soon as it is available. The emitter of each
    /// waits for its own call.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{Step, Then};
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let calls = Then::new(move |x: &u64| {
    ///     let (sleep, x) = (timer.sleep(Duration::from_secs(*x)), *x);
    ///     Ok(Step::Pending(async move {
    ///         sleep.await;
    ///         Ok::<_, &str>(Some(x))
    ///     }))
    /// });
    /// let list = source.apply(calls.concurrently()).sink_to_list();
    /// let (two, one) = (source.emit(2), source.emit(1));
    /// clock.advance(Duration::from_secs(1));
    /// assert!(one.is_ready() && !two.is_ready());
    /// clock.block_on(two)?;
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn concurrently(mut self) -> Self {
        self.limit = Some(usize::MAX);
        self
    }

    /// The same with at most `calls` calls at a time. Further elements, and their emitters, wait until one has ended.
    ///
    /// # Errors
    /// `calls` is zero.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::ops::{Step, Then};
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let calls = Then::new(move |x: &u64| {
    ///     let (sleep, x) = (timer.sleep(Duration::from_secs(1)), *x);
    ///     Ok(Step::Pending(async move {
    ///         sleep.await;
    ///         Ok::<_, &str>(Some(x))
    ///     }))
    /// });
    /// let list = source.apply(calls.at_most(2)?).sink_to_list();
    /// let emits = [source.emit(0), source.emit(1), source.emit(2)];
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [0, 1]);
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), [0, 1, 2]);
    /// # drop(emits);
    /// # Ok::<(), thalweg::BuildError>(())
    /// ```
    pub fn at_most(mut self, calls: usize) -> Result<Self, BuildError> {
        if calls == 0 {
            return Err(BuildError::new(
                "then",
                "at least one call at a time, not 0",
            ));
        }
        self.limit = Some(calls);
        Ok(self)
    }
}

impl<T, U, C> Then<T, U, C>
where
    T: Element,
    U: Element,
    C: Callee<T>,
    C::Output: Into<Option<U>>,
{
    fn calling(function: C, label: Option<String>) -> Self {
        Self {
            calls: Calls::new(function),
            pending: None,
            waiting: VecDeque::new(),
            limit: None,
            label,
            _out: std::marker::PhantomData,
        }
    }

    /// Calls the function with the current element.
    #[inline]
    fn begin(&mut self, x: T, ordinal: u64, cx: &mut Context<'_, Self>) -> EmitResult {
        match self.calls.begin(x, ordinal, cx) {
            Begun::Done(result) => send(result, cx),
            Begun::Failed(element, cause) => cx.give_up(element, ordinal, cause),
            Begun::Pending(key) => {
                self.pending = self.limit.is_none().then_some(key);
                Ok(())
            }
        }
    }

    /// Ends a call whose future has completed; returns whether it had.
    fn end(&mut self, key: usize, cx: &mut Context<'_, Self>) -> bool {
        let Some((call, result)) = self.calls.take(key) else {
            return false;
        };
        let (element, ordinal) = (call.element, call.ordinal);
        cx.under(call.lease, |cx| match result {
            Ok(result) => send(result, cx),
            Err(cause) => cx.give_up(element, ordinal, cause),
        });
        true
    }

    /// Starts further calls, up to the limit.
    fn fill_up(&mut self, limit: usize, cx: &mut Context<'_, Self>) {
        while self.calls.len() < limit
            && let Some(next) = self.waiting.pop_front()
        {
            self.begin_waiting(next, cx);
        }
    }

    /// Calls the function with an element that has waited.
    fn begin_waiting(&mut self, next: Waiting<T>, cx: &mut Context<'_, Self>) {
        let (x, ordinal) = (next.element, next.ordinal);
        cx.under(next.lease, |cx| {
            next.caller.enter(|| self.begin(x, ordinal, cx))
        });
    }

    /// Ends the running call, if its future has completed, and starts the next.
    fn go_on(&mut self, cx: &mut Context<'_, Self>) {
        loop {
            if let Some(key) = self.pending {
                if !self.end(key, cx) {
                    return;
                }
                self.pending = None;
            }
            let Some(next) = self.waiting.pop_front() else {
                return;
            };
            self.begin_waiting(next, cx);
        }
    }
}

#[inline]
fn send<Op: Operator>(result: impl Into<Option<Op::Out>>, cx: &mut Context<'_, Op>) -> EmitResult {
    match result.into() {
        Some(y) => cx.emit(y),
        None => Ok(()),
    }
}

impl<T, U, C> Operator for Then<T, U, C>
where
    T: Element,
    U: Element,
    C: Callee<T>,
    C::Output: Into<Option<U>>,
{
    type In = T;
    type Out = U;
    type Event = Came<C::Output>;
    const KIND: &'static str = "then";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;
    const CLOSES: bool = false;

    #[inline]
    fn update(&mut self, element: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let ordinal = cx.ordinal();
        let is_free = match self.limit {
            None => self.pending.is_none(),
            Some(limit) => self.waiting.is_empty() && self.calls.len() < limit,
        };
        if is_free {
            return self.begin(element, ordinal, cx);
        }
        let lease = cx.hold();
        self.waiting.push_back(Waiting::new(element, lease, cx));
        Ok(())
    }

    fn event(
        &mut self,
        key: u64,
        came: Result<Came<C::Output>, BoxError>,
        cx: &mut Context<'_, Self>,
    ) -> EmitResult {
        let key = key as usize;
        self.calls.came(key, came, cx);
        match self.limit {
            Some(limit) => {
                self.end(key, cx);
                self.fill_up(limit, cx);
            }
            None => self.go_on(cx),
        }
        Ok(())
    }

    fn withdraw(&mut self) {
        self.waiting.retain(|next| next.lease.stays());
    }

    fn in_flight(&self) -> usize {
        self.calls.len() + self.waiting.len()
    }

    fn suspends(&self) -> bool {
        self.calls.needs_runtime()
    }

    fn needs_runtime(&self) -> bool {
        self.calls.needs_runtime()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.calls.traverse(visit);
        self.waiting.iter().for_each(|next| visit(&next.element));
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

impl<T: Element> Stream<T> {
    /// Calls an asynchronous function with one element after the other, and emits the results; each emitter waits until
    /// its call has ended and the result has been accepted.
    ///
    /// As in the `futures` crate, the next call starts when the one before has ended; elements that arrive meanwhile
    /// wait, and so do their emitters. So a failure is reported to the emitter of its element. With
    /// [`map_async`](Self::map_async) emitters continue and several calls run at a time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let timer = clock.clone();
    /// let list = source
    ///     .then(move |seconds| {
    ///         let sleep = timer.sleep(Duration::from_secs(seconds));
    ///         async move {
    ///             sleep.await;
    ///             seconds * 10
    ///         }
    ///     })
    ///     .sink_to_list();
    /// let (one, two) = (source.emit(1), source.emit(2));
    /// clock.block_on(one)?;
    /// assert_eq!(list.to_vec(), [10]);
    /// clock.block_on(two)?;
    /// assert_eq!(list.to_vec(), [10, 20]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn then<U, F, Fut>(&self, mut f: F) -> Stream<U>
    where
        U: Element,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = U> + Send + 'static,
    {
        let function = Takes::sure(move |x| Sure::new(f(x)));
        self.apply(Then::calling(function, function_name::<F>()))
    }

    /// The same with a function that may fail. The node's policy handles failures, see [`on_error`](Self::on_error): an
    /// element that is retried keeps its place. The element is kept while its future runs, so that a failure can name
    /// it; put large elements into an [`Arc`](std::sync::Arc).
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source
    ///     .try_then(|text: &str| async move { text.parse::<f64>() })
    ///     .sink_to_list();
    /// clock.block_on(source.emit("1.5"))?;
    /// let error = clock.block_on(source.emit("?")).unwrap_err();
    /// assert_eq!(error.failures()[0].element(), Some("?"));
    /// assert_eq!(list.to_vec(), [1.5]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn try_then<U, F, Fut, E>(&self, f: F) -> Stream<U>
    where
        U: Element,
        F: FnMut(T) -> Fut + Send + 'static,
        Fut: Future<Output = Result<U, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.apply(Then::calling(Takes::new(f), function_name::<F>()))
    }
}
