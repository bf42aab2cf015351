use std::marker::PhantomData;
use std::time::Duration;

use super::parts::{Group, Tumbling, duration, label};
use crate::failure::BuildError;
use crate::{Context, Element, Flow, IntoInterval, IntoOperator, Never, Operator, Stream};

/// The options of [`timed_window`](Stream::timed_window). Give them to [`apply`](Stream::apply).
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock, ops::TimedWindow};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let list = source.apply(TimedWindow::every("1s").skip_empty()).sink_to_list();
/// source.emit_many([1, 2]).wait()?;
/// clock.advance(Duration::from_secs(3600));
/// source.emit(3).wait()?;
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(list.to_vec(), [vec![1, 2], vec![3]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct TimedWindow<T> {
    interval: Result<Duration, BuildError>,
    empty: bool,
    _in: PhantomData<fn(T)>,
}

impl<T> TimedWindow<T> {
    /// Windows that are `interval` long.
    pub fn every(interval: impl IntoInterval) -> Self {
        Self {
            interval: duration("timed_window", interval),
            empty: true,
            _in: PhantomData,
        }
    }

    /// Windows without elements are not sent.
    pub fn skip_empty(self) -> Self {
        Self {
            empty: false,
            ..self
        }
    }
}

impl<T: Element> IntoOperator for TimedWindow<T> {
    type Operator = TimedWindowing<T>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        let interval = self.interval?;
        Ok(TimedWindowing {
            interval,
            window: Group::default(),
            windows: Tumbling::new(interval, self.empty),
        })
    }
}

/// Sends what came in each interval: what the options [`TimedWindow`] become.
pub struct TimedWindowing<T> {
    interval: Duration,
    window: Group<T>,
    windows: Tumbling<Vec<T>>,
}

impl<T: Element> Operator for TimedWindowing<T> {
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "timed_window";
    const SUSPENDS: bool = true;
    const NEEDS_RUNTIME: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        self.window.push(x, cx);
        self.windows.added(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        let is_empty = self.window.is_empty();
        self.windows.wake(is_empty, || self.window.take(), cx);
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.windows.delivered(cx);
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        let is_empty = self.window.is_empty();
        self.windows.flush(is_empty, || self.window.take(), cx);
        Ok(())
    }

    fn moving(&self) -> usize {
        self.windows.moving()
    }

    fn resting(&self) -> usize {
        self.window.len()
    }

    fn label(&self) -> Option<String> {
        label(self.interval)
    }
}

impl<T: Element> Stream<T> {
    /// Sends, at the end of every `interval`, what came in it. `interval` is a duration, a number of
    /// seconds, or a text such as `"500ms"`.
    ///
    /// The first interval begins with the first element, and each of the others where the one
    /// before ends, without drift. As in streamz, an interval in which nothing came makes an empty
    /// window; for none see the options [`TimedWindow`].
    ///
    /// Nobody waits for a window, so what fails behind it is unhandled, see
    /// [`on_unhandled`](Self::on_unhandled). But there is back pressure: while a window is being
    /// taken, those who emit wait, and the next window grows until an interval ends after that.
    /// A [`drain`](Self::drain) sends at once what the last window holds, and ends the clock, which
    /// otherwise ticks for as long as the pipeline lives. A [`VirtualClock`](crate::VirtualClock)
    /// with this clock on it never runs out of timers: waiting there for something that never comes
    /// does not panic, but goes on for ever.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.timed_window("1s").sink_to_list();
    /// source.emit_many([1, 2]).wait()?;
    /// clock.advance(Duration::from_millis(2500));
    /// source.emit(3).wait()?;
    /// clock.block_on(source.drain("1s"))?;
    /// assert_eq!(list.to_vec(), [vec![1, 2], vec![], vec![3]]);
    /// assert_eq!(clock.now(), Duration::from_millis(2500));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn timed_window(&self, interval: impl IntoInterval) -> Stream<Vec<T>> {
        self.apply(TimedWindow::every(interval))
    }
}
