use crate::{Acks, Context, Operator};

/// Elements collected to be emitted together, and their tokens.
pub(in crate::ops) struct Group<T> {
    elements: Vec<T>,
    acks: Vec<Acks>,
}

impl<T> Default for Group<T> {
    fn default() -> Self {
        Self {
            elements: Vec::new(),
            acks: Vec::new(),
        }
    }
}

impl<T> Group<T> {
    /// Adds an element with the current element's tokens.
    pub(in crate::ops) fn push<Op: Operator>(&mut self, x: T, cx: &Context<'_, Op>) {
        self.elements.push(x);
        let acks = cx.acks();
        if !acks.is_none() {
            self.acks.push(acks);
        }
    }

    pub(in crate::ops) fn iter(&self) -> impl Iterator<Item = &T> {
        self.elements.iter()
    }

    pub(in crate::ops) fn len(&self) -> usize {
        self.elements.len()
    }

    pub(in crate::ops) fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }

    /// Takes everything.
    pub(in crate::ops) fn take(&mut self) -> (Acks, Vec<T>) {
        let acks = Acks::merge(&std::mem::take(&mut self.acks));
        (acks, std::mem::take(&mut self.elements))
    }
}
