use std::collections::VecDeque;

use crate::failure::BuildError;
use crate::{Acks, Context, Delivery, Element, Flow, Lease, Never, Operator, Stream};

/// Lets up to a number of elements wait for the nodes behind it; see [`Stream::buffer`].
pub struct Buffer<T> {
    size: usize,
    queue: VecDeque<(T, Acks)>,
    /// Elements beyond the bound: their emitters wait.
    overflow: VecDeque<(T, Lease)>,
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
        if size == 0 {
            return Err(BuildError::new(
                "buffer",
                "a buffer has room for at least one element, not 0",
            ));
        }
        Ok(Self {
            size,
            queue: VecDeque::new(),
            overflow: VecDeque::new(),
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
        if self.queue.len() < self.size {
            self.queue.push_back((x, cx.acks()));
        } else {
            let lease = cx.hold();
            self.overflow.push_back((x, lease));
        }
        self.ask_for_turns(cx);
        Ok(())
    }

    /// Sends one element, so that several buffers send in the order in which they were filled.
    fn wake(&mut self, cx: &mut Context<'_, Self>) -> Flow {
        self.turns = self.turns.saturating_sub(1);
        if !self.delivering
            && let Some((x, acks)) = self.queue.pop_front()
        {
            if let Some((x, lease)) = self.overflow.pop_front() {
                self.queue.push_back((x, lease.accept()));
            }
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
        self.queue.len() + self.overflow.len() + usize::from(self.delivering)
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
        self.apply_checked(Buffer::new(size))
    }
}
