use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use slab::Slab;

use super::{Callee, Step};
use crate::failure::{BoxError, panic_error};
use crate::runtime::CallerContext;
use crate::{Context, Element, Lease, Operator};

/// Output of a call's future; `None` when the next attempt is due.
pub(in crate::ops) type Came<R> = Option<Result<R, BoxError>>;

/// The element of a call.
pub(in crate::ops) struct Call<T> {
    pub(in crate::ops) lease: Lease,
    /// Kept for retries, and for the recipient of a failure.
    pub(in crate::ops) element: Option<T>,
    /// 1-based position among the elements of the node.
    pub(in crate::ops) ordinal: u64,
    attempts: u32,
    /// For further attempts.
    caller: CallerContext,
}

struct Slot<T, R> {
    call: Call<T>,
    /// The result, once the call has ended.
    result: Option<Result<R, BoxError>>,
}

/// Result of calling the function with the current element.
pub(in crate::ops) enum Begun<T, R> {
    Done(R),
    Failed(Option<T>, BoxError),
    /// It continues under this key, with the element's lease.
    Pending(usize),
}

/// Result of an attempt.
enum Attempt<R, Fut> {
    Ended(Result<R, BoxError>),
    Pending(Fut),
    Again(Duration),
}

/// Calls of a possibly asynchronous function: those that run, those that wait for a retry, and finished ones that have
/// not been [taken](Self::take).
pub(in crate::ops) struct Calls<T, R, C> {
    function: C,
    /// Whether the function is called in the runtime's context.
    in_runtime: bool,
    slots: Slab<Slot<T, R>>,
}

impl<T, R, C> Calls<T, R, C> {
    /// Uses another function from the next call on.
    pub(in crate::ops) fn reconfigure(&mut self, new: Self) {
        self.function = new.function;
    }

    pub(in crate::ops) fn new(function: C) -> Self {
        Self {
            function,
            in_runtime: true,
            slots: Slab::new(),
        }
    }

    /// Uses no runtime until there is a future to run.
    pub(in crate::ops) fn runtime_on_demand(&mut self) {
        self.in_runtime = false;
    }

    /// Whether a runtime is needed from the start.
    pub(in crate::ops) fn needs_runtime(&self) -> bool {
        self.in_runtime
    }

    /// Visits kept elements, and results that wait for their turn.
    pub(in crate::ops) fn traverse(&self, visit: &mut dyn FnMut(&dyn Any))
    where
        T: 'static,
        R: 'static,
    {
        for (_, slot) in &self.slots {
            slot.call.element.iter().for_each(|x| visit(x));
            slot.result
                .iter()
                .flatten()
                .for_each(|result| visit(result));
        }
    }

    /// Number of calls, including finished ones.
    pub(in crate::ops) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(in crate::ops) fn has_ended(&self, key: usize) -> bool {
        self.slots
            .get(key)
            .is_some_and(|slot| slot.result.is_some())
    }

    /// Takes a finished call.
    pub(in crate::ops) fn take(&mut self, key: usize) -> Option<(Call<T>, Result<R, BoxError>)> {
        let result = self.slots.get_mut(key)?.result.take()?;
        Some((self.slots.remove(key).call, result))
    }
}

impl<T, C> Calls<T, C::Output, C>
where
    T: Element,
    C: Callee<T>,
{
    /// Calls the function with an element that is kept under `lease`. The call may end at once.
    pub(in crate::ops) fn start<Op>(
        &mut self,
        x: T,
        lease: Lease,
        ordinal: u64,
        cx: &mut Context<'_, Op>,
    ) -> usize
    where
        Op: Operator<In = T, Event = Came<C::Output>>,
    {
        let mut call = Call {
            lease,
            element: None,
            ordinal,
            attempts: 0,
            caller: for_attempts(cx),
        };
        let visit = cx.visit(&call.lease);
        let attempt = self.attempt(x, &mut call, cx);
        let key = self.keep(call, attempt, cx);
        drop(visit);
        key
    }

    /// Calls the function with the current element, which is held only if the call continues.
    #[inline]
    pub(in crate::ops) fn begin<Op>(
        &mut self,
        x: T,
        ordinal: u64,
        cx: &mut Context<'_, Op>,
    ) -> Begun<T, C::Output>
    where
        Op: Operator<In = T, Event = Came<C::Output>>,
    {
        let mut call = Call {
            lease: Lease::default(),
            element: None,
            ordinal,
            attempts: 0,
            caller: for_attempts(cx),
        };
        if !self.in_runtime && !cx.keeps_elements() {
            // Only the call itself, so that it costs no more than that of a transform.
            return match self.function.call(x, false, &mut call.element) {
                Ok(Step::Done(result)) => Begun::Done(result),
                Ok(Step::Pending(future)) => {
                    call.lease = cx.hold();
                    Begun::Pending(self.keep(call, Attempt::Pending(future), cx))
                }
                Err(error) => Begun::Failed(call.element, error.into()),
            };
        }
        match self.attempt(x, &mut call, cx) {
            Attempt::Ended(Ok(result)) => Begun::Done(result),
            Attempt::Ended(Err(cause)) => Begun::Failed(call.element, cause),
            unfinished => {
                call.lease = cx.hold();
                Begun::Pending(self.keep(call, unfinished, cx))
            }
        }
    }

    /// Handles the result of a call's future; returns whether the call has ended.
    pub(in crate::ops) fn came<Op>(
        &mut self,
        key: usize,
        came: Result<Came<C::Output>, BoxError>,
        cx: &mut Context<'_, Op>,
    ) -> bool
    where
        Op: Operator<In = T, Event = Came<C::Output>>,
    {
        if !self.slots.contains(key) {
            return false;
        }
        let mut slot = self.slots.remove(key);
        let attempt = match (came, slot.call.element.take()) {
            // Retried with the original element.
            (Ok(None), Some(x)) => {
                let caller = slot.call.caller.clone();
                caller.enter(|| self.attempt(x, &mut slot.call, cx))
            }
            (Ok(None), None) => return false,
            (Ok(Some(result)), element) => {
                slot.call.element = element;
                ended(result, &mut slot.call, cx)
            }
            (Err(panic), element) => {
                slot.call.element = element;
                ended(Err(panic), &mut slot.call, cx)
            }
        };
        // The vacant slot is the next to be used: the call keeps its key.
        let kept = self.keep(slot.call, attempt, cx);
        debug_assert_eq!(kept, key);
        self.has_ended(key)
    }

    /// Calls the function, repeatedly if it fails at once and is to be retried at once.
    fn attempt<Op>(
        &mut self,
        x: T,
        call: &mut Call<T>,
        cx: &mut Context<'_, Op>,
    ) -> Attempt<C::Output, C::Future>
    where
        Op: Operator<In = T, Event = Came<C::Output>>,
    {
        let (mut x, wanted) = (x, cx.keeps_elements());
        loop {
            // A panic must not leave the operator here: some calls are made for elements with other emitters than the
            // current one.
            let (function, element) = (&mut self.function, &mut call.element);
            let step = || function.call(x, wanted, element);
            let in_runtime = self.in_runtime;
            let called = catch_unwind(AssertUnwindSafe(|| match in_runtime {
                true => cx.enter_runtime(step),
                false => step(),
            }));
            let attempt = match called {
                Ok(Ok(Step::Pending(future))) => return Attempt::Pending(future),
                Ok(Ok(Step::Done(result))) => return Attempt::Ended(Ok(result)),
                Ok(Err(error)) => ended(Err(error.into()), call, cx),
                Err(payload) => ended(Err(panic_error(&*payload)), call, cx),
            };
            match (attempt, call.element.take()) {
                (Attempt::Again(Duration::ZERO), Some(again)) => x = again,
                (attempt, element) => {
                    call.element = element;
                    return attempt;
                }
            }
        }
    }

    /// Stores a running call, and spawns its future.
    fn keep<Op>(
        &mut self,
        call: Call<T>,
        attempt: Attempt<C::Output, C::Future>,
        cx: &mut Context<'_, Op>,
    ) -> usize
    where
        Op: Operator<In = T, Event = Came<C::Output>>,
    {
        let result = None;
        let key = self.slots.insert(Slot { call, result });
        match attempt {
            Attempt::Ended(result) => self.slots[key].result = Some(result),
            Attempt::Pending(future) => cx.spawn_map(key as u64, future, |result| {
                Some(result.map_err(Into::into))
            }),
            Attempt::Again(pause) => cx.spawn_after(pause, key as u64, std::future::ready(None)),
        }
        key
    }
}

/// The caller's context, if a policy may call again.
#[inline]
fn for_attempts<Op: Operator>(cx: &Context<'_, Op>) -> CallerContext {
    match cx.keeps_elements() {
        true => cx.caller_context(),
        false => CallerContext::default(),
    }
}

/// The end of a call, unless it is to be retried.
fn ended<T, R, Fut, Op>(
    result: Result<R, BoxError>,
    call: &mut Call<T>,
    cx: &Context<'_, Op>,
) -> Attempt<R, Fut>
where
    Op: Operator<In = T>,
{
    if let Err(cause) = &result {
        call.attempts = call.attempts.saturating_add(1);
        if call.element.is_some()
            && let Some(pause) = cx.retry_after(call.attempts, cause)
        {
            return Attempt::Again(pause);
        }
    }
    Attempt::Ended(result)
}
