use std::collections::VecDeque;
use std::time::Duration;

use super::parts::{duration, label};
use crate::failure::BuildError;
use crate::{Context, Element, Flow, IntoInterval, Lease, Never, Operator, Stream};

/// Sends at most one element per interval; see [`Stream::rate_limit`].
pub struct RateLimit<T> {
    interval: Duration,
    queue: VecDeque<(T, Lease)>,
    /// The earliest time for the next element.
    next: Duration,
}

impl<T> RateLimit<T> {
    /// At most one element per `interval`.
    ///
    /// # Errors
    /// The interval is zero, negative or not to be understood.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        Ok(Self {
            interval: duration("rate_limit", interval)?,
            queue: VecDeque::new(),
            next: Duration::ZERO,
        })
    }
}

impl<T: Element> Operator for RateLimit<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "rate_limit";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        let now = cx.now();
        if self.queue.is_empty() && now >= self.next {
            self.next = now + self.interval;
            return cx.emit(x);
        }
        if self.queue.is_empty() {
            cx.wake_at(self.next);
        }
        let lease = cx.hold();
        self.queue.push_back((x, lease));
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        let now = cx.now();
        if now >= self.next
            && let Some((x, lease)) = self.queue.pop_front()
        {
            self.next = now + self.interval;
            cx.under(lease, |cx| cx.emit(x));
            if !self.queue.is_empty() {
                cx.wake_at(self.next);
            }
        }
        Ok(())
    }

    fn moving(&self) -> usize {
        self.queue.len()
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Sends at most one element per `interval`, the first at once. The others wait, and so do
    /// their emitters.
    ///
    /// `interval` is a duration, a number of seconds, or a text such as `"500ms"`.
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// # use std::time::Duration;
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.rate_limit("500ms").sink_to_list();
    /// let emitted: Vec<_> = (0..3).map(|x| source.emit(x)).collect();
    /// assert_eq!(list.to_vec(), [0]);
    /// clock.advance(Duration::from_millis(500));
    /// assert_eq!(list.to_vec(), [0, 1]);
    /// assert!(emitted[1].is_ready() && !emitted[2].is_ready());
    /// ```
    pub fn rate_limit(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(RateLimit::new(interval))
    }
}
