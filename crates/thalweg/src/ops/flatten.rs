use std::marker::PhantomData;

use crate::debug::shows;
use crate::{Context, Element, EmitResult, Never, Operator, Stream};

/// Emits the items of elements, one by one; see [`Stream::flatten`].
pub struct Flatten<I>(PhantomData<fn(I)>);

shows!([I] Flatten<I> {});

impl<I> Flatten<I> {
    /// Creates a node that emits the items of every element.
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<I> Default for Flatten<I> {
    fn default() -> Self {
        Self::new()
    }
}

impl<I> Operator for Flatten<I>
where
    I: Element + IntoIterator<Item: Element>,
{
    type In = I;
    type Out = I::Item;
    type Event = Never;
    const KIND: &'static str = "flatten";
    const CLOSES: bool = false;

    fn update(&mut self, xs: I, cx: &mut Context<'_, Self>) -> EmitResult {
        for x in xs {
            cx.emit(x)?;
        }
        Ok(())
    }
}

impl<I> Stream<I>
where
    I: Element + IntoIterator<Item: Element>,
{
    /// Emits the items of every element one by one: undoes a window or a partition.
    ///
    /// All items of an element share its acknowledgement token, which fires when the last of them is done. If one fails
    /// and the emitter is told, those after it are not emitted.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.flatten().sink_to_list();
    /// source.emit_many([vec![1, 2], vec![], vec![3]]).wait()?;
    /// assert_eq!(list.to_vec(), [1, 2, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn flatten(&self) -> Stream<I::Item> {
        self.apply(Flatten::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::{Bench, ms, outputs};
    use crate::Stream;

    proptest! {
        #[test]
        fn items_come_out_in_order(xs: Vec<Vec<u8>>) {
            let expected: Vec<u8> = xs.iter().flatten().copied().collect();
            prop_assert_eq!(outputs(xs, Stream::flatten), expected);
        }
    }

    #[test]
    fn an_element_is_done_with_its_last_item() {
        let bench = Bench::with_slow_sink(ms(100), |s| s.flatten().rate_limit("1s"));
        let emitted = bench.emit(vec![1, 2, 3]);
        bench.advance_to(2050);
        assert!(!emitted.is_ready() && bench.acked().is_empty());
        bench.advance_to(2100);
        assert!(emitted.is_ready());
        assert_eq!(bench.acked(), [vec![1, 2, 3]]);
        assert_eq!(bench.take(), [(100, 1), (1100, 2), (2100, 3)]);
    }

    #[test]
    fn a_failed_item_ends_only_its_element() {
        let source = Stream::new();
        let list = source
            .flatten()
            .try_map(|x: &i32| if *x == 2 { Err("two") } else { Ok(*x) })
            .sink_to_list();
        let result = source.emit_many([vec![1, 2, 3], vec![4]]).wait();
        assert_eq!(result.expect_err("two").failures().len(), 1);
        assert_eq!(list.to_vec(), [1, 4]);
    }
}
