use super::parts::{Queue, Timer, at_least_one};
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{Context, Delivery, Element, EmitResult, Never, Operator, Reconfigure, Stream};
use std::any::Any;

/// Queues up to a number of elements for the nodes downstream; see [`Stream::buffer`].
pub struct Buffer<T> {
    size: usize,
    queue: Queue<T>,
    delivering: bool,
    /// Number of requested turns.
    turns: usize,
    /// Whether elements wait for the runtime's next iteration.
    round: Option<Timer>,
}

shows!([T] Buffer<T> { size, delivering, turns });

impl<T> Buffer<T> {
    /// Creates a buffer for `size` elements.
    ///
    /// # Errors
    /// `size` is zero.
    pub fn new(size: usize) -> Result<Self, BuildError> {
        Ok(Self {
            size: at_least_one("buffer", "the number of elements it has room for", size)?,
            queue: Queue::new(size),
            delivering: false,
            turns: 0,
            round: None,
        })
    }

    /// Emits elements in the runtime's next iteration: when `emit` returns, none has left the buffer, as in streamz.
    /// Elements that have arrived until then are emitted together, as far as downstream accepts them.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock, ops::Buffer};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.apply(Buffer::new(10)?.in_next_round()).sink_to_list();
    /// source.emit_many([1, 2]).wait()?;
    /// assert!(list.is_empty());
    /// clock.run_until_idle();
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn in_next_round(self) -> Self {
        Self {
            round: Some(Timer::default()),
            ..self
        }
    }
}

impl<T: Element> Buffer<T> {
    /// Requests turns for all elements, once downstream can accept one.
    fn ask_for_turns(&mut self, cx: &mut Context<'_, Self>) {
        if let Some(round) = &mut self.round {
            if !self.delivering && self.queue.len() > 0 && !round.is_set() {
                round.set(cx.now(), cx);
            }
        } else if !self.delivering {
            for _ in self.turns..self.queue.len() {
                cx.wake_soon();
            }
            self.turns = self.turns.max(self.queue.len());
        }
    }

    fn send_one(&mut self, cx: &mut Context<'_, Self>) -> bool {
        if !self.delivering
            && let Some((x, acks)) = self.queue.pop()
        {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
            return true;
        }
        false
    }
}

impl<T> Reconfigure for Buffer<T> {
    fn reconfigure(&mut self, new: Self) {
        self.size = new.size;
        self.queue.resize(new.queue.size());
    }
}

impl<T: Element> Operator for Buffer<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "buffer";
    const SUSPENDS: bool = true;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        self.queue.push(x, cx);
        self.ask_for_turns(cx);
        Ok(())
    }

    /// Emits one element, so that several buffers emit in the order in which they were filled; or, in the next
    /// iteration, all elements.
    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if let Some(round) = &mut self.round {
            if round.rang(cx) {
                while self.send_one(cx) {}
            }
            return Ok(());
        }
        self.turns = self.turns.saturating_sub(1);
        if self.send_one(cx) {
            self.ask_for_turns(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.delivering = false;
        self.ask_for_turns(cx);
        Ok(())
    }

    fn withdraw(&mut self) {
        self.queue.withdraw();
    }

    fn in_flight(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }

    fn needs_runtime(&self) -> bool {
        self.round.is_some()
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.queue.iter().for_each(|x| visit(x));
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Queues up to `size` elements for the nodes downstream; emitters wait only while the queue is full.
    ///
    /// Downstream receives one element at a time, each when the one before has been accepted, and none in the middle of
    /// a pass: an element continues when it has arrived everywhere else. No emitter waits for it from here on; failures
    /// are unhandled, see [`on_unhandled`](Self::on_unhandled). A buffer of zero is a build error, see
    /// [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.buffer(3).rate_limit("1s").sink_to_list();
    /// // One is sent at once, one waits for the rate limit, and three fit into the buffer.
    /// for x in 0..5 {
    ///     assert!(source.emit(x).is_ready());
    /// }
    /// assert!(!source.emit(5).is_ready());
    /// clock.advance(std::time::Duration::from_secs(10));
    /// assert_eq!(list.to_vec(), [0, 1, 2, 3, 4, 5]);
    /// ```
    pub fn buffer(&self, size: usize) -> Stream<T> {
        self.apply(Buffer::new(size))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::super::test_inputs::{Bench, build_error, ms, outputs};
    use super::*;
    use crate::{Alarm, Runtime, RuntimeHandle, Task, VirtualClock};

    fn deferred<T: Element>(size: usize) -> Buffer<T> {
        Buffer::new(size).expect("not zero").in_next_round()
    }

    /// A virtual clock that counts requested alarms.
    struct Counting(VirtualClock, Arc<AtomicUsize>);

    impl Runtime for Counting {
        fn now(&self) -> Duration {
            self.0.now()
        }

        fn wake_at(&self, at: Duration, alarm: Alarm) {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.wake_at(at, alarm);
        }

        fn spawn(&self, task: Task) {
            self.0.spawn(task);
        }

        fn identity(&self) -> usize {
            self.0.identity()
        }
    }

    #[test]
    fn a_deferred_buffer_sends_a_burst_with_one_alarm() {
        let (clock, alarms) = (VirtualClock::new(), Arc::new(AtomicUsize::new(0)));
        let source = Stream::on(RuntimeHandle::new(Counting(clock.clone(), alarms.clone())));
        let list = source.apply(deferred(1000)).sink_to_list();
        for round in 1..=3 {
            source.emit_many(0..100).wait().expect("there is room");
            assert!(list.is_empty());
            clock.run_until_idle();
            assert_eq!(list.take(), Vec::from_iter(0..100));
            assert_eq!(alarms.load(Ordering::Relaxed), round);
        }
    }

    #[test]
    fn a_full_deferred_buffer_blocks_emitters() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.apply(deferred(2)));
        let emitted: Vec<_> = (0..5).map(|x| bench.emit(x)).collect();
        let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
        assert_eq!(ready(), 2);
        bench.clock.run_until_idle();
        assert_eq!(ready(), 3);
        let expected: Vec<_> = (0..5_u64).map(|x| (100 + 100 * x, x as i32)).collect();
        assert_eq!(bench.drain(), expected);
        assert_eq!(bench.acked(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_deferred_element_fed_back_is_sent_one_round_later() {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let behind = source.apply(deferred(10));
        behind
            .filter(|x| *x < 3)
            .map(|x| x + 1)
            .connect(&source)
            .expect("fits");
        let list = behind.sink_to_list();
        source.emit(0).wait().expect("there is room");
        clock.run_until_idle();
        assert_eq!(list.to_vec(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_downstream_failure_does_not_stop_the_rest_of_a_round() {
        let clock = VirtualClock::new();
        let source = Stream::on(&clock);
        let list = source
            .apply(deferred(10))
            .map(|x| {
                assert!(x != 2, "two");
                x
            })
            .sink_to_list();
        source.emit_many(1..=3).wait().expect("there is room");
        clock.run_until_idle();
        assert_eq!(list.to_vec(), [1, 3]);
        assert!(source.emit(4).wait().expect_err("unhandled").is_behind());
    }

    #[test]
    fn a_full_buffer_blocks_emitters() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.buffer(2));
        let emitted: Vec<_> = (0..5).map(|x| bench.emit(x)).collect();
        let ready = || emitted.iter().filter(|emitted| emitted.is_ready()).count();
        // One is in the sink, and two are in the buffer.
        assert_eq!(ready(), 3);
        assert!(bench.acked().is_empty());
        bench.advance_to(100);
        assert_eq!((ready(), bench.acked()), (4, vec![0]));
        let expected: Vec<_> = (0..5_u64).map(|x| (100 + 100 * x, x as i32)).collect();
        assert_eq!(bench.drain(), expected);
        assert_eq!(bench.acked(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn order_is_kept_for_any_size() {
        for size in [1, 2, 7, 10_000] {
            assert_eq!(
                outputs(0..1000, |s| s.buffer(size)),
                Vec::from_iter(0..1000)
            );
        }
    }

    #[test]
    fn a_size_of_zero_is_a_build_error() {
        let message = build_error(|s| s.buffer(0));
        assert!(
            message.ends_with(
                "`buffer`: the number of elements it has room for is at least one, not 0"
            ),
            "{message}"
        );
    }
}
