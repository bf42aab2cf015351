use super::{Inputs, Lanes};
use crate::ack::discarding;
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::{Acks, Context, Element, EmitResult, Lease, Never, Operator, Reconfigure, Stream};
use std::any::Any;

/// Number of elements that wait at each inlet before emitters wait, as in streamz.
const BOUND: usize = 10;

/// Emits the first elements of its inlets together, then the second ones, and so on; see [`zip`].
pub struct Zip<L> {
    lanes: L,
    bound: usize,
    /// The inlet found without an element at the last search.
    empty: usize,
}

shows!([L] Zip<L> { bound });

impl<L: Lanes> Zip<L> {
    /// The inlets, with waiting elements.
    pub fn lanes(&self) -> &L {
        &self.lanes
    }

    /// Creates a zip of these lanes, where `bound` elements of each may wait before emitters do.
    ///
    /// # Errors
    /// `bound` is zero.
    pub fn new(lanes: L, bound: usize) -> Result<Self, BuildError> {
        if bound == 0 {
            return Err(BuildError::new(
                "zip",
                "at least one element has to be able to wait for the others, not 0",
            ));
        }
        Ok(Self {
            lanes,
            bound,
            empty: 0,
        })
    }

    /// Whether an inlet has no element. The search starts where it ended last: with many inlets that receive their
    /// elements in turn it ends at once.
    fn lacks_one(&mut self) -> bool {
        let count = self.lanes.count();
        let mut lanes = (0..count).map(|step| (self.empty + step) % count);
        match lanes.find(|lane| !self.lanes.is_ready(*lane)) {
            Some(lane) => {
                self.empty = lane;
                true
            }
            None => false,
        }
    }

    /// Takes the first element of each inlet, and releases emitters of elements that now fit.
    fn take_row(&mut self) -> Option<(L::Row, Acks)> {
        if self.lacks_one() {
            return None;
        }
        let row = self.lanes.pop()?;
        for lane in 0..self.lanes.count() {
            self.lanes.accept(lane, self.bound - 1);
        }
        Some(row)
    }
}

impl<L> Reconfigure for Zip<L> {
    fn reconfigure(&mut self, new: Self) {
        self.bound = new.bound;
    }
}

impl<L: Lanes> Operator for Zip<L> {
    type In = L::Item;
    type Out = L::Row;
    type Event = Never;
    const KIND: &'static str = "zip";
    const SUSPENDS: bool = true;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.lanes.traverse(visit);
    }

    fn update(&mut self, x: L::Item, cx: &mut Context<'_, Self>) -> EmitResult {
        let Some(lane) = self.lanes.admit(&x) else {
            self.lanes.drop_gone(|_| true);
            // Elements that waited only for that inlet are complete.
            while let Some((row, acks)) = self.take_row() {
                cx.under(Lease::accepted(acks), |cx| cx.emit(row));
            }
            return Ok(());
        };
        let lease = if self.lanes.waiting(lane) < self.bound {
            Lease::accepted(cx.acks())
        } else {
            cx.hold_for_room()
        };
        self.lanes.push(x, lease);
        match self.take_row() {
            Some((row, acks)) => cx.emit_with(acks, row),
            None => Ok(()),
        }
    }

    fn withdraw(&mut self) {
        self.lanes.withdraw();
    }

    /// Elements without a partner will not get one, so that nobody is to wait for them.
    fn close(&mut self) -> Result<(), BoxError> {
        discarding(|| {
            for lane in 0..self.lanes.count() {
                (0..self.lanes.waiting(lane)).for_each(|_| self.lanes.drop_first(lane));
            }
        });
        Ok(())
    }

    fn buffered(&self) -> usize {
        self.lanes.total()
    }
}

/// Emits the first elements of all inputs as a tuple, then the second elements, and so on.
///
/// Ten elements of each input may wait for the others (streamz's `maxsize`); after that, emitters wait.
///
/// ```
/// use thalweg::{Stream, ops::zip};
///
/// let (names, ages) = (Stream::new(), Stream::new());
/// let list = zip((&names, &ages)).sink_to_list();
/// names.emit_many(["Ada", "Alan"]).wait()?;
/// ages.emit(36).wait()?;
/// assert_eq!(list.to_vec(), [("Ada", 36)]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn zip<I: Inputs>(inputs: I) -> Stream<<I::Lanes as Lanes>::Row> {
    zip_bounded(BOUND, inputs)
}

/// The same with `bound` elements of each input that may wait for the others.
///
/// A bound of zero is a build error; see [`Stream::check`].
///
/// ```
/// use thalweg::{Stream, ops::zip_bounded};
///
/// let (left, right) = (Stream::new(), Stream::new());
/// let list = zip_bounded(1, (&left, &right)).sink_to_list();
/// assert!(left.emit(1).is_ready());
/// let second = left.emit(2);
/// assert!(!second.is_ready());
/// right.emit('a').wait()?;
/// assert!(second.is_ready());
/// assert_eq!(list.to_vec(), [(1, 'a')]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn zip_bounded<I: Inputs>(bound: usize, inputs: I) -> Stream<<I::Lanes as Lanes>::Row> {
    let (zip, build_error) = match Zip::new(inputs.lanes(), bound) {
        Ok(zip) => (zip, None),
        Err(build_error) => (
            Zip {
                lanes: inputs.lanes(),
                bound: BOUND,
                empty: 0,
            },
            Some(build_error),
        ),
    };
    let stream = inputs.join(zip);
    if let Some(build_error) = build_error {
        stream.build_error(build_error);
    }
    stream
}

impl<T: Element> Stream<T> {
    /// Emits the first elements of the two streams as a pair, then the second elements, and so on; [`zip`] joins up to
    /// eight.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (left, right) = (Stream::new(), Stream::new());
    /// let sums = left.zip(&right).map(|(x, y)| x + y).sink_to_list();
    /// left.emit_many([1, 2]).wait()?;
    /// right.emit_many([10, 20]).wait()?;
    /// assert_eq!(sums.to_vec(), [11, 22]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn zip<U: Element>(&self, other: &Stream<U>) -> Stream<(T, U)> {
        zip((self, other))
    }
}
