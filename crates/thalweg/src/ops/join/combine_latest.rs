use std::any::Any;
use std::collections::BTreeSet;

use super::{Inputs, Lanes};
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::{Context, Element, EmitResult, Lease, Never, Operator, Reconfigure, Stream};

/// Emits the latest element of each inlet whenever one arrives; see [`combine_latest`].
pub struct CombineLatest<L> {
    lanes: L,
    emit_on: Option<BTreeSet<usize>>,
}

shows!([L] CombineLatest<L> { emit_on });

impl<L: Lanes> CombineLatest<L> {
    /// The inlets, with their waiting elements.
    pub fn lanes(&self) -> &L {
        &self.lanes
    }

    /// Emits a row whenever an element arrives at one of the inlets `emit_on`, counted from 0, or at
    /// any inlet if `emit_on` is `None`. For an [`OpenJoin`](crate::OpenJoin), `emit_on` contains the
    /// [numbers](crate::InletKey::number) of inlets.
    ///
    /// # Errors
    /// `emit_on` names no inlet, or one that does not exist.
    pub fn new(lanes: L, emit_on: Option<BTreeSet<usize>>) -> Result<Self, BuildError> {
        if let Some(emit_on) = &emit_on {
            let build_error = |message: String| Err(BuildError::new("combine_latest", message));
            if emit_on.is_empty() {
                return build_error(
                    "it would never send anything: `emit_on` names no input".into(),
                );
            }
            if let Some(&beyond) = emit_on.iter().find(|&&lane| !lanes.may_have(lane)) {
                return build_error(format!(
                    "`emit_on` names input {beyond}, but there are {}, counted from 0",
                    lanes.count()
                ));
            }
        }
        Ok(Self { lanes, emit_on })
    }
}

impl<L> Reconfigure for CombineLatest<L> {
    fn reconfigure(&mut self, new: Self) {
        self.emit_on = new.emit_on;
    }
}

impl<L: Lanes> Operator for CombineLatest<L> {
    type In = L::Item;
    type Out = L::Row;
    type Event = Never;
    const KIND: &'static str = "combine_latest";

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.lanes.traverse(visit);
    }

    fn update(&mut self, x: L::Item, cx: &mut Context<'_, Self>) -> EmitResult {
        let Some(lane) = self.lanes.admit(&x) else {
            self.lanes.drop_gone(|_| false);
            return Ok(());
        };
        self.lanes.drop_first(lane);
        self.lanes.push(x, Lease::accepted(cx.acks()));
        let emits = self
            .emit_on
            .as_ref()
            .is_none_or(|emit_on| emit_on.contains(&self.lanes.number(lane)));
        match self.lanes.first() {
            Some((row, acks)) if emits => cx.emit_with(acks, row),
            _ => Ok(()),
        }
    }

    /// The latest elements of all inlets are done.
    fn close(&mut self) -> Result<(), BoxError> {
        (0..self.lanes.count()).for_each(|lane| self.lanes.drop_first(lane));
        Ok(())
    }
}

/// Emits the latest element of every input as a tuple, whenever one of them changes and every
/// input has one.
///
/// An element is acknowledged when the next one of its input replaces it.
///
/// ```
/// use thalweg::{Stream, ops::combine_latest};
///
/// let (x, y) = (Stream::new(), Stream::new());
/// let list = combine_latest((&x, &y)).sink_to_list();
/// x.emit(1).wait()?;
/// y.emit('a').wait()?;
/// x.emit(2).wait()?;
/// assert_eq!(list.to_vec(), [(1, 'a'), (2, 'a')]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn combine_latest<I: Inputs>(inputs: I) -> Stream<<I::Lanes as Lanes>::Row> {
    build(inputs, None)
}

/// The same, but only inputs listed in `emit_on`, counted from 0, trigger an output.
///
/// ```
/// use thalweg::{Stream, ops::combine_latest_on};
///
/// let (clock, value) = (Stream::new(), Stream::new());
/// let list = combine_latest_on([0], (&clock, &value)).sink_to_list();
/// value.emit_many([1, 2, 3]).wait()?;
/// clock.emit(()).wait()?;
/// value.emit(4).wait()?;
/// assert_eq!(list.to_vec(), [((), 3)]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn combine_latest_on<I: Inputs>(
    emit_on: impl IntoIterator<Item = usize>,
    inputs: I,
) -> Stream<<I::Lanes as Lanes>::Row> {
    build(inputs, Some(emit_on.into_iter().collect()))
}

fn build<I: Inputs>(
    inputs: I,
    emit_on: Option<BTreeSet<usize>>,
) -> Stream<<I::Lanes as Lanes>::Row> {
    let (operator, build_error) = match CombineLatest::new(inputs.lanes(), emit_on) {
        Ok(operator) => (operator, None),
        Err(build_error) => (
            CombineLatest {
                lanes: inputs.lanes(),
                emit_on: None,
            },
            Some(build_error),
        ),
    };
    let stream = inputs.join(operator);
    if let Some(build_error) = build_error {
        stream.build_error(build_error);
    }
    stream
}

impl<T: Element> Stream<T> {
    /// Emits the latest elements of both streams as a pair, whenever one changes; [`combine_latest`] joins
    /// up to eight.
    ///
    /// In this example the mean is attached first, and so changes first.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let readings = Stream::new();
    /// let mean = readings.scan(0.0, |mean, x| (mean + x) / 2.0);
    /// let list = readings.combine_latest(&mean).sink_to_list();
    /// readings.emit(4.0).wait()?;
    /// readings.emit(2.0).wait()?;
    /// assert_eq!(list.to_vec(), [(4.0, 2.0), (4.0, 2.0), (2.0, 2.0)]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn combine_latest<U: Element>(&self, other: &Stream<U>) -> Stream<(T, U)> {
        combine_latest((self, other))
    }
}
