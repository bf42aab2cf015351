use std::any::Any;
use std::collections::HashMap;
use std::hash::Hash;

use crate::debug::shows;
use crate::{Element, OperatorError, Stream, Transform};

/// Counts the occurrences of each element; see [`Stream::frequencies`].
pub struct Frequencies<T>(HashMap<T, u64>);

shows!([T] Frequencies<T> {});

impl<T> Frequencies<T> {
    /// Creates a node without counts.
    pub fn new() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Default for Frequencies<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Element + Eq + Hash> Transform for Frequencies<T> {
    type In = T;
    type Out = HashMap<T, u64>;
    const KIND: &'static str = "frequencies";
    const CLOSES: bool = false;

    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) {
        self.0.keys().for_each(|x| visit(x));
    }

    fn apply(&mut self, x: T) -> Result<Option<HashMap<T, u64>>, OperatorError<T>> {
        *self.0.entry(x).or_default() += 1;
        Ok(Some(self.0.clone()))
    }
}

impl<T: Element> Stream<T> {
    /// Emits, for every element, a copy of all counts so far.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source = Stream::new();
    /// let counts = source.frequencies().sink_to_list();
    /// source.emit_many(["cat", "dog", "cat"]).wait()?;
    /// assert_eq!(counts.to_vec()[2], [("cat", 2), ("dog", 1)].into());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn frequencies(&self) -> Stream<HashMap<T, u64>>
    where
        T: Eq + Hash,
    {
        self.transform(Frequencies::new())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_inputs::outputs;
    use super::*;

    proptest! {
        #[test]
        fn every_prefix_is_counted(xs in prop::collection::vec(0_u8..5, 0..20)) {
            let counts = outputs(xs.clone(), Stream::frequencies);
            prop_assert_eq!(counts.len(), xs.len());
            for (i, counts) in counts.into_iter().enumerate() {
                for x in 0..5 {
                    let expected = xs[..=i].iter().filter(|y| **y == x).count() as u64;
                    prop_assert_eq!(counts.get(&x).copied().unwrap_or_default(), expected);
                }
            }
        }
    }
}
