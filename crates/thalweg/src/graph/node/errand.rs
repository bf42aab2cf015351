use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::failure::{BoxError, panic_error};

pin_project! {
    /// A future, and what is done with its result or its panic.
    ///
    /// An async block would say the same, but take up twice as much room: it keeps what it captures
    /// apart from what it awaits. There may be a million of these.
    pub(super) struct Errand<F, D>
    where
        F: Future,
        D: FnOnce(Result<F::Output, BoxError>),
    {
        #[pin]
        future: F,
        done: Option<D>,
    }

    impl<F, D> PinnedDrop for Errand<F, D>
    where
        F: Future,
        D: FnOnce(Result<F::Output, BoxError>),
    {
        /// An event loop that ends takes its tasks with it; somebody waits for what this one was to do.
        fn drop(this: Pin<&mut Self>) {
            if let Some(done) = this.project().done.take() {
                done(Err("the event loop has ended".into()));
            }
        }
    }
}

impl<F, D> Errand<F, D>
where
    F: Future,
    D: FnOnce(Result<F::Output, BoxError>),
{
    pub(super) fn new(future: F, done: D) -> Self {
        Self {
            future,
            done: Some(done),
        }
    }
}

impl<F, D> Future for Errand<F, D>
where
    F: Future,
    D: FnOnce(Result<F::Output, BoxError>),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let errand = self.project();
        let result = match catch_unwind(AssertUnwindSafe(|| errand.future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(panic_error(&*payload)),
        };
        if let Some(done) = errand.done.take() {
            done(result);
        }
        Poll::Ready(())
    }
}
