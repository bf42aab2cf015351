use std::any::Any;

use super::{EmitMany, Stream};
use crate::operator::Element;

/// Elements that a host provides in batches of its own form: Python lists, for example.
pub trait HostBatches: Iterator {
    /// A batch.
    type Batch: IntoIterator<Item = Self::Item> + Any;

    /// Returns the next elements, at most `size`, and their number; none if there are no more.
    fn next_batch(&mut self, size: usize) -> Option<(Self::Batch, usize)>;
}

impl<T: Element> Stream<T> {
    /// Emits many elements as [`emit_many`](Self::emit_many) does. If all of them go to [fused](Self::fuse) nodes whose
    /// code [takes](crate::Fused::takes) the host's batches, it receives them unchanged.
    ///
    /// ```
    /// use std::any::Any;
    /// use std::sync::atomic::{AtomicI32, Ordering::Relaxed};
    /// use std::sync::Arc;
    /// use thalweg::{EmitResult, Fused, FusedContext, FusedPart, HostBatches, Progress, Stream};
    ///
    /// /// Sums numbers.
    /// struct Sum(Arc<AtomicI32>);
    ///
    /// impl Fused<i32> for Sum {
    ///     fn run(&self, x: i32, _: &mut FusedContext<'_, i32>) -> EmitResult {
    ///         self.0.fetch_add(x, Relaxed);
    ///         Ok(())
    ///     }
    ///     fn takes(&self, batch: &dyn Any) -> bool {
    ///         batch.is::<Vec<i32>>()
    ///     }
    ///     fn run_host_batch(&self, batch: &mut dyn Any, _: &mut FusedContext<'_, i32>) {
    ///         if let Some(batch) = batch.downcast_ref::<Vec<i32>>() {
    ///             self.0.fetch_add(batch.iter().sum(), Relaxed);
    ///         }
    ///     }
    ///     fn progress(&self) -> Vec<Progress> {
    ///         vec![Progress::default()]
    ///     }
    /// }
    ///
    /// /// The numbers from one to ten, five at a time.
    /// struct Numbers(std::ops::Range<i32>);
    ///
    /// impl Iterator for Numbers {
    ///     type Item = i32;
    ///     fn next(&mut self) -> Option<i32> {
    ///         self.0.next()
    ///     }
    ///     // Without this, elements are taken one at a time, since the next might have to be waited for.
    ///     fn size_hint(&self) -> (usize, Option<usize>) {
    ///         self.0.size_hint()
    ///     }
    /// }
    ///
    /// impl HostBatches for Numbers {
    ///     type Batch = Vec<i32>;
    ///     fn next_batch(&mut self, size: usize) -> Option<(Vec<i32>, usize)> {
    ///         let batch: Vec<_> = self.0.by_ref().take(size.min(5)).collect();
    ///         let len = batch.len();
    ///         (len > 0).then_some((batch, len))
    ///     }
    /// }
    ///
    /// let source = Stream::new();
    /// let node = source.map(|x| x);
    /// let sum = Arc::new(AtomicI32::new(0));
    /// let part = FusedPart { id: node.node_id(), downstream: vec![], may_skip: true };
    /// assert!(source.fuse(vec![part], vec![], Sum(sum.clone())));
    /// source.emit_host_batches(Numbers(1..11)).wait()?;
    /// assert_eq!(sum.load(Relaxed), 55);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn emit_host_batches<I>(&self, elements: I) -> EmitMany<T, I>
    where
        I: HostBatches<Item = T>,
    {
        EmitMany::start_with_host_batches(self.clone(), elements)
    }
}
