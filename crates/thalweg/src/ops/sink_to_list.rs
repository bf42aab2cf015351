use std::sync::{Arc, Mutex};

use crate::sync::lock;
use crate::{Element, Stream};

/// The elements collected by a [`sink_to_list`](Stream::sink_to_list).
#[derive(Clone, Debug)]
pub struct List<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone> List<T> {
    /// The elements so far.
    pub fn to_vec(&self) -> Vec<T> {
        lock(&self.0).clone()
    }

    /// Takes the elements.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut lock(&self.0))
    }

    /// Number of elements.
    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T: Element> Stream<T> {
    /// Collects all elements in a list, which can be read at any time.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let list = source.sink_to_list();
    /// source.emit("a").wait()?;
    /// assert_eq!(list.to_vec(), ["a"]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn sink_to_list(&self) -> List<T> {
        let list = List(Arc::default());
        let gathered = list.0.clone();
        self.sink(move |x| lock(&gathered).push(x))
            .named("sink_to_list");
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_taken_and_counted_at_any_time() {
        let source = Stream::new();
        let list = source.sink_to_list();
        assert!(list.is_empty());
        source.emit_many([1, 2]).wait().expect("they are kept");
        assert_eq!((list.len(), list.take()), (2, vec![1, 2]));
        source.emit(3).wait().expect("it is kept");
        assert_eq!(list.to_vec(), [3]);
        drop(source);
        assert_eq!(list.to_vec(), [3]);
    }
}
