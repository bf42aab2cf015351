//! Subjects as the sources of pipelines.

use std::fmt;
use thalweg::{BoxError, BuildError, Emitter, Source, Stop, Stream};

use super::intake::{Intake, NatsCloser};
use super::{Nats, NatsMessage};

/// Messages as a source: [`Stream::from_nats`](FromNats::from_nats).
pub struct NatsSource {
    nats: Nats,
    intake: Option<Intake>,
    closer: NatsCloser,
}

impl fmt::Debug for NatsSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSource")
            .field("nats", &self.nats)
            .finish_non_exhaustive()
    }
}

impl From<Nats> for NatsSource {
    fn from(nats: Nats) -> Self {
        Self {
            nats,
            intake: None,
            closer: NatsCloser::default(),
        }
    }
}

impl NatsSource {
    /// What closes the source.
    pub fn closer(&self) -> NatsCloser {
        self.closer.clone()
    }

    /// Checks the arguments before anything is sent.
    ///
    /// # Errors
    /// [`NatsError::Invalid`](super::NatsError::Invalid).
    pub fn check(&self) -> Result<(), super::NatsError> {
        self.nats.check_reading()
    }
}

impl Source for NatsSource {
    type Item = NatsMessage;
    const KIND: &'static str = "from_nats";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.nats.label())
    }

    async fn run(&mut self, out: &Emitter<NatsMessage>) -> Result<(), Stop> {
        let intake = match self.intake.take() {
            Some(intake) => intake,
            None => Intake::start(&self.nats, &self.closer)?,
        };
        let intake = self.intake.insert(intake);
        loop {
            match out.or_stop(intake.items.recv()).await? {
                Ok(Ok(message)) if message.sequence == 0 => {
                    out.emit(message).await?;
                }
                Ok(Ok(message)) => {
                    let ack = intake.ack(message.sequence);
                    out.emit_with(message, ack).await?;
                }
                Ok(Err(error)) if error.is_temporary() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Ok(Err(error)) => {
                    self.intake = None;
                    return Err(error.into());
                }
                Err(_) => return Ok(()),
            }
        }
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        self.closer.close().await;
        Ok(())
    }
}

/// Subjects of NATS as sources: [`Stream::from_nats`](FromNats::from_nats).
pub trait FromNats {
    /// Emits the messages of a subject.
    ///
    /// With a [stream](Nats::stream) of JetStream, read by a [durable](Nats::durable) consumer, a message is
    /// acknowledged once its token has fired: when everything derived from it is done. A message that fails without a
    /// policy to handle it is returned, and delivered again [later](Nats::redeliver_after); messages in flight in a
    /// program that dies are delivered again after [`ack_wait`](Nats::ack_wait), to any reader of the consumer. As many
    /// messages are requested as there is [room](Nats::max_waiting) for.
    ///
    /// Without a stream, a message is delivered at most once: messages are lost while nobody reads, while the
    /// connection is lost, or when they arrive faster than the pipeline takes them. The last two are failures of the
    /// node.
    ///
    /// A lost connection is a failure of the node, reported once; the client reconnects with growing pauses of up to 30
    /// s. A refused login or a missing stream ends the source.
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn from_nats(nats: Nats) -> Stream<NatsMessage>;
}

impl FromNats for Stream<NatsMessage> {
    fn from_nats(nats: Nats) -> Self {
        let source = NatsSource::from(nats);
        let checked = source.check();
        let stream = Stream::from_source(source);
        if let Err(error) = checked {
            stream.build_error(BuildError::new("from_nats", error));
        }
        stream
    }
}
