use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream as FutureStream;

use crate::{Element, Emitter, Source, Stop, Stream};

/// Maximum number of elements in a channel.
const MAX_BOUND: usize = 1 << 20;

/// Emits the items of a `futures` stream; see [`Stream::from_stream`].
struct FromStream<S>(Pin<Box<S>>);

impl<T, S> Source for FromStream<S>
where
    T: Element,
    S: FutureStream<Item = T> + Send + 'static,
{
    type Item = T;
    const KIND: &'static str = "from_stream";

    async fn run(&mut self, out: &Emitter<T>) -> Result<(), Stop> {
        while let Some(x) = out
            .or_stop(poll_fn(|cx| self.0.as_mut().poll_next(cx)))
            .await?
        {
            out.emit(x).await?;
        }
        Ok(())
    }
}

impl<T: Element> Stream<T> {
    /// Creates a source of the items of any `futures` stream, each requested when the one before has been accepted: the
    /// receiver of an asynchronous channel, lines of a socket, another crate's events.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let numbers = Stream::from_stream(futures_util::stream::iter([1, 2, 3]));
    /// let list = numbers.map(|x| x * 2).sink_to_list();
    /// numbers.run("5s").wait()?;
    /// assert_eq!(list.to_vec(), [2, 4, 6]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn from_stream<S>(stream: S) -> Self
    where
        S: FutureStream<Item = T> + Send + 'static,
    {
        Self::from_source(FromStream(Box::pin(stream)))
    }

    /// Creates a source fed by a channel, from any thread or task: at most `bound` elements wait in it.
    ///
    /// The source ends when the last sender is dropped. The sender is one of the crate `async-channel`:
    /// `send(x).await`, `send_blocking(x)`, `try_send(x)`. A bound of zero is an invalid argument, see
    /// [`check`](Self::check). The largest is 1,048,576 elements, since memory is allocated for all.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let (sender, numbers) = Stream::channel(10);
    /// let list = numbers.map(|x| x + 1).sink_to_list();
    /// std::thread::spawn(move || {
    ///     for x in 0..3 {
    ///         sender.send_blocking(x).unwrap();
    ///     }
    /// });
    /// numbers.run("5s").wait()?;
    /// assert_eq!(list.to_vec(), [1, 2, 3]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn channel(bound: usize) -> (async_channel::Sender<T>, Self) {
        let (sender, receiver) = async_channel::bounded(bound.clamp(1, MAX_BOUND));
        let stream = Self::from_stream(receiver);
        if bound == 0 {
            stream.build_error(crate::BuildError::new(
                "channel",
                "a channel has room for at least one element, not 0",
            ));
        }
        (sender, stream)
    }
}
