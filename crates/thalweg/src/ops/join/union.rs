use crate::{Element, Stream};

/// Emits every element of every upstream as it arrives.
///
/// ```
/// use thalweg::{Stream, ops::union};
///
/// let (a, b) = (Stream::new(), Stream::new());
/// let list = union([&a, &b]).sink_to_list();
/// a.emit(1).wait()?;
/// b.emit(2).wait()?;
/// a.emit(3).wait()?;
/// assert_eq!(list.to_vec(), [1, 2, 3]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn union<'a, T: Element>(upstreams: impl IntoIterator<Item = &'a Stream<T>>) -> Stream<T> {
    let mut upstreams = upstreams.into_iter().peekable();
    let union = match upstreams.peek() {
        Some(first) => Stream::forward("union", first.graph()),
        None => Stream::source_node("union", None, None),
    };
    for upstream in upstreams {
        upstream.join_forward(&union);
    }
    union
}

impl<T: Element> Stream<T> {
    /// Emits every element of both streams as it arrives; [`union`] joins any number.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (a, b) = (Stream::new(), Stream::new());
    /// let list = a.union(&b).sink_to_list();
    /// a.emit(1).wait()?;
    /// b.emit(2).wait()?;
    /// assert_eq!(list.to_vec(), [1, 2]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn union(&self, other: &Stream<T>) -> Stream<T> {
        union([self, other])
    }
}
