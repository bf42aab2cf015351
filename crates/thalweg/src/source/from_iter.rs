use crate::{Element, Emitter, Source, Stop, Stream};

/// Emits the items of an iterator; see [`Stream::from_iter`].
struct FromIter<I>(I);

impl<I> Source for FromIter<I>
where
    I: Iterator<Item: Element> + Send + 'static,
{
    type Item = I::Item;
    const KIND: &'static str = "from_iter";

    async fn run(&mut self, out: &Emitter<I::Item>) -> Result<(), Stop> {
        for x in self.0.by_ref() {
            out.emit(x).await?;
        }
        Ok(())
    }
}

impl<T: Element> Stream<T> {
    /// Creates a source of the items of `elements`, each requested when the one before has been accepted.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let numbers = Stream::from_iter(0..4);
    /// let list = numbers.map(|x| x * x).sink_to_list();
    /// numbers.run("5s").wait()?;
    /// assert_eq!(list.to_vec(), [0, 1, 4, 9]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "the name every stream library uses; collecting needs no runtime"
    )]
    pub fn from_iter<I>(elements: I) -> Self
    where
        I: IntoIterator<Item = T, IntoIter: Send + 'static>,
    {
        Self::from_source(FromIter(elements.into_iter()))
    }
}
