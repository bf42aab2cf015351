use super::Batch;
use crate::Acks;

/// A batch to be written, or retried.
pub(super) struct Attempt<T> {
    pub(super) batch: Batch<T>,
    /// Number of failures in this form.
    pub(super) failed: u32,
}

/// An element that could not be written.
pub(super) struct Unwritten<T> {
    pub(super) element: T,
    pub(super) ordinal: u64,
    pub(super) acks: Acks,
}

impl<T> Attempt<T> {
    pub(super) fn new(batch: Batch<T>) -> Self {
        Self { batch, failed: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }
}

impl<T: Clone> Attempt<T> {
    /// Both halves, the first one first.
    pub(super) fn split(self) -> [Self; 2] {
        let middle = self.len() / 2;
        let mut tokens = self.batch.take_tokens();
        let mut ordinals = self.batch.ordinals().to_vec();
        let mut elements = self.batch.into_vec();
        let behind = elements.split_off(middle);
        let behind = Batch::new(behind, ordinals.split_off(middle), tokens.split_off(middle));
        let before = Batch::new(elements, ordinals, tokens);
        [before, behind].map(Self::new)
    }

    /// A batch for each of its elements.
    pub(super) fn into_unwritten(self) -> impl Iterator<Item = Unwritten<T>> {
        let tokens = self.batch.take_tokens();
        let ordinals = self.batch.ordinals().to_vec();
        let elements = self.batch.into_vec().into_iter();
        let each = elements.zip(tokens).zip(ordinals);
        each.map(|((element, acks), ordinal)| Unwritten {
            element,
            ordinal,
            acks,
        })
    }
}
