use super::parts::Timer;
use crate::debug::shows;
use crate::{Acks, Context, Delivery, Element, EmitResult, Never, Operator, Reconfigure, Stream};
use std::any::Any;

/// Drops elements superseded by newer ones; see [`Stream::latest`].
pub struct Latest<T> {
    latest: Option<(T, Acks)>,
    delivering: bool,
    /// Whether the element waits for the runtime's next round.
    round: Option<Timer>,
}

shows!([T] Latest<T> { delivering });

impl<T> Latest<T> {
    /// A node that keeps only the newest element.
    pub fn new() -> Self {
        Self {
            latest: None,
            delivering: false,
            round: None,
        }
    }

    /// Passes the element on in the runtime's next round, as streamz does: of the elements until then,
    /// only the last one is kept.
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock, ops::Latest};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.apply(Latest::new().in_next_round()).sink_to_list();
    /// source.emit_many([1, 2]).wait()?;
    /// assert!(list.is_empty());
    /// clock.run_until_idle();
    /// assert_eq!(list.to_vec(), [2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn in_next_round(self) -> Self {
        Self {
            round: Some(Timer::default()),
            ..self
        }
    }
}

impl<T: Element> Latest<T> {
    /// Schedules the element for when downstream can accept one.
    fn ask_for_turn(&mut self, cx: &mut Context<'_, Self>) {
        if self.delivering || self.latest.is_none() {
            return;
        }
        match &mut self.round {
            Some(round) if round.is_set() => {}
            Some(round) => round.set(cx.now(), cx),
            None => cx.wake_soon(),
        }
    }

    fn send(&mut self, cx: &mut Context<'_, Self>) {
        if !self.delivering
            && let Some((x, acks)) = self.latest.take()
        {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
        }
    }
}

impl<T> Default for Latest<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The operator has no settings.
impl<T> Reconfigure for Latest<T> {
    fn reconfigure(&mut self, _: Self) {}
}

impl<T: Element> Operator for Latest<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "latest";
    /// Emitters do not wait, but elements must arrive one by one: of a batch, only the last element
    /// would be kept.
    const SUSPENDS: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.latest = Some((x, cx.acks()));
        self.ask_for_turn(cx);
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.round.as_mut().is_none_or(|round| round.rang(cx)) {
            self.send(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        match self.round {
            Some(_) => self.ask_for_turn(cx),
            None => self.send(cx),
        }
        Ok(())
    }

    fn needs_runtime(&self) -> bool {
        self.round.is_some()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.latest.iter().for_each(|(x, _)| visit(x));
    }

    fn in_flight(&self) -> usize {
        usize::from(self.latest.is_some()) + usize::from(self.delivering)
    }
}

impl<T: Element> Stream<T> {
    /// Lets slow downstreams skip ahead: while an element is being delivered, only the newest of those that
    /// arrive is kept, and the others are dropped.
    ///
    /// Emitters never wait, so downstream failures are unhandled, see
    /// [`on_unhandled`](Self::on_unhandled). As with [`buffer`](Self::buffer), an element moves on
    /// when it has been everywhere else.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.latest().rate_limit("1s").sink_to_list();
    /// for x in 0..5 {
    ///     source.emit(x).wait()?;
    /// }
    /// clock.advance(Duration::from_secs(5));
    /// // The first one passed, the second waited for the rate limit, and the last one skipped ahead.
    /// assert_eq!(list.to_vec(), [0, 1, 4]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn latest(&self) -> Stream<T> {
        self.apply(Latest::new())
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_inputs::{Bench, ms, outputs};
    use crate::Stream;

    #[test]
    fn a_fast_sink_gets_every_element_even_of_a_batch() {
        assert_eq!(outputs(0..1000, Stream::latest), Vec::from_iter(0..1000));
    }

    #[test]
    fn a_deferred_latest_skips_elements_for_a_slow_sink_too() {
        let bench =
            Bench::with_slow_sink(ms(1000), |s| s.apply(super::Latest::new().in_next_round()));
        for x in 0..5 {
            bench.advance_to(x * 300);
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.drain(), [(1000, 0), (2000, 3), (3000, 4)]);
        assert_eq!(bench.acked(), [1, 2, 0, 3, 4]);
    }

    #[test]
    fn a_slow_sink_skips_elements_which_are_released() {
        let bench = Bench::with_slow_sink(ms(1000), |s| s.latest());
        for x in 0..5 {
            bench.advance_to(x * 300);
            assert!(bench.emit(x).is_ready());
        }
        assert_eq!(bench.acked(), [1, 2, 0]);
        assert_eq!(bench.drain(), [(1000, 0), (2000, 3), (3000, 4)]);
        assert_eq!(bench.acked(), [1, 2, 0, 3, 4]);
    }
}
