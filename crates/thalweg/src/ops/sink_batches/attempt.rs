use super::Batch;
use super::batch::Parts;
use crate::Acks;

/// A batch to be written, or retried.
pub(super) struct Attempt<T, P> {
    pub(super) batch: Batch<T, P>,
    /// Number of failures in this form.
    pub(super) failed: u32,
}

/// An element that could not be written.
pub(super) struct Unwritten<T> {
    pub(super) element: T,
    pub(super) ordinal: u64,
    pub(super) acks: Acks,
}

impl<T, P> Attempt<T, P> {
    pub(super) fn new(batch: Batch<T, P>) -> Self {
        Self { batch, failed: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.batch.len()
    }
}

impl<T: Clone, P: Clone> Attempt<T, P> {
    /// Both halves, the first one first.
    pub(super) fn split(self) -> [Self; 2] {
        let middle = self.len() / 2;
        let mut before = self.batch.into_parts();
        let behind = Parts {
            elements: before.elements.split_off(middle),
            prepared: before.prepared.split_off(middle),
            ordinals: before.ordinals.split_off(middle),
            tokens: before.tokens.split_off(middle),
        };
        [before, behind].map(|half| Self::new(Batch::new(half)))
    }

    /// Its elements, one by one.
    pub(super) fn into_unwritten(self) -> impl Iterator<Item = Unwritten<T>> {
        let parts = self.batch.into_parts();
        let each = parts.elements.into_iter().zip(parts.tokens);
        each.zip(parts.ordinals)
            .map(|((element, acks), ordinal)| Unwritten {
                element,
                ordinal,
                acks,
            })
    }
}
