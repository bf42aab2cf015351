use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex};

use crate::Acks;
use crate::sync::lock;

/// A batch of elements: a slice that is cheap to clone, and can be shared between threads.
///
/// ```
/// use thalweg::ops::Batch;
///
/// let batch = Batch::from(vec![1, 2, 3]);
/// let shared = batch.clone();
/// let sum = std::thread::spawn(move || shared.iter().sum::<i32>());
/// assert_eq!((batch.len(), sum.join().unwrap()), (3, 6));
/// ```
///
/// `P` is what a sink's elements were prepared as when they arrived: see [`SinkBatches::preparing`](super::SinkBatches).
pub struct Batch<T, P = ()>(Arc<Inner<T, P>>);

struct Inner<T, P> {
    elements: Vec<T>,
    prepared: Arc<Vec<P>>,
    ordinals: Vec<u64>,
    tokens: Arc<Mutex<Vec<Acks>>>,
}

impl<T, P> Batch<T, P> {
    pub(super) fn new(parts: Parts<T, P>) -> Self {
        Self(Arc::new(Inner {
            elements: parts.elements,
            prepared: Arc::new(parts.prepared),
            ordinals: parts.ordinals,
            tokens: Arc::new(Mutex::new(parts.tokens)),
        }))
    }

    /// What its elements were prepared as, in their order; to be cloned for a thread that writes.
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// # use thalweg::{Stream, VirtualClock};
    /// use thalweg::ops::{Batch, SinkBatches, sink_batches_fn};
    ///
    /// let (sender, lines) = mpsc::channel();
    /// let write = move |batch: Batch<u32, String>| {
    ///     batch.prepared().iter().for_each(|line| sender.send(line.clone()).unwrap());
    ///     async { Ok::<(), &str>(()) }
    /// };
    /// let to_line = |x: &u32| Ok::<_, &str>(format!("{x}\n"));
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.apply(SinkBatches::preparing(sink_batches_fn(write), to_line));
    /// drop(source.emit_many([1, 2]));
    /// clock.run_until_idle();
    /// assert!(lines.try_iter().eq(["1\n", "2\n"]));
    /// ```
    pub fn prepared(&self) -> &Arc<Vec<P>> {
        &self.0.prepared
    }

    /// For each element its 1-based position among all elements of the node, in ascending order: an element that is
    /// written again, alone or with others, keeps it.
    ///
    /// ```
    /// # use thalweg::ops::Batch;
    /// assert_eq!(Batch::from(vec!["a", "b"]).ordinals(), [1, 2]);
    /// ```
    pub fn ordinals(&self) -> &[u64] {
        &self.0.ordinals
    }

    /// Calls `f` with each payload of this type in the elements' tokens, and the index of the element: see
    /// [`Ack::with_payload`](crate::Ack::with_payload). For an element made of several, the tokens of the oldest come
    /// first. Once the batch has been written there are none.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use thalweg::{Ack, Stream, VirtualClock, ops::Batch};
    ///
    /// let (sender, offsets) = mpsc::channel();
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.sink_batches(move |batch: Batch<&str>| {
    ///     batch.for_each_payload(|at, offset: &u64| sender.send((batch[at], *offset)).unwrap());
    ///     async { Ok::<(), &str>(()) }
    /// });
    /// drop(source.emit_with("a line", Ack::with_payload(7_u64, |_, _| ())));
    /// clock.run_until_idle();
    /// assert_eq!(offsets.try_recv()?, ("a line", 7));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn for_each_payload<L: Any>(&self, mut f: impl FnMut(usize, &L)) {
        for (at, acks) in lock(&self.0.tokens).iter().enumerate() {
            acks.payloads().for_each(|payload| f(at, payload));
        }
    }

    /// The tokens, which nobody else holds for this batch any more.
    pub(super) fn take_tokens(&self) -> Vec<Acks> {
        std::mem::take(&mut *lock(&self.0.tokens))
    }
}

/// The parts of a batch, one of each for each element.
pub(super) struct Parts<T, P> {
    pub(super) elements: Vec<T>,
    pub(super) prepared: Vec<P>,
    pub(super) ordinals: Vec<u64>,
    pub(super) tokens: Vec<Acks>,
}

impl<T: Clone, P: Clone> Batch<T, P> {
    /// The parts: elements are cloned if the batch is shared.
    pub(super) fn into_parts(self) -> Parts<T, P> {
        let tokens = self.take_tokens();
        let (elements, prepared, ordinals) = match Arc::try_unwrap(self.0) {
            Ok(inner) => (inner.elements, inner.prepared, inner.ordinals),
            Err(shared) => (
                shared.elements.clone(),
                shared.prepared.clone(),
                shared.ordinals.clone(),
            ),
        };
        Parts {
            elements,
            prepared: Arc::unwrap_or_clone(prepared),
            ordinals,
            tokens,
        }
    }
}

impl<T: Clone, P> Batch<T, P> {
    /// The elements, cloned if the batch is shared.
    ///
    /// ```
    /// # use thalweg::ops::Batch;
    /// assert_eq!(Batch::from(vec!["a", "b"]).into_vec(), ["a", "b"]);
    /// ```
    pub fn into_vec(self) -> Vec<T> {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.elements,
            Err(shared) => shared.elements.clone(),
        }
    }
}

impl<T> From<Vec<T>> for Batch<T> {
    fn from(elements: Vec<T>) -> Self {
        Self::new(Parts {
            prepared: vec![(); elements.len()],
            ordinals: (1..).take(elements.len()).collect(),
            tokens: elements.iter().map(|_| Acks::none()).collect(),
            elements,
        })
    }
}

impl<T, P> Clone for Batch<T, P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T, P> Deref for Batch<T, P> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0.elements
    }
}

impl<T: fmt::Debug, P> fmt::Debug for Batch<T, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
