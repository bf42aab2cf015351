use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::failure::{BoxError, panic_error};
use crate::graph::CurrentCall;

pin_project! {
    /// A future, and the handling of its result or panic.
    ///
    /// An async block would do the same, but takes twice the memory: it stores captures apart from what it awaits.
    /// There may be a million of these.
    pub(super) struct SpawnedFuture<F, D>
    where
        F: Future,
        D: FnOnce(Result<F::Output, BoxError>),
    {
        #[pin]
        future: F,
        call: CurrentCall,
        done: Option<D>,
    }

    impl<F, D> PinnedDrop for SpawnedFuture<F, D>
    where
        F: Future,
        D: FnOnce(Result<F::Output, BoxError>),
    {
        /// An event loop that ends drops its tasks; somebody waits for the result of this one.
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            this.call.end();
            if let Some(done) = this.done.take() {
                done(Err("the event loop has ended".into()));
            }
        }
    }
}

impl<F, D> SpawnedFuture<F, D>
where
    F: Future,
    D: FnOnce(Result<F::Output, BoxError>),
{
    pub(super) fn new(future: F, call: CurrentCall, done: D) -> Self {
        Self {
            future,
            call,
            done: Some(done),
        }
    }
}

impl<F, D> Future for SpawnedFuture<F, D>
where
    F: Future,
    D: FnOnce(Result<F::Output, BoxError>),
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let spawned = self.project();
        let poll = || spawned.call.enter(|| spawned.future.poll(cx));
        let result = match catch_unwind(AssertUnwindSafe(poll)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(payload) => Err(panic_error(&*payload)),
        };
        spawned.call.end();
        if let Some(done) = spawned.done.take() {
            done(result);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::call::CallSite;
    use crate::graph::{Lease, Pass};

    #[test]
    fn a_spawned_future_is_no_larger_than_its_parts() {
        let future = std::future::ready([0_u64; 20]);
        let (graph, node) = (Box::new(1), Box::new(2));
        let key = 3_u64;
        let size = size_of_val(&future) + 4 * size_of::<usize>();
        let graph_of_call = crate::graph::Graph::new(None);
        let pass = Pass::new(&graph_of_call, Lease::default(), false);
        let call = CurrentCall::begin(CallSite::new(1), &pass);
        let spawned = SpawnedFuture::new(future, call, move |_: Result<[u64; 20], BoxError>| {
            drop((graph, node, key));
        });
        assert_eq!(size_of_val(&spawned), size);
    }
}
