//! Functions that take a callback, as futures.
//!
//! [`future`] turns an interface with a callback into something to await:
//!
//! ```
//! use std::thread;
//! use thalweg::callback;
//!
//! /// Looks up a name, and calls back with what it found.
//! fn look_up(name: &str, done: impl FnOnce(usize) + Send + 'static) {
//!     let length = name.len();
//!     thread::spawn(move || done(length));
//! }
//!
//! # pollster::block_on(async {
//! let found = callback::future(|done| look_up("thalweg", done)).await?;
//! assert_eq!(found, 7);
//! # Ok::<(), callback::Uncalled>(()) })?;
//! # Ok::<(), callback::Uncalled>(())
//! ```

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_channel::Receiver;
use futures_core::Stream;

/// A callback: call it once, from any thread, with the result.
pub type Callback<T> = Box<dyn FnOnce(T) + Send>;

/// Calls `api` at once with a callback; the future completes with the callback's argument.
///
/// The callback may be called before `api` returns, and after the future was dropped. It is accepted wherever an
/// `FnOnce(T)` is. This is Tornado's `return_future`.
///
/// # Errors
/// [`Uncalled`] as soon as it is certain that the callback will not be called, because it has been dropped:
///
/// ```
/// use thalweg::callback;
///
/// let nothing = callback::future::<u32, _>(|done| drop(done));
/// assert!(pollster::block_on(nothing).is_err());
/// ```
pub fn future<T, R>(api: impl FnOnce(Callback<T>) -> R) -> Called<T>
where
    T: Send + 'static,
{
    let (sender, receiver) = async_channel::bounded(1);
    api(Box::new(move |result| {
        // The receiver may have been dropped.
        let _ = sender.try_send(result);
    }));
    Called(Box::pin(receiver))
}

/// The future of a callback's result; see [`future`].
#[must_use = "the function has been called; await this for its result"]
pub struct Called<T>(Pin<Box<Receiver<T>>>);

impl<T> Future for Called<T> {
    type Output = Result<T, Uncalled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0
            .as_mut()
            .poll_next(cx)
            .map(|result| result.ok_or(Uncalled(())))
    }
}

impl<T> fmt::Debug for Called<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Called").finish_non_exhaustive()
    }
}

/// Error of a callback that was dropped without being called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the callback was dropped without having been called")]
pub struct Uncalled(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_callback_may_be_called_at_once_from_another_thread_or_never() {
        let at_once = future(|done| done(1));
        assert_eq!(pollster::block_on(at_once), Ok(1));

        let later = future(|done| std::thread::spawn(move || done(2)));
        assert_eq!(pollster::block_on(later), Ok(2));

        let never = future::<i32, _>(drop);
        assert_eq!(pollster::block_on(never), Err(Uncalled(())));
    }

    #[test]
    fn a_late_callback_without_a_waiter_is_harmless() {
        let mut kept = None;
        drop(future(|done| kept = Some(done)));
        if let Some(done) = kept {
            done(1);
        }
    }

    #[test]
    fn the_future_borrows_nothing_from_its_closure() {
        fn spawn(_: impl Future + Send + 'static) {}
        let local = String::from("local");
        spawn(future(|done| done(local.len())));
    }
}
