use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};

use super::parts::at_least_one;
use crate::debug::shows;
use crate::failure::BuildError;
use crate::{Element, OperatorError, Reconfigure, Stream, Transform};

/// Passes on the elements at some positions; see [`Stream::slice`].
pub struct Slice<T> {
    start: usize,
    end: Option<usize>,
    step: usize,
    position: usize,
    _in: PhantomData<fn(T)>,
}

shows!([T] Slice<T> { start, end, step, position });

impl<T> Slice<T> {
    /// The elements at positions in `range` that are multiples of `step`.
    ///
    /// # Errors
    /// The range ends before it starts, or `step` is zero.
    pub fn new(range: impl RangeBounds<usize>, step: usize) -> Result<Self, BuildError> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => None,
        };
        if let Some(end) = end.filter(|end| *end < start) {
            return Err(BuildError::new(
                "slice",
                format_args!("the end, {end}, comes before the start, {start}"),
            ));
        }
        Ok(Self {
            start,
            end,
            step: at_least_one("slice", "the step", step)?,
            position: 0,
            _in: PhantomData,
        })
    }
}

impl<T> Reconfigure for Slice<T> {
    fn reconfigure(&mut self, new: Self) {
        self.start = new.start;
        self.end = new.end;
        self.step = new.step;
    }
}

impl<T: Element> Transform for Slice<T> {
    type In = T;
    type Out = T;
    const KIND: &'static str = "slice";
    const CLOSES: bool = false;

    #[inline(always)]
    fn apply(&mut self, x: T) -> Result<Option<T>, OperatorError<T>> {
        let position = self.position;
        if self.end.is_some_and(|end| position >= end) {
            return Ok(None);
        }
        // Without an end, counting may stop where no stream ever arrives.
        self.position = position.saturating_add(1);
        Ok((position >= self.start && position.is_multiple_of(self.step)).then_some(x))
    }

    fn label(&self) -> Option<String> {
        let Self {
            start, end, step, ..
        } = self;
        let end = end.map(|end| end.to_string()).unwrap_or_default();
        Some(match step {
            1 => format!("{start}..{end}"),
            _ => format!("{start}..{end}, {step}"),
        })
    }
}

impl<T: Element> Stream<T> {
    /// Passes on the elements at positions in `range`, counted from 0, that are multiples of `step`.
    ///
    /// As in streamz, `step` counts from the beginning of the stream, wherever the range starts: `slice(1.., 2)` passes
    /// on the elements 2, 4, 6 and so on. To count from the start of the range, as for slices of Rust and Python, write
    /// `skip(1).slice(.., 2)`. Unlike in streamz, an end of 0 means that nothing is passed on.
    ///
    /// After the end elements are dropped. A range that ends before it starts, and a step of 0, are build errors, see
    /// [`check`](Self::check).
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.slice(1..8, 3).sink_to_list();
    /// source.emit_many(0..20).wait()?;
    /// assert_eq!(list.to_vec(), [3, 6]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn slice(&self, range: impl RangeBounds<usize>, step: usize) -> Stream<T> {
        self.transform_checked(Slice::new(range, step))
    }

    /// Passes on the first `n` elements and drops the others.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.take(2).sink_to_list();
    /// source.emit_many(0..5).wait()?;
    /// assert_eq!(list.to_vec(), [0, 1]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn take(&self, n: usize) -> Stream<T> {
        self.slice(..n, 1)
    }

    /// Drops the first `n` elements and passes on the others.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.skip(2).sink_to_list();
    /// source.emit_many(0..5).wait()?;
    /// assert_eq!(list.to_vec(), [2, 3, 4]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn skip(&self, n: usize) -> Stream<T> {
        self.slice(n.., 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{build_error, outputs};

    proptest! {
        #[test]
        fn positions_are_counted_from_the_beginning(
            n in 0_usize..60,
            start in 0_usize..30,
            length in 0_usize..30,
            step in 1_usize..5,
        ) {
            let expected: Vec<usize> = (0..n)
                .filter(|x| (start..start + length).contains(x) && x % step == 0)
                .collect();
            let sliced = outputs(0..n, |s| s.slice(start..start + length, step));
            prop_assert_eq!(sliced, expected);
            prop_assert!(outputs(0..n, |s| s.take(start)).into_iter().eq((0..n).take(start)));
            prop_assert!(outputs(0..n, |s| s.skip(start)).into_iter().eq((0..n).skip(start)));
        }
    }

    #[test]
    fn ranges_of_all_kinds() {
        use std::ops::Bound::{Excluded, Unbounded};
        assert_eq!(outputs(0..7, |s| s.slice(.., 3)), [0, 3, 6]);
        assert_eq!(outputs(0..7, |s| s.slice(1.., 2)), [2, 4, 6]);
        assert_eq!(outputs(0..7, |s| s.slice(5..=5, 1)), [5]);
        assert_eq!(outputs(0..7, |s| s.slice(..=1, 1)), [0, 1]);
        assert_eq!(
            outputs(0..7, |s| s.slice((Excluded(4), Unbounded), 1)),
            [5, 6]
        );
        assert_eq!(outputs(0..7, |s| s.slice(0..0, 1)), [0; 0]);
        assert_eq!(outputs(0..3, |s| s.slice(..=usize::MAX, 1)), [0, 1, 2]);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "it is the mistake")]
    fn wrong_arguments_are_named() {
        let backwards = build_error(|s| s.slice(5..2, 1));
        assert!(
            backwards.ends_with("`slice`: the end, 2, comes before the start, 5"),
            "{backwards}"
        );
        let no_step = build_error(|s| s.slice(.., 0));
        assert!(
            no_step.ends_with("`slice`: the step is at least one, not 0"),
            "{no_step}"
        );
    }
}
