use std::collections::VecDeque;
use std::time::Duration;

/// The place before which everything is done, for elements that finish out of order. Pure: the arithmetic of a
/// position.
///
/// ```
/// use std::time::Duration;
/// use thalweg_io::position::Watermark;
///
/// let mut watermark = Watermark::new();
/// let [a, b, c] = ["a", "b", "c"].map(|value| watermark.begin(value, Duration::ZERO));
/// watermark.done(b);
/// assert_eq!(watermark.value(), None);
/// watermark.done(a);
/// assert_eq!(watermark.value(), Some(&"b"));
/// watermark.done(c);
/// assert_eq!((watermark.value(), watermark.len()), (Some(&"c"), 0));
/// ```
#[derive(Clone, Debug)]
pub struct Watermark<V> {
    /// Number of the last element that is done with all before it; the first element has the number 1.
    number: u64,
    value: Option<V>,
    entries: VecDeque<Entry<V>>,
    /// Entries that are neither done nor failed.
    open: usize,
}

#[derive(Clone, Debug)]
struct Entry<V> {
    value: V,
    at: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Begun,
    Done,
    Failed,
}

impl<V> Default for Watermark<V> {
    fn default() -> Self {
        Self::behind(0, None)
    }
}

impl<V> Watermark<V> {
    /// Starts before the first element.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts after the element with this number and value.
    pub(crate) fn behind(number: u64, value: Option<V>) -> Self {
        Self {
            number,
            value,
            entries: VecDeque::new(),
            open: 0,
        }
    }

    /// Adds the next element; returns its number.
    pub fn begin(&mut self, value: V, now: Duration) -> u64 {
        self.entries.push_back(Entry {
            value,
            at: now,
            state: State::Begun,
        });
        self.open += 1;
        self.number + self.entries.len() as u64
    }

    /// Marks an element as done. No effect if it is done already or does not exist.
    pub fn done(&mut self, number: u64) {
        self.set(number, State::Done);
        while let Some(first) = self.entries.front()
            && first.state == State::Done
        {
            self.number += 1;
            self.value = self.entries.pop_front().map(|entry| entry.value);
        }
    }

    /// Marks an element as failed: it will not be done.
    pub fn failed(&mut self, number: u64) {
        self.set(number, State::Failed);
    }

    fn set(&mut self, number: u64, state: State) {
        let at = number.checked_sub(self.number + 1);
        let at = at.and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at))
            && entry.state != State::Done
        {
            if entry.state == State::Begun {
                self.open -= 1;
            }
            entry.state = state;
        }
    }

    /// Number of the last element that is done with all before it; 0 if there is none.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The value of that element.
    pub fn value(&self) -> Option<&V> {
        self.value.as_ref()
    }

    /// Number of elements from the first unfinished one on.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Number of elements that are neither done nor failed.
    pub fn open(&self) -> usize {
        self.open
    }

    /// Whether everything is done.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Value of the first unfinished element, and when it was added.
    pub fn oldest(&self) -> Option<(&V, Duration)> {
        self.entries.front().map(|entry| (&entry.value, entry.at))
    }

    /// The same, if that element has failed.
    pub(crate) fn failed_oldest(&self) -> Option<(&V, Duration)> {
        let first = self.entries.front()?;
        (first.state == State::Failed).then_some((&first.value, first.at))
    }
}
