//! Acknowledgement: a token that travels with an element and fires once, when everything derived from the element is
//! done.

use std::any::Any;
use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::trace::TraceContext;

/// Outcome of an acknowledged element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Every sink is done with everything derived from the element, or an operator dropped it on
    /// purpose (a filter, a window that moved on, the policy [`Skip`](crate::OnError::Skip)).
    Delivered,
    /// Something derived from the element failed without a policy to handle it, or was still in flight when its
    /// pipeline was dropped or its drain timed out.
    Failed,
}

/// A token that fires exactly once, when the last holder of its element releases it.
///
/// Sources use it for at-least-once delivery: commit an offset on [`Outcome::Delivered`], deliver again on
/// [`Outcome::Failed`]. Nothing is counted by hand: operators that hold, drop or multiply elements hold, drop or
/// multiply the token with them.
///
/// The callback runs wherever the last holder releases it, often inside the pipeline; it may emit.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use thalweg::{Ack, Outcome, Stream};
///
/// let source = Stream::new();
/// source.partition(2).sink(drop);
///
/// let log = Arc::new(Mutex::new(Vec::new()));
/// for x in 1..=3 {
///     let log = log.clone();
///     let ack = Ack::new(move |outcome| log.lock().unwrap().push((x, outcome)));
///     source.emit_with(x, ack).wait()?;
/// }
/// // The third element is still in the partition.
/// assert_eq!(*log.lock().unwrap(), [(1, Outcome::Delivered), (2, Outcome::Delivered)]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone)]
pub struct Ack(Arc<Inner>);

enum Inner {
    Token(Token),
    /// Several, held together.
    Group(Vec<Ack>),
}

struct Token {
    failed: AtomicBool,
    /// Taken when it is dropped.
    body: Option<Box<dyn Body>>,
}

/// What a token carries and does. The payload is never `()`: that is none.
trait Body: Send + Sync {
    fn payload(&self) -> Option<&(dyn Any + Send + Sync)>;
    fn fire(&mut self, outcome: Outcome);
}

/// A payload and a callback, in one allocation: sources create a token for every element.
struct Called<P, F> {
    payload: P,
    /// The lock makes it `Sync`; it is only ever called from `Drop`, with exclusive access.
    fire: Mutex<Option<F>>,
}

impl<P, F> Body for Called<P, F>
where
    P: Any + Send + Sync,
    F: FnOnce(&P, Outcome) + Send,
{
    fn payload(&self) -> Option<&(dyn Any + Send + Sync)> {
        let payload: &(dyn Any + Send + Sync) = &self.payload;
        (!payload.is::<()>()).then_some(payload)
    }

    fn fire(&mut self, outcome: Outcome) {
        let fire = self.fire.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(fire) = fire.take() {
            // A panic must not leave a drop: a second panic would abort. The panic hook has reported it.
            let _ = catch_unwind(AssertUnwindSafe(|| fire(&self.payload, outcome)));
        }
    }
}

impl Ack {
    /// Creates a token that calls `fire` once, with the outcome.
    pub fn new(fire: impl FnOnce(Outcome) + Send + 'static) -> Self {
        Self::with_payload((), move |(), outcome| fire(outcome))
    }

    /// The same with a payload, for operators and sinks that read [`Acks::payloads`]. `fire` receives it too.
    pub fn with_payload<P: Any + Send + Sync>(
        payload: P,
        fire: impl FnOnce(&P, Outcome) + Send + 'static,
    ) -> Self {
        let fire = Mutex::new(Some(fire));
        Self(Arc::new(Inner::Token(Token {
            failed: AtomicBool::new(false),
            body: Some(Box::new(Called { payload, fire })),
        })))
    }

    /// Adds the trace that the element belongs to, such as that of the request it came with: in a
    /// [traced](crate::Stream::trace) pipeline the element continues it.
    ///
    /// ```
    /// use thalweg::Ack;
    /// use thalweg::trace::TraceContext;
    ///
    /// let context: TraceContext = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse()?;
    /// let source = thalweg::Stream::new();
    /// source.sink(|_: i32| ());
    /// source.emit_with(1, Ack::new(|_| ()).in_trace(context)).wait()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_trace(self, context: TraceContext) -> Self {
        let mut group = match &*self.0 {
            Inner::Token(_) => vec![self],
            Inner::Group(group) => group.clone(),
        };
        group.push(Self::carrying(context));
        Self(Arc::new(Inner::Group(group)))
    }

    /// Creates a token that only carries a trace.
    pub fn of_trace(context: TraceContext) -> Self {
        Self::carrying(context)
    }

    /// Creates a token that only carries a payload.
    pub(crate) fn carrying(payload: impl Any + Send + Sync) -> Self {
        Self::with_payload(payload, |_, _| ())
    }

    /// Makes the outcome [`Outcome::Failed`].
    pub fn fail(&self) {
        match &*self.0 {
            Inner::Token(token) => token.failed.store(true, Ordering::Relaxed),
            Inner::Group(group) => group.iter().for_each(Ack::fail),
        }
    }

    /// Identity of the token.
    fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn payload(&self) -> Option<&(dyn Any + Send + Sync)> {
        match &*self.0 {
            Inner::Token(token) => token.body.as_ref()?.payload(),
            Inner::Group(_) => None,
        }
    }
}

impl fmt::Debug for Ack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ack").finish_non_exhaustive()
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        let outcome = if self.failed.load(Ordering::Relaxed) {
            Outcome::Failed
        } else {
            Outcome::Delivered
        };
        if let Some(mut body) = self.body.take() {
            body.fire(outcome);
            // Panics of the payload are kept in as well.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(body)));
        }
    }
}

/// The tokens of an element: none for most, several for elements that were joined or gathered into a window.
#[derive(Clone, Debug, Default)]
pub struct Acks(Option<Ack>);

thread_local! {
    static DISCARDING: Cell<bool> = const { Cell::new(false) };
}

impl Acks {
    /// No tokens.
    pub const fn none() -> Self {
        Self(None)
    }

    /// Whether there are no tokens.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The tokens of all given elements together, each once.
    pub fn merge<'a>(all: impl IntoIterator<Item = &'a Acks>) -> Self {
        /// For this many a hash table is faster than comparing them.
        const MANY: usize = 16;
        let (mut merged, mut table) = (Vec::<Ack>::new(), HashSet::new());
        for ack in all.into_iter().flat_map(Acks::as_slice) {
            if merged.len() == MANY {
                table.extend(merged.iter().map(Ack::address));
            }
            let is_new = if merged.len() < MANY {
                merged.iter().all(|known| !Arc::ptr_eq(&known.0, &ack.0))
            } else {
                table.insert(ack.address())
            };
            if is_new {
                merged.push(ack.clone());
            }
        }
        if merged.len() < 2 {
            return Self(merged.pop());
        }
        Self(Some(Ack(Arc::new(Inner::Group(merged)))))
    }

    /// The payloads of the tokens, oldest element first.
    pub fn payloads<P: Any>(&self) -> impl Iterator<Item = &P> {
        self.as_slice()
            .iter()
            .filter_map(|ack| ack.payload()?.downcast_ref())
    }

    /// Makes the outcome of every token [`Outcome::Failed`].
    pub fn fail(&self) {
        self.as_slice().iter().for_each(Ack::fail);
    }

    fn as_slice(&self) -> &[Ack] {
        match &self.0 {
            None => &[],
            Some(ack) => match &*ack.0 {
                Inner::Token(_) => std::slice::from_ref(ack),
                Inner::Group(group) => group,
            },
        }
    }
}

impl From<Ack> for Acks {
    fn from(ack: Ack) -> Self {
        Self(Some(ack))
    }
}

impl Drop for Acks {
    #[inline]
    fn drop(&mut self) {
        if !self.is_none() && DISCARDING.get() {
            self.fail();
        }
    }
}

/// Runs `f`; tokens dropped in it belong to elements that have failed.
pub(crate) fn discarding<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            DISCARDING.set(self.0);
        }
    }
    let _restore = Restore(DISCARDING.replace(true));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merging_keeps_each_token_once_and_in_order() {
        for n in [0_usize, 1, 2, 15, 16, 17, 100] {
            let each: Vec<Acks> = (0..n)
                .map(|i| Ack::with_payload(i, |_, _| ()).into())
                .collect();
            let twice = Acks::merge(each.iter().chain(&each));
            let all = Acks::merge([&twice, &Acks::none(), &twice]);
            assert!(all.payloads::<usize>().copied().eq(0..n), "{n}");
        }
    }
}
