use std::convert::Infallible;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};

use pin_project_lite::pin_project;
use slab::Slab;

use crate::failure::{BoxError, panic_error};
use crate::{Context, Element, Lease, Operator};

/// What the future of a call comes back with; `None` when it is time to try again.
pub(in crate::ops) type Came<U> = Option<Result<U, BoxError>>;

/// An element that an asynchronous function has been called with.
pub(in crate::ops) struct Call<T> {
    pub(in crate::ops) lease: Lease,
    /// Kept for another attempt, and for who is told of a failure.
    pub(in crate::ops) element: Option<T>,
    /// The how-manieth element of the node it is.
    pub(in crate::ops) ordinal: u64,
    attempts: u32,
}

struct Slot<T, U> {
    call: Call<T>,
    /// Once it has ended.
    result: Option<Result<U, BoxError>>,
}

/// Calls of an asynchronous function: those that run, those that are to be tried again, and those
/// that have ended and not been [taken](Self::take) out.
pub(in crate::ops) struct Calls<T, U, F, Fut> {
    f: F,
    /// Whether elements are kept in any case, so that a failure can name its own.
    keeps: bool,
    slots: Slab<Slot<T, U>>,
    _future: PhantomData<fn() -> Fut>,
}

impl<T, U, F, Fut> Calls<T, U, F, Fut> {
    pub(in crate::ops) fn new(f: F) -> Self {
        Self {
            f,
            keeps: true,
            slots: Slab::new(),
            _future: PhantomData,
        }
    }

    /// Has elements kept only if a policy wants them back: the function cannot fail, but may
    /// panic.
    pub(in crate::ops) fn keep_on_demand(&mut self) {
        self.keeps = false;
    }

    /// How many there are, those that have ended included.
    pub(in crate::ops) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::ops) fn has_ended(&self, key: usize) -> bool {
        self.slots
            .get(key)
            .is_some_and(|slot| slot.result.is_some())
    }

    /// Takes out a call that has ended.
    pub(in crate::ops) fn take(&mut self, key: usize) -> Option<(Call<T>, Result<U, BoxError>)> {
        let result = self.slots.get_mut(key)?.result.take()?;
        Some((self.slots.remove(key).call, result))
    }
}

impl<T, U, E, F, Fut> Calls<T, U, F, Fut>
where
    T: Element,
    U: Send + 'static,
    E: Into<BoxError>,
    F: FnMut(T) -> Fut,
    Fut: Future<Output = Result<U, E>> + Send + 'static,
{
    /// Calls the function with an element. It may have ended right away: the function panicked.
    pub(in crate::ops) fn start<Op>(
        &mut self,
        x: T,
        lease: Lease,
        ordinal: u64,
        cx: &mut Context<'_, Op>,
    ) -> usize
    where
        Op: Operator<In = T, Event = Came<U>>,
    {
        let call = Call {
            lease,
            element: None,
            ordinal,
            attempts: 0,
        };
        let key = self.slots.insert(Slot { call, result: None });
        let keeps = self.keeps || cx.keeps_elements();
        self.attempt(key, x, keeps, cx);
        key
    }

    /// Takes up what has come of a call; returns whether it has ended.
    pub(in crate::ops) fn came<Op>(
        &mut self,
        key: usize,
        came: Result<Came<U>, BoxError>,
        cx: &mut Context<'_, Op>,
    ) -> bool
    where
        Op: Operator<In = T, Event = Came<U>>,
    {
        match came {
            Ok(Some(result)) => self.end(key, result, cx),
            Err(panic) => self.end(key, Err(panic), cx),
            Ok(None) => {
                let slot = self.slots.get_mut(key);
                if let Some(x) = slot.and_then(|slot| slot.call.element.take()) {
                    self.attempt(key, x, true, cx);
                }
            }
        }
        self.has_ended(key)
    }

    fn attempt<Op>(&mut self, key: usize, x: T, keeps: bool, cx: &mut Context<'_, Op>)
    where
        Op: Operator<In = T, Event = Came<U>>,
    {
        // A panic must not leave the operator from here: some calls are made for elements whose
        // emitters are not those of the current one.
        let mut kept = None;
        let called = catch_unwind(AssertUnwindSafe(|| {
            kept = keeps.then(|| x.clone());
            cx.enter_runtime(|| (self.f)(x))
        }));
        if let Some(slot) = self.slots.get_mut(key) {
            slot.call.element = kept;
        }
        match called {
            Ok(future) => {
                cx.spawn_map(key as u64, future, |result| {
                    Some(result.map_err(Into::into))
                });
            }
            Err(payload) => self.end(key, Err(panic_error(&*payload)), cx),
        }
    }

    /// Ends a call, unless it is to be tried again.
    fn end<Op>(&mut self, key: usize, result: Result<U, BoxError>, cx: &mut Context<'_, Op>)
    where
        Op: Operator<In = T, Event = Came<U>>,
    {
        let Some(Slot {
            call,
            result: ended,
        }) = self.slots.get_mut(key)
        else {
            return;
        };
        call.attempts = call.attempts.saturating_add(1);
        match cx.retry_after(call.attempts) {
            Some(pause) if result.is_err() && call.element.is_some() => {
                cx.spawn_after(pause, key as u64, std::future::ready(None));
            }
            _ => *ended = Some(result),
        }
    }
}

pin_project! {
    /// A future that cannot fail, for where one may.
    pub struct Sure<Fut> {
        #[pin]
        future: Fut,
    }
}

impl<Fut> Sure<Fut> {
    pub(in crate::ops) fn new(future: Fut) -> Self {
        Self { future }
    }
}

impl<Fut: Future> Future for Sure<Fut> {
    type Output = Result<Fut::Output, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(ready!(self.project().future.poll(cx))))
    }
}
