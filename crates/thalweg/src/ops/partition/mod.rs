mod options;
#[cfg(test)]
mod tests;

use std::any::Any;
use std::hash::Hash;
use std::time::Duration;

use hashlink::linked_hash_map::Entry;

pub use self::options::PartitionOptions;
use super::parts::{Group, KeyMap, Outbox, Timer};
use crate::debug::shows;
use crate::failure::BoxError;
use crate::{Context, Element, EmitResult, Never, Operator, Reconfigure, Stream};

/// Collects elements into groups, one per key at a time: the operator of the options [`PartitionOptions`].
pub struct Partition<T, K, F, const TIMED: bool> {
    size: usize,
    timeout: Duration,
    key: F,
    /// The oldest group is in front, and times out first.
    groups: KeyMap<K, Open<T>>,
    gathered: usize,
    outbox: Outbox<Vec<T>>,
    timer: Timer,
}

shows!([T, K, F, const TIMED: bool] Partition<T, K, F, TIMED> { size, timeout, gathered });

/// A group that is not complete.
struct Open<T> {
    group: Group<T>,
    /// Arrival of its first element, for its timeout.
    begun: Duration,
}

impl<T, K, E, F, const TIMED: bool> Partition<T, K, F, TIMED>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    /// Adds the current element to its group, and returns the group if it is complete.
    fn add(&mut self, key: K, x: T, cx: &mut Context<'_, Self>) -> Option<Group<T>> {
        // Finding the key may fail, since keys are compared by user code.
        let place = self.groups.entry(key);
        self.gathered += 1;
        let complete = match place {
            Entry::Occupied(mut open) => {
                let group = &mut open.get_mut().group;
                group.push(x, cx);
                if group.len() < self.size {
                    return None;
                }
                open.remove().group
            }
            Entry::Vacant(none) => {
                let mut group = Group::default();
                group.push(x, cx);
                if group.len() < self.size {
                    let begun = if TIMED { cx.now() } else { Duration::ZERO };
                    none.insert(Open { group, begun });
                    return None;
                }
                group
            }
        };
        self.gathered -= complete.len();
        Some(complete)
    }

    /// Emits the groups that have timed out, and sets the timer for the others.
    fn expire(&mut self, cx: &mut Context<'_, Self>) {
        while self.outbox.is_clear()
            && let Some(first) = self.groups.front()
        {
            let deadline = first.begun.saturating_add(self.timeout);
            if deadline > cx.now() {
                self.timer.set(deadline, cx);
                return;
            }
            self.send_first(cx);
        }
    }

    /// Returns whether there was a group.
    fn send_first(&mut self, cx: &mut Context<'_, Self>) -> bool {
        let Some(mut first) = self.groups.pop_front() else {
            return false;
        };
        self.gathered -= first.group.len();
        let (acks, group) = first.group.take();
        self.outbox.post(acks, group, cx);
        true
    }
}

impl<T, K, F, const TIMED: bool> Reconfigure for Partition<T, K, F, TIMED> {
    fn reconfigure(&mut self, new: Self) {
        self.size = new.size;
        self.timeout = new.timeout;
        self.timer.outdate();
        self.key = new.key;
    }
}

impl<T, K, E, F, const TIMED: bool> Operator for Partition<T, K, F, TIMED>
where
    T: Element,
    K: Eq + Hash + Send + 'static,
    E: Into<BoxError>,
    F: FnMut(&T) -> Result<K, E> + Send + 'static,
{
    type In = T;
    type Out = Vec<T>;
    type Event = Never;
    const KIND: &'static str = "partition";
    const SUSPENDS: bool = TIMED;
    const NEEDS_RUNTIME: bool = TIMED;
    const CLOSES: bool = false;

    fn update(&mut self, x: T, cx: &mut Context<'_, Self>) -> EmitResult {
        let key = match (self.key)(&x) {
            Ok(key) => key,
            Err(cause) => return cx.fail(x, cause),
        };
        if let Some(mut complete) = self.add(key, x, cx) {
            let (acks, group) = complete.take();
            return self.outbox.emit(acks, group, cx);
        }
        if TIMED {
            if !self.timer.is_set() {
                self.expire(cx);
            }
            self.outbox.hold_up(cx);
        }
        Ok(())
    }

    fn wake(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        if self.timer.rang(cx) {
            self.expire(cx);
        }
        Ok(())
    }

    fn delivered(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        self.outbox.delivered(cx);
        if TIMED {
            self.expire(cx);
        }
        Ok(())
    }

    fn flush(&mut self, cx: &mut Context<'_, Self>) -> EmitResult {
        while self.send_first(cx) {}
        Ok(())
    }

    fn in_flight(&self) -> usize {
        self.outbox.len()
    }

    fn buffered(&self) -> usize {
        self.gathered
    }

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        for (key, open) in self.groups.iter() {
            visit(key);
            open.group.iter().for_each(|x| visit(x));
        }
        self.outbox.iter().for_each(|group| visit(group));
    }

    fn label(&self) -> Option<String> {
        Some(self.size.to_string())
    }
}

impl<T: Element> Stream<T> {
    /// Collects elements into groups of `size`.
    ///
    /// An element's emitter continues; the emitter of the one that completes a group waits until the group has been
    /// accepted. A [`drain`](Self::drain) emits the last group, however small.
    ///
    /// A size of 0 is a build error, see [`check`](Self::check). For groups by a key see
    /// [`partition_by`](Self::partition_by), for groups with a time limit the options [`PartitionOptions`].
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition(2).sink_to_list();
    /// source.emit_many(0..5).wait()?;
    /// assert_eq!(list.to_vec(), [[0, 1], [2, 3]]);
    /// source.drain("1s").wait()?;
    /// assert_eq!(list.to_vec().last(), Some(&vec![4]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn partition(&self, size: usize) -> Stream<Vec<T>> {
        self.apply(PartitionOptions::of(size))
    }

    /// Collects elements into groups of `size` with the same key. A group is emitted when it is complete, whatever
    /// arrived in between.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.partition_by(2, |x| x % 3).sink_to_list();
    /// source.emit_many(0..6).wait()?;
    /// assert_eq!(list.to_vec(), [[0, 3], [1, 4], [2, 5]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn partition_by<K>(
        &self,
        size: usize,
        key: impl FnMut(&T) -> K + Send + 'static,
    ) -> Stream<Vec<T>>
    where
        K: Eq + Hash + Send + 'static,
    {
        self.apply(PartitionOptions::of(size).key(key))
    }
}
