use std::any::Any;
use std::collections::VecDeque;

use super::parts::at_least_one;
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{Acks, Context, Element, EmitResult, Never, Operator, Reconfigure, Stream};

/// Emits the last elements for every new one; see [`Stream::sliding_window`].
pub struct SlidingWindow<T> {
    size: usize,
    partial: bool,
    window: VecDeque<T>,
    /// The tokens of elements that will be part of the next window as well.
    acks: VecDeque<Acks>,
}

shows!([T] SlidingWindow<T> { size, partial });

impl<T> SlidingWindow<T> {
    /// Windows of `size`, preceded by shorter ones at the beginning.
    ///
    /// # Errors
    /// `size` is zero.
    pub fn partial(size: usize) -> Result<Self, BuildError> {
        Self::new(size, true)
    }

    /// Windows of exactly `size`.
    ///
    /// # Errors
    /// `size` is zero.
    pub fn full(size: usize) -> Result<Self, BuildError> {
        Self::new(size, false)
    }

    fn new(size: usize, partial: bool) -> Result<Self, BuildError> {
        Ok(Self {
            size: at_least_one("sliding_window", "the size of a window", size)?,
            partial,
            window: VecDeque::new(),
            acks: VecDeque::new(),
        })
    }
}

impl<T> Reconfigure for SlidingWindow<T> {
    fn reconfigure(&mut self, new: Self) {
        self.size = new.size;
        self.partial = new.partial;
        // The next element makes a window of the new size.
        let surplus = (self.window.len() + 1).saturating_sub(self.size);
        self.window.drain(..surplus.min(self.window.len()));
        let surplus = (self.acks.len() + 1).saturating_sub(self.size);
        self.acks.drain(..surplus.min(self.acks.len()));
    }
}

impl<T: Element> Operator for SlidingWindow<T> {
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "sliding_window";
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.window.len() == self.size {
            self.window.pop_front();
        }
        self.window.push_back(x);
        self.acks.push_back(cx.acks());
        let is_full = self.window.len() == self.size;
        if !is_full && !self.partial {
            return Ok(());
        }
        let acks = Acks::merge(&self.acks);
        if is_full {
            self.acks.pop_front();
        }
        cx.emit_with(acks, self.window.iter().cloned().collect())
    }

    /// There will be no further window for these elements.
    fn flush(&mut self, _: &mut Context<'_, Self>) -> EmitResult {
        self.window.clear();
        self.acks.clear();
        Ok(())
    }

    /// Elements that have not been part of any window yet.
    fn buffered(&self) -> usize {
        if self.partial || self.window.len() == self.size {
            0
        } else {
            self.window.len()
        }
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.window.iter().for_each(|x| visit(x));
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Emits, for every new element, the last `size` elements, the oldest first; at the beginning, as many as there
    /// are.
    ///
    /// An acknowledgement token fires when the last window with its element is done. A size of 0 is a build error, see
    /// [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.sliding_window(2).sink_to_list();
    /// source.emit_many(1..=3).wait()?;
    /// assert_eq!(list.to_vec(), [vec![1], vec![1, 2], vec![2, 3]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sliding_window(&self, size: usize) -> Stream<Vec<T>> {
        self.apply(SlidingWindow::partial(size))
    }

    /// The same, but nothing is emitted until there are `size` elements.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.sliding_window_full(2).sink_to_list();
    /// source.emit_many(1..=3).wait()?;
    /// assert_eq!(list.to_vec(), [[1, 2], [2, 3]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sliding_window_full(&self, size: usize) -> Stream<Vec<T>> {
        self.apply(SlidingWindow::full(size))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, build_error, ms, outputs_and_rest};
    use super::*;

    proptest! {
        #[test]
        fn windows_are_the_last_elements(n in 0_usize..20, size in 1_usize..6) {
            let window = |last: usize| Vec::from_iter((last + 1).saturating_sub(size)..=last);
            let (partial, rest) = outputs_and_rest(0..n, |s| s.sliding_window(size));
            prop_assert!(partial.into_iter().eq((0..n).map(window)));
            prop_assert!(rest.is_empty());
            let (full, rest) = outputs_and_rest(0..n, |s| s.sliding_window_full(size));
            prop_assert!(full.into_iter().eq((size - 1..n.max(size - 1)).map(window)));
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_token_fires_when_the_last_window_of_its_element_is_done() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.sliding_window(2));
        let first = bench.emit(1);
        bench.advance_to(100);
        assert!(first.is_ready() && bench.acked().is_empty());
        let second = bench.emit(2);
        bench.advance_to(199);
        assert!(!second.is_ready() && bench.acked().is_empty());
        bench.advance_to(200);
        assert!(second.is_ready());
        assert_eq!(bench.acked(), [1]);
        assert_eq!(bench.drain(), [(100, vec![1]), (200, vec![1, 2])]);
        assert_eq!(bench.acked(), [1, 2]);
    }

    #[test]
    fn a_window_of_one_holds_nothing() {
        let bench = Bench::new(|s| s.sliding_window_full(1));
        assert!(bench.emit(1).is_ready());
        assert_eq!(bench.acked(), [1]);
    }

    #[test]
    fn only_elements_never_sent_count_as_held() {
        let source = Stream::new();
        let partial = source.sliding_window(3);
        let full = source.sliding_window_full(3);
        source.emit_many([1, 2]).wait().expect("they are kept");
        assert_eq!((partial.counters().held, full.counters().held), (0, 2));
        source.emit_many([3, 4]).wait().expect("they are kept");
        assert_eq!((partial.counters().held, full.counters().held), (0, 0));
    }

    #[test]
    fn a_size_of_zero_is_a_build_error() {
        for message in [
            build_error(|s| s.sliding_window(0)),
            build_error(|s| s.sliding_window_full(0)),
        ] {
            assert!(
                message.ends_with("`sliding_window`: the size of a window is at least one, not 0"),
                "{message}"
            );
        }
    }
}
