use super::parts::{Queue, at_least_one};
use crate::failure::BuildError;
use crate::{Context, Delivery, Element, Flow, Never, Operator, Stream};

/// Lets up to a number of elements wait for the nodes behind it; see [`Stream::buffer`].
pub struct Buffer<T> {
    size: usize,
    queue: Queue<T>,
    delivering: bool,
    /// How many turns it has asked for.
    turns: usize,
}

impl<T> Buffer<T> {
    /// A buffer for `size` elements.
    ///
    /// # Errors
    /// `size` is zero.
    pub fn new(size: usize) -> Result<Self, BuildError> {
        Ok(Self {
            size: at_least_one("buffer", "the number of elements it has room for", size)?,
            queue: Queue::new(size),
            delivering: false,
            turns: 0,
        })
    }
}

impl<T: Element> Buffer<T> {
    /// Sees to it that every element has its turn, once what is behind can take one.
    fn ask_for_turns(&mut self, cx: &mut Context<'_, Self>) {
        if !self.delivering {
            for _ in self.turns..self.queue.len() {
                cx.wake_soon();
            }
            self.turns = self.turns.max(self.queue.len());
        }
    }
}

impl<T: Element> Operator for Buffer<T> {
    type In = T;
    type Out = T;
    type Event = Never;
    const KIND: &'static str = "buffer";
    const SUSPENDS: bool = true;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> Flow {
        self.queue.push(x, cx);
        self.ask_for_turns(cx);
        Ok(())
    }

    /// Sends one element, so that several buffers send in the order in which they were filled.
    fn wake(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.turns = self.turns.saturating_sub(1);
        if !self.delivering
            && let Some((x, acks)) = self.queue.pop()
        {
            self.delivering = cx.deliver(acks, x) == Delivery::Pending;
            self.ask_for_turns(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.delivering = false;
        self.ask_for_turns(cx);
        Ok(())
    }

    fn moving(&self) -> usize {
        self.queue.len() + usize::from(self.delivering)
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Lets up to `size` elements wait for the nodes behind it, so that emitters wait only when it
    /// is full.
    ///
    /// What is behind the buffer gets one element at a time, each when the one before has been taken,
    /// and none in the middle of a pass: an element moves on when it has got everywhere else.
    /// Nobody waits for it there; what fails is unhandled, see
    /// [`on_unhandled`](Self::on_unhandled). A buffer of zero is a mistake, see
    /// [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::{Stream, VirtualClock};
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let list = source.buffer(3).rate_limit("1s").sink_to_list();
    /// // One is sent on at once, one waits for the rate, and three fit into the buffer.
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
    use super::super::testing::{Bench, mistake, ms, outputs};

    #[test]
    fn emitters_wait_when_it_is_full() {
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
    fn order_is_kept_whatever_its_size() {
        for size in [1, 2, 7, 10_000] {
            assert_eq!(
                outputs(0..1000, |s| s.buffer(size)),
                Vec::from_iter(0..1000)
            );
        }
    }

    #[test]
    fn a_buffer_of_nothing_is_a_mistake() {
        let message = mistake(|s| s.buffer(0));
        assert!(
            message.ends_with(
                "`buffer`: the number of elements it has room for is at least one, not 0"
            ),
            "{message}"
        );
    }
}
