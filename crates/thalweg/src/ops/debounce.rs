use std::time::Duration;

use super::parts::{Timer, duration, label};
use crate::failure::BuildError;
use crate::{Acks, Context, Delivery, Element, Flow, IntoInterval, Never, Operator, Stream};

/// Sends an element once no other has come for a while; see [`Stream::debounce`].
pub struct Debounce<T> {
    interval: Duration,
    last: Option<(T, Acks)>,
    due: Duration,
    timer: Timer,
    delivering: bool,
}

impl<T> Debounce<T> {
    /// Sends an element after `interval` without another.
    ///
    /// # Errors
    /// The interval is zero, negative or not to be understood.
    pub fn new(interval: impl IntoInterval) -> Result<Self, BuildError> {
        Ok(Self {
            interval: duration("debounce", interval)?,
            last: None,
            due: Duration::ZERO,
            timer: Timer::default(),
            delivering: false,
        })
    }
}

impl<T: Element> Debounce<T> {
    /// Sends the element if it is due, or sees to it that it is.
    fn send_due(&mut self, cx: &mut Context<'_, Self>) {
        if self.delivering || self.last.is_none() {
            return;
        }
        if cx.now() < self.due {
            // No timer per element: the one that is set finds out that it was put off.
            if !self.timer.is_set() {
                self.timer.set(self.due, cx);
            }
        } else if let Some((x, acks)) = self.last.take() {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
        }
    }
}

impl<T: Element> Operator for Debounce<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "debounce";
    const NEEDS_RUNTIME: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        self.last = Some((x, cx.acks()));
        self.due = cx.now().saturating_add(self.interval);
        self.send_due(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        if self.timer.rang(cx) {
            self.send_due(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.delivering = false;
        self.send_due(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.due = cx.now();
        self.send_due(cx);
        Ok(())
    }

    fn moving(&self) -> usize {
        usize::from(self.delivering)
    }

    fn resting(&self) -> usize {
        usize::from(self.last.is_some())
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Sends an element when no other has come for `interval` after it, and drops it if another has.
    /// `interval` is a duration, a number of seconds, or a text such as `"500ms"`.
    ///
    /// As in Rx, what is left at the end is sent: a [`drain`](Self::drain) does not wait for it.
    /// An element that is due while the one before is still being taken waits for that, and can be
    /// superseded meanwhile. Emitters never wait, so what fails behind is unhandled, see
    /// [`on_unhandled`](Self::on_unhandled).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.debounce("1s").sink_to_list();
    /// for text in ["f", "fl", "flo", "flow"] {
    ///     source.emit(text).wait()?;
    ///     clock.advance(Duration::from_millis(400));
    /// }
    /// clock.advance(Duration::from_secs(1));
    /// assert_eq!(list.to_vec(), ["flow"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn debounce(&self, interval: impl IntoInterval) -> Stream<T> {
        self.apply(Debounce::new(interval))
    }
}
