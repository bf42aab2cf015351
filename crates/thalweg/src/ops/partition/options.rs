use std::convert::Infallible;
use std::hash::Hash;
use std::marker::PhantomData;
use std::time::Duration;

use super::Partition;
use crate::debug::shows;
use crate::failure::{BoxError, BuildError};
use crate::ops::parts::{KeyMap, Outbox, Timer, at_least_one, duration};
use crate::{Element, IntoInterval, IntoOperator};

/// Options of [`partition`](crate::Stream::partition): the size of a group, a key, and a time limit; for
/// [`apply`](crate::Stream::apply).
///
/// ```
/// use std::time::Duration;
/// use thalweg::{Stream, VirtualClock, ops::PartitionOptions};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let list = source
///     .apply(PartitionOptions::of(2).timeout("1s").key(|x: &i32| x % 2))
///     .sink_to_list();
/// source.emit_many([1, 2, 3]).wait()?;
/// assert_eq!(list.to_vec(), [[1, 3]]);
/// // The even one waits for another no longer than a second.
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(list.to_vec(), [vec![1, 3], vec![2]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct PartitionOptions<
    T,
    K = (),
    F = fn(&T) -> Result<(), Infallible>,
    const TIMED: bool = false,
> {
    size: usize,
    timeout: Result<Duration, BuildError>,
    key: F,
    _key: PhantomData<fn(&T) -> K>,
}

shows!([T, K, F, const TIMED: bool] PartitionOptions<T, K, F, TIMED> { size, timeout });

impl<T> PartitionOptions<T> {
    /// Groups of `size` elements, at least one, without a key.
    pub fn of(size: usize) -> Self {
        Self {
            size,
            timeout: Ok(Duration::MAX),
            key: |_| Ok(()),
            _key: PhantomData,
        }
    }
}

impl<T, K, F, const TIMED: bool> PartitionOptions<T, K, F, TIMED> {
    /// One group for each value of `key`.
    pub fn key<New>(
        self,
        mut key: impl FnMut(&T) -> New + Send + 'static,
    ) -> PartitionOptions<T, New, impl FnMut(&T) -> Result<New, Infallible> + Send + 'static, TIMED>
    {
        self.try_key(move |x| Ok(key(x)))
    }

    /// The same with a function that may fail.
    pub fn try_key<New, E, Key>(self, key: Key) -> PartitionOptions<T, New, Key, TIMED>
    where
        Key: FnMut(&T) -> Result<New, E> + Send + 'static,
    {
        PartitionOptions {
            size: self.size,
            timeout: self.timeout,
            key,
            _key: PhantomData,
        }
    }

    /// Emits a group at the latest when `timeout` has passed since its first element, complete or not. No emitter waits
    /// for it then, so failures are unhandled; but while downstream processes it, emitters wait.
    pub fn timeout(self, timeout: impl IntoInterval) -> PartitionOptions<T, K, F, true> {
        PartitionOptions {
            size: self.size,
            timeout: duration("partition", timeout),
            key: self.key,
            _key: PhantomData,
        }
    }
}

impl<T, K, E, F, const TIMED: bool> IntoOperator for PartitionOptions<T, K, F, TIMED>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type Operator = Partition<T, K, F, TIMED>;

    fn into_operator(self) -> Result<Self::Operator, BuildError> {
        Ok(Partition {
            size: at_least_one("partition", "the size of a group", self.size)?,
            timeout: self.timeout?,
            key: self.key,
            groups: KeyMap::default(),
            gathered: 0,
            outbox: Outbox::default(),
            timer: Timer::default(),
        })
    }
}
