use super::{Inputs, Lanes};
use crate::ack::discarding;
use crate::debug::shows;
use crate::failure::BoxError;
use crate::{Acks, Context, Element, EmitResult, Lease, Never, Operator, Reconfigure, Stream};
use std::any::Any;

/// Number of elements of the lossless stream that wait for the others' first elements before their emitters
/// wait too.
const BOUND: usize = 1000;

/// Emits every element of its first inlet with the latest ones of the others; see [`zip_latest`].
pub struct ZipLatest<L> {
    lanes: L,
}

shows!([L] ZipLatest<L> {});

impl<L: Lanes> ZipLatest<L> {
    /// The inlets, with their waiting elements.
    pub fn lanes(&self) -> &L {
        &self.lanes
    }

    /// A join of these lanes; the first is the lossless one.
    pub fn new(lanes: L) -> Self {
        Self { lanes }
    }

    /// Takes the first element of the lossless inlet, if each of the others has one.
    fn take_row(&mut self) -> Option<(L::Row, Acks)> {
        // A literal as the lossless input is not an element to emit.
        if self.lanes.count() == 0 || self.lanes.waiting(0) == 0 {
            return None;
        }
        let row = self.lanes.first()?;
        self.lanes.drop_first(0);
        self.lanes.accept(0, BOUND - 1);
        Some(row)
    }

    /// Emits waiting elements; `lease` belongs to the element they waited for.
    fn send_waiting(
        &mut self,
        lease: impl Fn(&mut Context<'_, Self>) -> Lease,
        cx: &mut Context<'_, Self>,
    ) {
        // A failed element must not keep later ones waiting.
        while let Some((row, acks)) = self.take_row() {
            let lease = Lease { acks, ..lease(cx) };
            cx.under(lease, |cx| cx.emit(row));
        }
    }
}

/// The operator has no settings.
impl<L> Reconfigure for ZipLatest<L> {
    fn reconfigure(&mut self, _: Self) {}
}

impl<L: Lanes> Operator for ZipLatest<L> {
    type In = L::Item;
    type Out = L::Row;
    type Event = Never;
    const KIND: &'static str = "zip_latest";
    const SUSPENDS: bool = true;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.lanes.traverse(visit);
    }

    fn update(&mut self, x: L::Item, cx: &mut Context<'_, Self>) -> EmitResult {
        let Some(lane) = self.lanes.admit(&x) else {
            self.lanes.drop_gone(|lane| lane == 0);
            self.send_waiting(|_| Lease::default(), cx);
            return Ok(());
        };
        let lease = if lane == 0 && self.lanes.waiting(0) >= BOUND {
            cx.hold_for_room()
        } else {
            Lease::accepted(cx.acks())
        };
        if lane > 0 {
            self.lanes.drop_first(lane);
        }
        self.lanes.push(x, lease);
        if lane == 0 {
            return match self.take_row() {
                Some((row, acks)) => cx.emit_with(acks, row),
                None => Ok(()),
            };
        }
        self.send_waiting(|cx| cx.hold(), cx);
        Ok(())
    }

    /// Unpaired elements will find no partner, so nobody may wait for them. The latest elements of
    /// the others are done.
    fn close(&mut self) -> Result<(), BoxError> {
        discarding(|| (0..self.lanes.waiting(0)).for_each(|_| self.lanes.drop_first(0)));
        (1..self.lanes.count()).for_each(|lane| self.lanes.drop_first(lane));
        Ok(())
    }

    fn withdraw(&mut self) {
        self.lanes.withdraw();
    }

    fn buffered(&self) -> usize {
        self.lanes.waiting(0)
    }
}

/// Emits every element of the first input exactly once, with the latest elements of the others.
///
/// Until each of the others has an element, elements of the first wait; after a thousand of them
/// the emitter of the next waits too. Elements of the others trigger no output; one that is
/// replaced before it is used is dropped.
///
/// ```
/// use thalweg::{Stream, ops::zip_latest};
///
/// let (orders, price) = (Stream::new(), Stream::new());
/// let list = zip_latest((&orders, &price)).sink_to_list();
/// orders.emit_many(["a", "b"]).wait()?;
/// price.emit_many([10, 11]).wait()?;
/// orders.emit("c").wait()?;
/// assert_eq!(list.to_vec(), [("a", 10), ("b", 10), ("c", 11)]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn zip_latest<I: Inputs>(inputs: I) -> Stream<<I::Lanes as Lanes>::Row> {
    inputs.join(ZipLatest::new(inputs.lanes()))
}

impl<T: Element> Stream<T> {
    /// Emits every element of this stream exactly once, with the latest one of `other`; [`zip_latest`]
    /// joins up to eight.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (words, number) = (Stream::new(), Stream::new());
    /// let list = words.zip_latest(&number).sink_to_list();
    /// number.emit(1).wait()?;
    /// words.emit_many(["x", "y"]).wait()?;
    /// assert_eq!(list.to_vec(), [("x", 1), ("y", 1)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn zip_latest<U: Element>(&self, other: &Stream<U>) -> Stream<(T, U)> {
        zip_latest((self, other))
    }
}

#[cfg(test)]
mod tests {
    use super::super::literal;
    use super::*;

    #[test]
    fn a_literal_as_lossless_input_sends_nothing() {
        let source = Stream::new();
        let list = zip_latest((literal('a'), &source)).sink_to_list();
        source.emit(1).wait().expect("taken");
        assert!(list.is_empty());
    }

    #[test]
    fn a_failed_element_does_not_block_later_ones() {
        let (left, right) = (Stream::new(), Stream::new());
        let list = left
            .zip_latest(&right)
            .map(|(x, _)| {
                assert!(x != 2, "two");
                x
            })
            .sink_to_list();
        left.emit_many([1, 2, 3]).wait().expect("they wait");
        let error = right.emit('a').wait().expect_err("the second fails");
        assert_eq!(error.failures().len(), 1);
        assert_eq!(list.to_vec(), [1, 3]);
    }
}
