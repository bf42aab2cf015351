use std::hash::Hash;

use hashlink::linked_hash_map::Entry;

use super::KeyMap;
use crate::{Acks, Context, Operator};

/// Which of several elements with the same key is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Keep {
    /// The first; the others are dropped.
    #[default]
    First,
    /// The last, in its own position; the others are dropped.
    Last,
}

/// Elements collected to be emitted together, one per key, and their tokens.
pub(in crate::ops) struct Distinct<T, K> {
    keep: Keep,
    elements: KeyMap<K, (T, Acks)>,
}

impl<T, K: Eq + Hash> Distinct<T, K> {
    pub(in crate::ops) fn new(keep: Keep) -> Self {
        Self {
            keep,
            elements: KeyMap::default(),
        }
    }

    pub(in crate::ops) fn reconfigure(&mut self, new: Self) {
        self.keep = new.keep;
    }

    /// Adds an element with the current element's tokens, or drops it.
    pub(in crate::ops) fn push<Op: Operator>(&mut self, key: K, x: T, cx: &Context<'_, Op>) {
        if self.keep == Keep::Last {
            self.elements.insert(key, (x, cx.acks()));
        } else if let Entry::Vacant(place) = self.elements.entry(key) {
            place.insert((x, cx.acks()));
        }
    }

    /// The keys, each with its element.
    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = (&K, &T)> {
        self.elements.iter().map(|(key, (x, _))| (key, x))
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(in crate::ops) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Takes everything.
    pub(in crate::ops) fn take(&mut self) -> (Acks, Vec<T>) {
        let (xs, acks): (Vec<T>, Vec<Acks>) = self.elements.drain().unzip();
        (Acks::merge(&acks), xs)
    }
}
