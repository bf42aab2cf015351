//! Sources: nodes that emit elements by themselves.

mod emitter;
mod from_iter;
mod from_periodic;
mod from_stream;
mod launch;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::future::Future;

pub use self::emitter::{Begun, Emitter};
use self::launch::park;
use crate::failure::BoxError;
use crate::graph::Control;
use crate::operator::Element;
use crate::runtime::RuntimeHandle;
use crate::stream::Stream;

/// A source of elements, such as a file, a timer or a socket.
///
/// [`Stream::from_source`] makes a stream of it; [`Stream::start`] runs it, as a future on the pipeline's runtime;
/// [`Stream::stop`] and [`Stream::drain`] ask it to stop.
///
/// ```
/// use thalweg::{Emitter, Source, Stop, Stream};
///
/// /// Counts from `0` to `end`, one every `pause`.
/// struct Counter { next: u32, end: u32 }
///
/// impl Source for Counter {
///     type Item = u32;
///     const KIND: &'static str = "counter";
///
///     async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
///         while self.next < self.end {
///             self.next += 1;
///             out.emit(self.next - 1).await?;
///         }
///         Ok(())
///     }
/// }
///
/// let source = Stream::from_source(Counter { next: 0, end: 3 });
/// let list = source.sink_to_list();
/// source.run(std::time::Duration::from_secs(5)).wait()?;
/// assert_eq!(list.to_vec(), [0, 1, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub trait Source: Send + 'static {
    /// Type of its elements.
    type Item: Element;
    /// The user-visible name of this kind of source.
    const KIND: &'static str;

    /// Label that distinguishes this source from others of its kind, shown in its derived name.
    fn label(&self) -> Option<String> {
        None
    }

    /// Emits until the source ends (`Ok`) or is asked to stop, which functions of `out` report as [`Stop::Stopped`]:
    /// return it with `?`.
    ///
    /// Keep the position in `self`: started again after a stop, the source continues there. Advance it before emitting:
    /// an element whose `emit` reports a stop has been accepted.
    fn run(&mut self, out: &Emitter<Self::Item>) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Whether [`close`](Self::close) does anything. If so, the source is kept until then, even after its end.
    const CLOSES: bool = false;

    /// Called once at the end of a drain, if the source has ever run: when it has stopped or ended, and none of its
    /// elements is in flight. A drain waits for it, within its limit.
    ///
    /// ```
    /// use std::sync::mpsc::{Sender, channel};
    /// use thalweg::{Ack, BoxError, Emitter, Source, Stop, Stream};
    ///
    /// /// Records acknowledgements, and the call of `close`.
    /// struct Noted(Sender<&'static str>);
    ///
    /// impl Source for Noted {
    ///     type Item = u32;
    ///     const KIND: &'static str = "noted";
    ///     const CLOSES: bool = true;
    ///
    ///     async fn run(&mut self, out: &Emitter<u32>) -> Result<(), Stop> {
    ///         let log = self.0.clone();
    ///         out.emit_with(1, Ack::new(move |_| drop(log.send("acknowledged")))).await
    ///     }
    ///
    ///     async fn close(&mut self) -> Result<(), BoxError> {
    ///         Ok(self.0.send("closed")?)
    ///     }
    /// }
    ///
    /// let (sender, log) = channel();
    /// let source = Stream::from_source(Noted(sender));
    /// source.buffer(9).sink(drop);
    /// source.run("10s").wait()?;
    /// assert!(log.iter().take(2).eq(["acknowledged", "closed"]));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// Something could not be finished; the drain reports it.
    fn close(&mut self) -> impl Future<Output = Result<(), BoxError>> + Send {
        std::future::ready(Ok(()))
    }
}

/// Why a source ends early.
#[derive(Debug)]
pub enum Stop {
    /// It was asked to stop.
    Stopped,
    /// It cannot continue. This becomes an unhandled failure of the source's node.
    Failed(BoxError),
}

impl<E: StdError + Send + Sync + 'static> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl<T: Element> Stream<T> {
    /// Creates a stream of the elements of `source`, on the caller's runtime.
    ///
    /// It runs once [`start`](Self::start)ed, or with [`run`](Self::run).
    pub fn from_source(source: impl Source<Item = T>) -> Self {
        Self::build_source(source, RuntimeHandle::current())
    }

    /// The same on a given runtime.
    ///
    /// ```
    /// # use thalweg::{Emitter, Source, Stop};
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock};
    /// # struct Hours;
    /// # impl Source for Hours {
    /// #     type Item = Duration;
    /// #     const KIND: &'static str = "hours";
    /// #     async fn run(&mut self, out: &Emitter<Duration>) -> Result<(), Stop> {
    /// #         loop {
    /// #             out.emit(out.now()).await?;
    /// #             out.sleep(Duration::from_secs(3600)).await?;
    /// #         }
    /// #     }
    /// # }
    ///
    /// // `Hours` is a source that emits the time every hour.
    /// let clock = VirtualClock::new();
    /// let hours = Stream::from_source_on(Hours, &clock);
    /// let list = hours.sink_to_list();
    /// hours.start()?;
    /// clock.advance(Duration::from_secs(24 * 3600));
    /// assert_eq!(list.len(), 25);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn from_source_on(
        source: impl Source<Item = T>,
        runtime: impl Into<RuntimeHandle>,
    ) -> Self {
        Self::build_source(source, Some(runtime.into()))
    }

    pub(crate) fn build_source<S: Source<Item = T>>(
        source: S,
        runtime: Option<RuntimeHandle>,
    ) -> Self {
        let stream = Self::source_node(S::KIND, source.label(), runtime);
        let control = Control::new(park(source, stream.downgrade()));
        let id = stream.id();
        stream.graph().run_exclusive(Box::new(move |pass| {
            pass.graph().add_source(id, control, pass);
        }));
        stream
    }
}
