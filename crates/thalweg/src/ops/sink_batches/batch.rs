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
pub struct Batch<T>(Arc<Inner<T>>);

#[derive(Clone)]
struct Inner<T> {
    elements: Vec<T>,
    ordinals: Vec<u64>,
    tokens: Arc<Mutex<Vec<Acks>>>,
}

impl<T> Batch<T> {
    pub(super) fn new(elements: Vec<T>, ordinals: Vec<u64>, tokens: Vec<Acks>) -> Self {
        let tokens = Arc::new(Mutex::new(tokens));
        Self(Arc::new(Inner {
            elements,
            ordinals,
            tokens,
        }))
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
    pub fn for_each_payload<P: Any>(&self, mut f: impl FnMut(usize, &P)) {
        for (at, acks) in lock(&self.0.tokens).iter().enumerate() {
            acks.payloads().for_each(|payload| f(at, payload));
        }
    }

    /// The tokens, which nobody else holds for this batch any more.
    pub(super) fn take_tokens(&self) -> Vec<Acks> {
        std::mem::take(&mut *lock(&self.0.tokens))
    }
}

impl<T: Clone> Batch<T> {
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
        let tokens = elements.iter().map(|_| Acks::none()).collect();
        let ordinals = (1..).take(elements.len()).collect();
        Self::new(elements, ordinals, tokens)
    }
}

impl<T> Clone for Batch<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Deref for Batch<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0.elements
    }
}

impl<T: fmt::Debug> fmt::Debug for Batch<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
