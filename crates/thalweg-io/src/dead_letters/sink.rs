//! The sink that writes letters to their storage.

use std::fmt;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, Element, Failure, Sink, Stream};

use super::file::Writer;
use super::letter::MAX_LEN;
use super::{DeadLetter, DeadLetterError, DeadLetters, Kept, Place, Replayed};
#[cfg(feature = "kafka")]
use crate::kafka::{KafkaRecord, KafkaSink, Producer};
#[cfg(feature = "sql")]
use crate::sql::LettersTable;

/// Sink for failures, created by [`ToDeadLetters::to_dead_letters`].
pub struct DeadLetterSink<T> {
    shown: String,
    to_letter: ToLetter<T>,
    writer: Letterbox,
}

impl<T> fmt::Debug for DeadLetterSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterSink")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

type ToLetter<T> = Box<dyn FnMut(&T) -> Result<DeadLetter, BoxError> + Send>;

enum Letterbox {
    File(Writer),
    #[cfg(feature = "sql")]
    Table(LettersTable),
    #[cfg(feature = "kafka")]
    Topic(Producer),
}

impl<T> DeadLetterSink<T> {
    /// Creates a sink for elements that `to_letter` turns into letters.
    ///
    /// # Errors
    /// An option for Kafka is invalid.
    pub fn new(
        letters: &DeadLetters,
        to_letter: impl FnMut(&T) -> Result<DeadLetter, BoxError> + Send + 'static,
    ) -> Result<Self, DeadLetterError> {
        let writer = match &letters.0 {
            Place::File(path) => Letterbox::File(Writer::new(path.clone())),
            #[cfg(feature = "sql")]
            Place::Table(table) => Letterbox::Table(table.clone()),
            #[cfg(feature = "kafka")]
            Place::Topic {
                brokers,
                topic,
                options,
            } => {
                let sink = KafkaSink::new(brokers, topic);
                let sink = options
                    .iter()
                    .fold(sink, |sink, (name, value)| sink.option(name, value));
                sink.check()?;
                Letterbox::Topic(sink.producer())
            }
        };
        Ok(Self {
            shown: letters.shown(),
            to_letter: Box::new(to_letter),
            writer,
        })
    }

    fn letters(&mut self, batch: &Batch<T>) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let mut before = vec![0; batch.len()];
        batch.for_each_payload(|at, replayed: &Replayed| {
            before[at] = replayed.attempts.max(before[at]);
        });
        let mut letters = Vec::with_capacity(batch.len());
        for (element, before) in batch.iter().zip(before) {
            let letter = (self.to_letter)(element);
            let mut letter = letter.map_err(|source| DeadLetterError::Element {
                place: self.shown.clone(),
                source,
            })?;
            letter.attempt = letter.attempt.saturating_add(before);
            let len = letter.to_json().len();
            if len >= MAX_LEN {
                return Err(DeadLetterError::TooLong {
                    place: self.shown.clone(),
                    node: letter.node,
                    len,
                });
            }
            letters.push(letter);
        }
        Ok(letters)
    }
}

impl<T: Element + Sync> BatchSink<T> for DeadLetterSink<T> {
    type Error = DeadLetterError;
    const KIND: &'static str = "to_dead_letters";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), DeadLetterError> {
        let letters = self.letters(&batch)?;
        drop(batch);
        match &mut self.writer {
            Letterbox::File(writer) => writer.write(&letters),
            #[cfg(feature = "sql")]
            Letterbox::Table(table) => Ok(table.insert(letters).await?),
            #[cfg(feature = "kafka")]
            Letterbox::Topic(producer) => {
                let sent = letters.iter().map(|letter| {
                    let record = KafkaRecord::from(letter.to_json());
                    // Sent one after the other, awaited together.
                    Box::pin(producer.send(record.key(letter.node.clone())))
                });
                let mut sent: Vec<_> = sent.collect();
                wait_for_all(&mut sent).await?;
                Ok(())
            }
        }
    }

    fn blames_element(&self, error: &DeadLetterError) -> bool {
        error.is_about_one()
    }

    fn label(&self) -> Option<String> {
        Some(self.shown.clone())
    }
}

/// Awaits all futures, polling them in order; returns the first error.
#[cfg(feature = "kafka")]
async fn wait_for_all<R, E>(
    all: &mut [impl Future<Output = Result<R, E>> + Unpin],
) -> Result<(), E> {
    use std::pin::Pin;
    use std::task::Poll;

    let mut are_done = vec![false; all.len()];
    let mut first = Ok(());
    std::future::poll_fn(move |cx| {
        for (one, is_done) in all.iter_mut().zip(&mut are_done) {
            if !*is_done && let Poll::Ready(result) = Pin::new(one).poll(cx) {
                *is_done = true;
                if let (Err(error), true) = (result, first.is_ok()) {
                    first = Err(error);
                }
            }
        }
        if are_done.iter().all(|is_done| *is_done) {
            return Poll::Ready(std::mem::replace(&mut first, Ok(())));
        }
        Poll::Pending
    })
    .await
}

/// Dead letters as a sink: [`Stream::to_dead_letters`](ToDeadLetters::to_dead_letters).
pub trait ToDeadLetters {
    /// Stores failures in a file, a table or a topic: the node, the error, the attempt, and the element in the form
    /// that `keep` gives it. If the element is not a `T`, or its function consumed it, only its absence is recorded.
    ///
    /// A failure is acknowledged when its letter has been written, and so is its element. An element that was
    /// [replayed](super::FromDeadLetters::from_dead_letters) and fails again adds its earlier attempts.
    ///
    /// The [module](crate::dead_letters) has an example.
    fn to_dead_letters<T: Clone + 'static>(
        &self,
        letters: &DeadLetters,
        keep: impl FnMut(&T) -> Kept + Send + 'static,
    ) -> Sink;
}

impl ToDeadLetters for Stream<Failure> {
    fn to_dead_letters<T: Clone + 'static>(
        &self,
        letters: &DeadLetters,
        mut keep: impl FnMut(&T) -> Kept + Send + 'static,
    ) -> Sink {
        let sink = DeadLetterSink::new(letters, move |failure: &Failure| {
            let element = match failure.element::<T>() {
                Some(element) => keep(&element),
                None => Kept::Shown("the failure has no element of this type".to_string()),
            };
            Ok(DeadLetter::new(failure, element))
        });
        match sink {
            Ok(sink) => self.apply(SinkBatches::new(sink)).into(),
            Err(error) => {
                self.build_error(thalweg::BuildError::new("to_dead_letters", error));
                self.sink(drop)
            }
        }
    }
}
