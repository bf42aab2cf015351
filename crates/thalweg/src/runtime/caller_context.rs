use std::fmt;
use std::sync::Arc;

/// A context of the host, in which functions are called. The default is none. See
/// [`Runtime::caller_context`](crate::Runtime::caller_context).
#[derive(Clone, Default)]
pub struct CallerContext(Option<Arc<EnterContext>>);

type EnterContext = dyn Fn(&mut dyn FnMut()) + Send + Sync;

impl CallerContext {
    /// Creates a context from what calls a function in it.
    ///
    /// ```
    /// use std::cell::Cell;
    /// use thalweg::CallerContext;
    ///
    /// thread_local!(static REQUEST: Cell<u32> = const { Cell::new(0) });
    ///
    /// let context = CallerContext::new(|f| {
    ///     let before = REQUEST.replace(7);
    ///     f();
    ///     REQUEST.set(before);
    /// });
    /// assert_eq!((context.enter(|| REQUEST.get()), REQUEST.get()), (7, 0));
    /// ```
    pub fn new(enter: impl Fn(&mut dyn FnMut()) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(enter)))
    }

    /// Calls `f` in the context.
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.0 {
            None => f(),
            Some(enter) => entered(f, |f| enter(f)),
        }
    }
}

impl fmt::Debug for CallerContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallerContext")
            .field(&self.0.is_some())
            .finish()
    }
}

/// Calls `f` by `enter`, which is to call it once, and at least here if it does not.
pub(crate) fn entered<R>(f: impl FnOnce() -> R, enter: impl FnOnce(&mut dyn FnMut())) -> R {
    let (mut f, mut result) = (Some(f), None);
    enter(&mut || result = f.take().map(|f| f()));
    match (result, f) {
        (Some(result), _) => result,
        (None, Some(f)) => f(),
        (None, None) => unreachable!("a function that was taken has been called"),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::CallerContext;
    use crate::runtime::{Alarm, Runtime, RuntimeHandle, Task, VirtualClock};
    use crate::{Retry, Stream};

    thread_local!(static REQUEST: Cell<u32> = const { Cell::new(0) });

    /// A clock whose callers belong to requests.
    struct Host(VirtualClock);

    impl Runtime for Host {
        fn now(&self) -> Duration {
            self.0.now()
        }

        fn wake_at(&self, at: Duration, alarm: Alarm) {
            self.0.wake_at(at, alarm);
        }

        fn spawn(&self, task: Task) {
            self.0.spawn(task);
        }

        fn identity(&self) -> usize {
            self.0.identity()
        }

        fn caller_context(&self) -> CallerContext {
            let request = REQUEST.get();
            CallerContext::new(move |f| {
                let before = REQUEST.replace(request);
                f();
                REQUEST.set(before);
            })
        }
    }

    fn calls_belong_to_requests(build: impl Fn(&Stream<u32>, Box<dyn Fn(u32) -> bool + Send>)) {
        let clock = VirtualClock::new();
        let source = Stream::on(RuntimeHandle::new(Host(clock.clone())));
        let (sender, seen) = channel();
        build(
            &source,
            Box::new(move |x| sender.send((x, REQUEST.get())).is_err()),
        );
        let emits: Vec<_> = (1..=3)
            .map(|x| {
                REQUEST.set(x);
                source.emit(x)
            })
            .collect();
        REQUEST.set(0);
        clock.advance(Duration::from_secs(60));
        assert!(emits.iter().all(|emit| emit.is_ready()));
        let seen: Vec<_> = seen.try_iter().collect();
        assert!(seen.iter().all(|(x, request)| x == request), "{seen:?}");
        assert!((1..=3).all(|x| seen.contains(&(x, x))), "{seen:?}");
    }

    #[test]
    fn functions_called_later_run_in_the_contexts_of_their_emitters() {
        calls_belong_to_requests(|source, note| {
            let then = source.then(move |x| {
                note(x);
                async move { x }
            });
            then.sink(drop);
        });
        calls_belong_to_requests(|source, note| {
            let mapped = source.map_async(1, move |x| {
                note(x);
                async move { x }
            });
            mapped.sink(drop);
        });
        calls_belong_to_requests(|source, note| {
            let mut left = 6;
            let sink = source.try_sink_async(move |x| {
                note(x);
                left -= 1;
                std::future::ready(if left >= 0 { Err("not yet") } else { Ok(()) })
            });
            sink.on_error(Retry::times(5).backoff(1.0));
        });
    }
}
