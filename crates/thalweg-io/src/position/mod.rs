//! Positions of sources: the place from which reading continues after a crash.
//!
//! A [`Position`] belongs to a source. It gives a token to each element, and advances when every element before a place
//! is done, in whatever order that happens. A sink that stores positions in the same transaction as its rows, such as
//! [`to_sql`](crate::sql::ToSql), makes a pipeline that can be killed at any moment and started again: no element is
//! lost, and none is written twice.

#[cfg(any(feature = "files", feature = "kafka", feature = "sql"))]
mod rows;
#[cfg(all(test, feature = "sqlite"))]
mod tests;
mod value;
mod watermark;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

use thalweg::view::PositionView;
use thalweg::{Ack, Element, Emitter, Outcome};

#[cfg(any(feature = "files", feature = "kafka", feature = "sql"))]
pub(crate) use self::rows::{Pending, Rows};
pub use self::value::PositionValue;
pub use self::watermark::Watermark;

/// Default for the maximum number of unfinished elements.
const MAX_IN_FLIGHT: usize = 65_536;

/// A source's position. Clones share it.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::Position;
///
/// let position = Position::new("readings");
/// let [first, second] = ["a", "b"].map(|value| position.ack(value, Duration::ZERO));
/// drop(second);
/// // The first one is still on its way.
/// assert_eq!(position.value(), None);
/// assert_eq!(position.oldest(), Some(("a".to_string(), Duration::ZERO)));
/// drop(first);
/// assert_eq!(position.value().as_deref(), Some("b"));
/// ```
#[derive(Clone)]
pub struct Position(Arc<Shared>);

struct Shared {
    name: String,
    /// The store that keeps it, by the store's id.
    store: Option<u64>,
    max_in_flight: usize,
    state: Mutex<State>,
}

struct State {
    watermark: Watermark<PositionValue>,
    has_failed: bool,
    /// Number of the element last reported as overdue.
    overdue: u64,
    waiting: Vec<Waker>,
}

/// Payload of a token: the position and the element's number.
pub(crate) struct Place {
    pub(crate) position: Position,
    pub(crate) number: u64,
}

/// A source cannot continue, because one of its elements will never be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "position `{name}`: the element at {value:?} has failed, and {behind} behind it have been read; start again to have it tried again, or give the node that fails a policy, such as skip"
)]
pub struct PositionError {
    name: String,
    value: String,
    behind: usize,
}

/// An element that has been unfinished for a long time. All elements after it are read again after a crash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "position `{name}`: the element at {value:?} has not been done for {} s, and {behind} behind it wait for it; look for a function that does not return, or a window that does not fill", waited.as_secs()
)]
pub struct Overdue {
    name: String,
    value: String,
    behind: usize,
    waited: Duration,
}

impl Position {
    /// Creates a position that no store keeps, for tests and for custom stores. It starts before the first element.
    pub fn new(name: impl Into<String>) -> Self {
        Self::restored(name.into(), None, Watermark::new())
    }

    /// Creates such a position after the element with this value.
    ///
    /// ```
    /// use thalweg_io::Position;
    ///
    /// assert_eq!(Position::behind("feed", "17").value().as_deref(), Some("17"));
    /// ```
    pub fn behind(name: impl Into<String>, value: impl Into<PositionValue>) -> Self {
        let watermark = Watermark::behind(0, Some(value.into()));
        Self::restored(name.into(), None, watermark)
    }

    pub(crate) fn restored(
        name: String,
        store: Option<u64>,
        watermark: Watermark<PositionValue>,
    ) -> Self {
        Self(Arc::new(Shared {
            name,
            store,
            max_in_flight: MAX_IN_FLIGHT,
            state: Mutex::new(State {
                watermark,
                has_failed: false,
                overdue: 0,
                waiting: Vec::new(),
            }),
        }))
    }

    /// Its name, unique in its store.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Where the source continues: after the element with this value. `None` at the beginning.
    pub fn value(&self) -> Option<String> {
        self.lock().watermark.value().map(PositionValue::to_string)
    }

    /// Number of elements from the oldest unfinished one on.
    pub fn in_flight(&self) -> usize {
        self.lock().watermark.len()
    }

    /// Value of the oldest unfinished element, and the time at which it was sent, by the clock that [`ack`](Self::ack)
    /// was given.
    pub fn oldest(&self) -> Option<(String, Duration)> {
        let state = self.lock();
        let (value, at) = state.watermark.oldest()?;
        Some((value.to_string(), at))
    }

    /// Snapshot of it at a time of the clock that [`ack`](Self::ack) was given.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_io::Position;
    ///
    /// let position = Position::new("readings");
    /// let acks = ["17", "18"].map(|offset| position.ack(offset, Duration::from_secs(1)));
    /// let view = position.view(Duration::from_secs(4));
    /// assert_eq!((view.value.as_deref(), view.unacknowledged), (None, 2));
    /// assert_eq!(view.oldest, Some(Duration::from_secs(3)));
    /// drop(acks);
    /// assert_eq!(position.view(Duration::from_secs(5)).offset(), Some(18));
    /// ```
    pub fn view(&self, now: Duration) -> PositionView {
        let state = self.lock();
        let mut view = PositionView::new(self.name());
        view.value = state.watermark.value().map(PositionValue::to_string);
        view.unacknowledged = state.watermark.len() as u64;
        let oldest = state.watermark.oldest();
        view.oldest = oldest.map(|(_, at)| now.saturating_sub(at));
        view
    }

    /// Shows it in views of the pipeline, dashboards and metrics, as a position of the source that has this emitter.
    pub fn show<T: Element>(&self, out: &Emitter<T>) {
        let position = self.clone();
        out.show_positions(move |now| vec![position.view(now)]);
    }

    /// Returns the token for the next element, which has the value `value` and is sent at the time `now`. Once the
    /// tokens of this element and of all before it have fired, the position is after it. A failed element stops the
    /// position.
    pub fn ack(&self, value: impl Into<PositionValue>, now: Duration) -> Ack {
        let number = self.lock().watermark.begin(value.into(), now);
        let place = Place {
            position: self.clone(),
            number,
        };
        Ack::with_payload(place, |place, outcome| {
            place.position.ended(place.number, outcome);
        })
    }

    /// Waits until fewer than 65,536 elements are in flight; returns how many more may be.
    ///
    /// # Errors
    /// The oldest of them has failed, so their number will never decrease.
    pub async fn room(&self) -> Result<usize, PositionError> {
        poll_fn(|cx| {
            let mut state = self.lock();
            let left = self.0.max_in_flight.saturating_sub(state.watermark.len());
            if left > 0 {
                return Poll::Ready(Ok(left));
            }
            if state.has_failed
                && let Some((value, _)) = state.watermark.failed_oldest()
            {
                return Poll::Ready(Err(PositionError {
                    name: self.0.name.clone(),
                    value: value.to_string(),
                    behind: state.watermark.len() - 1,
                }));
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// Returns the oldest element if it has been unfinished for `limit`, at the time `now` by the clock that
    /// [`ack`](Self::ack) was given. Each element is returned once, so that a source can
    /// [report](thalweg::Emitter::report) it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_io::Position;
    ///
    /// let position = Position::new("readings");
    /// let _first = position.ack("a", Duration::ZERO);
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(position.overdue(Duration::from_secs(59), minute), None);
    /// let overdue = position.overdue(minute, minute).expect("it is");
    /// assert!(overdue.to_string().starts_with("position `readings`: the element at \"a\" has not been done for 60 s"));
    /// assert_eq!(position.overdue(minute, minute), None);
    /// ```
    pub fn overdue(&self, now: Duration, limit: Duration) -> Option<Overdue> {
        let mut state = self.lock();
        let number = state.watermark.number() + 1;
        let (value, at) = state.watermark.oldest()?;
        let (value, waited) = (value.to_string(), now.saturating_sub(at));
        if waited < limit || state.overdue >= number {
            return None;
        }
        state.overdue = number;
        Some(Overdue {
            name: self.0.name.clone(),
            value,
            behind: state.watermark.len() - 1,
            waited,
        })
    }

    /// Waits until every element that was sent is done or has failed.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg_io::Position;
    ///
    /// let position = Position::new("readings");
    /// let [first, second] = ["a", "b"].map(|value| position.ack(value, Duration::ZERO));
    /// first.fail();
    /// std::thread::spawn(move || drop((first, second)));
    /// pollster::block_on(position.settled());
    /// assert_eq!(position.in_flight(), 2);
    /// ```
    pub async fn settled(&self) {
        poll_fn(|cx| {
            let mut state = self.lock();
            if state.watermark.open() == 0 {
                return Poll::Ready(());
            }
            state.waiting.push(cx.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn ended(&self, number: u64, outcome: Outcome) {
        let mut state = self.lock();
        match outcome {
            Outcome::Delivered => state.watermark.done(number),
            Outcome::Failed => {
                state.watermark.failed(number);
                state.has_failed = true;
            }
        }
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// The store that keeps it.
    pub(crate) fn store(&self) -> Option<u64> {
        self.0.store
    }

    /// Number of the last element before which everything is done, and its value.
    pub(crate) fn committed(&self) -> (u64, Option<String>) {
        let state = self.lock();
        let value = state.watermark.value().map(PositionValue::to_string);
        (state.watermark.number(), value)
    }

    /// Number of the last element before which everything is done, and the offset of the next one to be read, for
    /// values that are offsets.
    #[cfg(feature = "kafka")]
    pub(crate) fn restart(&self) -> (u64, Option<i64>) {
        let state = self.lock();
        let behind = state.watermark.value().and_then(PositionValue::number);
        let oldest = state.watermark.oldest();
        let oldest = oldest.and_then(|(oldest, _)| oldest.number());
        let next = behind.and_then(|offset| offset.checked_add(1)).or(oldest);
        (state.watermark.number(), next)
    }

    /// Whether both are clones of one position.
    #[cfg(feature = "kafka")]
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Position")
            .field("name", &self.0.name)
            .field("value", &self.value())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
