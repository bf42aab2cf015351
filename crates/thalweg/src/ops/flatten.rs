use std::marker::PhantomData;

use crate::{Context, Element, Flow, Never, Operator, Stream};

/// Sends what elements are made of, one by one; see [`Stream::flatten`].
pub struct Flatten<I>(PhantomData<fn(I)>);

impl<I> Flatten<I> {
    /// A node that sends the items of every element.
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

    fn update(&mut self, xs: I, cx: &mut Context<'_, Self>) -> Flow {
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
    /// Sends the items of every element one by one: undoes a window or a partition.
    ///
    /// All items of an element share its acknowledgement token, which fires when the last of them is
    /// done with. If one fails on its way and the emitter is told, those after it are not sent.
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
