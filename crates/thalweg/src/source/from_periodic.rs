use std::time::Duration;

use crate::failure::BuildError;
use crate::interval::{next_tick, wait};
use crate::{Element, Emitter, IntoInterval, Source, Stop, Stream};

/// Emits the results of a function that is called periodically; see [`Stream::from_periodic`].
struct FromPeriodic<F> {
    f: F,
    interval: Duration,
}

impl<T: Element, F: FnMut() -> T + Send + 'static> Source for FromPeriodic<F> {
    type Item = T;
    const KIND: &'static str = "from_periodic";

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        let start = out.now();
        loop {
            out.emit((self.f)()).await?;
            if self.interval.is_zero() {
                out.yield_now().await?;
            } else {
                out.sleep_until(next_tick(start, self.interval, out.now()))
                    .await?;
            }
        }
    }
}

impl<T: Element> Stream<T> {
    /// Creates a source that calls `f` at once and then every `interval`, and emits the results.
    ///
    /// `interval` is a duration, a number of seconds, or a text such as `"500ms"`. Calls keep to their due times: the
    /// thousandth is a thousand intervals after the start. A call that is due while the pipeline is still busy with the
    /// previous result is skipped. With an interval of zero each call follows as soon as the pipeline has accepted the
    /// previous result and other tasks of the event loop have had a turn.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// # use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let now = clock.clone();
    /// let ticks = Stream::from_periodic_on(&clock, "3.6s", move || now.now());
    /// let list = ticks.sink_to_list();
    /// ticks.start()?;
    /// clock.advance(Duration::from_secs(3600));
    /// assert_eq!(list.to_vec()[1000], Duration::from_secs(3600));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn from_periodic(
        interval: impl IntoInterval,
        f: impl FnMut() -> T + Send + 'static,
    ) -> Self {
        Self::periodic(crate::RuntimeHandle::current(), interval, f)
    }

    /// The same on a given runtime.
    pub fn from_periodic_on(
        runtime: impl Into<crate::RuntimeHandle>,
        interval: impl IntoInterval,
        f: impl FnMut() -> T + Send + 'static,
    ) -> Self {
        Self::periodic(Some(runtime.into()), interval, f)
    }

    fn periodic(
        runtime: Option<crate::RuntimeHandle>,
        interval: impl IntoInterval,
        f: impl FnMut() -> T + Send + 'static,
    ) -> Self {
        let (interval, build_error) = match wait(interval) {
            Ok(interval) => (interval, None),
            Err(error) => (Duration::MAX, Some(BuildError::new("from_periodic", error))),
        };
        let stream = Self::build_source(FromPeriodic { f, interval }, runtime);
        if let Some(build_error) = build_error {
            stream.build_error(build_error);
        }
        stream
    }
}
