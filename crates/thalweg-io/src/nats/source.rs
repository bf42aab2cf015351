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
    /// What ends it.
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
    /// The messages of a subject.
    ///
    /// With a [stream](Nats::stream) of JetStream, by a [durable](Nats::durable) consumer, a message is acknowledged
    /// once its token has fired: when everything that was made of it is done. One that fails, and that no policy takes
    /// care of, is given back, and delivered again [later](Nats::redeliver_after); what a program had in hand that has
    /// died is delivered again after [`ack_wait`](Nats::ack_wait), to any that reads by the consumer. As many messages
    /// are asked for as there is [room](Nats::max_waiting) for.
    ///
    /// Without a stream a message is delivered at most once: what comes while nobody reads, while the connection is
    /// lost, or faster than the pipeline is, is lost. The last two are failures of the node.
    ///
    /// A connection that is lost is a failure of the node, once, and is made again with longer and longer pauses of up
    /// to 30 s. A login that is refused, or a stream that is not there, ends the source.
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
