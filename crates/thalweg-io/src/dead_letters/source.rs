//! The source that replays letters.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thalweg::{Ack, BoxError, Emitter, Outcome, Source, Stop, Stream};

use super::file::{Reader, keep_replayed, replayed};
use super::{DeadLetter, DeadLetterError, DeadLetters, Place, Replayed};
use crate::Position;
#[cfg(feature = "kafka")]
use crate::kafka::{Kafka, KafkaCloser, KafkaMessage, KafkaSource};
#[cfg(feature = "sql")]
use crate::sql::{LettersCursor, LettersTable};

/// The replay position is stored after this many letters.
const EACH: usize = 256;

/// Source of dead letters, created by [`Stream::from_dead_letters`](FromDeadLetters::from_dead_letters).
pub struct DeadLetterSource {
    shown: String,
    reading: Reading,
}

impl fmt::Debug for DeadLetterSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterSource")
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}

enum Reading {
    Stored(Stored),
    #[cfg(feature = "kafka")]
    Topic(KafkaSource, KafkaCloser),
    #[cfg(feature = "kafka")]
    Invalid(Option<DeadLetterError>),
}

/// Letters in a file or a table.
struct Stored {
    store: Store,
    /// The replay position, once anything has been read.
    position: Arc<Mutex<Option<Position>>>,
    letters: Option<Letters>,
}

#[derive(Clone)]
enum Store {
    File(PathBuf),
    #[cfg(feature = "sql")]
    Table(LettersTable),
}

enum Letters {
    File(Reader),
    #[cfg(feature = "sql")]
    Table(LettersCursor),
}

/// Stores the replay position at the end, for code that runs a [`DeadLetterSource`] directly.
#[derive(Clone)]
pub struct DeadLetterCloser(Closer);

impl fmt::Debug for DeadLetterCloser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetterCloser").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Closer {
    Stored(Store, Arc<Mutex<Option<Position>>>),
    #[cfg(feature = "kafka")]
    Topic(KafkaCloser),
    #[cfg(feature = "kafka")]
    Nothing,
}

impl DeadLetterCloser {
    /// Stores the replay position, and waits until that is done; returns at once if the source never ran.
    ///
    /// # Errors
    /// The position cannot be stored.
    pub async fn close(&self) -> Result<(), DeadLetterError> {
        match &self.0 {
            Closer::Stored(store, position) => {
                let known = lock(position).clone();
                match known {
                    Some(position) => store.keep(&position).await,
                    None => Ok(()),
                }
            }
            #[cfg(feature = "kafka")]
            Closer::Topic(closer) => Ok(closer.close().await?),
            #[cfg(feature = "kafka")]
            Closer::Nothing => Ok(()),
        }
    }
}

impl Store {
    /// The replay position of the source.
    async fn position(&self) -> Result<Position, DeadLetterError> {
        match self {
            Self::File(path) => Ok(match replayed(path)? {
                Some(offset) => Position::behind(path.display().to_string(), offset),
                None => Position::new(path.display().to_string()),
            }),
            #[cfg(feature = "sql")]
            Self::Table(table) => Ok(table.position().await?),
        }
    }

    async fn keep(&self, position: &Position) -> Result<(), DeadLetterError> {
        let Some(value) = position.value() else {
            return Ok(());
        };
        match self {
            Self::File(path) => keep_replayed(path, &value),
            #[cfg(feature = "sql")]
            Self::Table(table) => Ok(table.keep(position.committed().0, value).await?),
        }
    }

    /// Reads the letters after a position that exist now.
    async fn letters(&self, behind: Option<String>) -> Result<Letters, DeadLetterError> {
        let behind = behind.and_then(|value| value.parse::<u64>().ok());
        let behind = behind.unwrap_or(0);
        match self {
            Self::File(path) => Ok(Letters::File(Reader::open(path, behind)?)),
            #[cfg(feature = "sql")]
            Self::Table(table) => Ok(Letters::Table(table.letters(behind).await?)),
        }
    }
}

impl Letters {
    /// Reads the next letter, and its position.
    async fn next(&mut self) -> Result<Option<(DeadLetter, u64)>, DeadLetterError> {
        match self {
            Self::File(reader) => reader.next(),
            #[cfg(feature = "sql")]
            Self::Table(cursor) => cursor.next().await,
        }
    }
}

impl From<&DeadLetters> for DeadLetterSource {
    fn from(letters: &DeadLetters) -> Self {
        let stored = |store| {
            Reading::Stored(Stored {
                store,
                position: Arc::default(),
                letters: None,
            })
        };
        let reading = match &letters.0 {
            Place::File(path) => stored(Store::File(path.clone())),
            #[cfg(feature = "sql")]
            Place::Table(table) => stored(Store::Table(table.clone())),
            #[cfg(feature = "kafka")]
            Place::Topic {
                brokers,
                topic,
                options,
            } => {
                let kafka = Kafka::new(brokers, [topic]).group(format!("replay {topic}"));
                let kafka = options
                    .iter()
                    .fold(kafka, |kafka, (name, value)| kafka.option(name, value));
                let kafka = kafka.from_earliest().until_end();
                match kafka.check() {
                    Ok(()) => {
                        let source = KafkaSource::from(kafka);
                        let closer = source.closer();
                        Reading::Topic(source, closer)
                    }
                    Err(error) => Reading::Invalid(Some(error.into())),
                }
            }
        };
        Self {
            shown: letters.shown(),
            reading,
        }
    }
}

impl DeadLetterSource {
    /// What closes the source.
    pub fn closer(&self) -> DeadLetterCloser {
        DeadLetterCloser(match &self.reading {
            Reading::Stored(stored) => {
                Closer::Stored(stored.store.clone(), stored.position.clone())
            }
            #[cfg(feature = "kafka")]
            Reading::Topic(_, closer) => Closer::Topic(closer.clone()),
            #[cfg(feature = "kafka")]
            Reading::Invalid(_) => Closer::Nothing,
        })
    }
}

/// Token that carries the number of earlier attempts.
fn replaying(letter: &DeadLetter, ack: Ack) -> Ack {
    let replayed = Replayed {
        attempts: letter.attempt,
    };
    Ack::with_payload(replayed, move |_, outcome| {
        if outcome == Outcome::Failed {
            ack.fail();
        }
    })
}

impl Stored {
    async fn run(&mut self, out: &Emitter<DeadLetter>) -> Result<(), Stop> {
        let known = self.lock().clone();
        let position = match known {
            Some(position) => position,
            None => {
                let position = out.or_stop(self.store.position()).await??;
                self.lock().insert(position).clone()
            }
        };
        position.show(out);
        if self.letters.is_none() {
            let letters = out.or_stop(self.store.letters(position.value())).await?;
            self.letters = Some(letters?);
        }
        let Some(letters) = &mut self.letters else {
            return Ok(());
        };
        let mut count = 0_usize;
        loop {
            out.or_stop(position.room())
                .await?
                .map_err(DeadLetterError::from)?;
            match letters.next().await {
                Ok(Some((letter, value))) => {
                    let ack = position.ack(value, out.now());
                    let ack = replaying(&letter, ack);
                    count += 1;
                    out.emit_with(letter, ack).await?;
                }
                Ok(None) => break,
                Err(error) if error.is_about_one() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Err(error) => return Err(error.into()),
            }
            if count.is_multiple_of(EACH) {
                self.store.keep(&position).await?;
            }
        }
        self.letters = None;
        Ok(self.store.keep(&position).await?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Position>> {
        lock(&self.position)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The letter in a message.
#[cfg(feature = "kafka")]
fn in_message(shown: &str, message: &KafkaMessage) -> Result<DeadLetter, BoxError> {
    let text = std::str::from_utf8(message.bytes()).map_err(|error| error.to_string());
    let letter =
        text.and_then(|text| DeadLetter::from_json(text).map_err(|error| error.to_string()));
    letter.map_err(|problem| {
        let at = format!(
            "the message at partition {}, offset {}",
            message.partition, message.offset
        );
        let place = shown.to_string();
        DeadLetterError::NoLetter { place, at, problem }.into()
    })
}

impl Source for DeadLetterSource {
    type Item = DeadLetter;
    const KIND: &'static str = "from_dead_letters";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.shown.clone())
    }

    async fn run(&mut self, out: &Emitter<DeadLetter>) -> Result<(), Stop> {
        match &mut self.reading {
            Reading::Stored(stored) => stored.run(out).await,
            #[cfg(feature = "kafka")]
            Reading::Topic(source, _) => {
                let shown = &self.shown;
                source
                    .emit_all(out, |message, ack| {
                        let letter = in_message(shown, &message)?;
                        let ack = replaying(&letter, ack);
                        Ok((letter, ack))
                    })
                    .await
            }
            #[cfg(feature = "kafka")]
            Reading::Invalid(error) => match error.take() {
                Some(error) => Err(error.into()),
                None => Ok(()),
            },
        }
    }

    async fn close(&mut self) -> Result<(), BoxError> {
        Ok(self.closer().close().await?)
    }
}

/// Dead letters as a source: [`Stream::from_dead_letters`](FromDeadLetters::from_dead_letters).
pub trait FromDeadLetters {
    /// Emits the letters of a storage that have not been replayed, then ends. Letters that arrive meanwhile, for
    /// example of elements that fail again, are left for the next replay.
    ///
    /// A letter counts as replayed once it and all letters before it are done: acknowledged by the last sink, or
    /// dropped on purpose. A letter that fails without a policy to handle it is replayed again, with those after it.
    /// The replay position is stored every 256 letters, and when the pipeline is drained; after a crash some letters
    /// are replayed twice. Only one program at a time may replay a file or a table.
    ///
    /// A record that is not a letter is a failure of the source's node, and is skipped.
    ///
    /// The [module](crate::dead_letters) has an example.
    fn from_dead_letters(letters: &DeadLetters) -> Stream<DeadLetter>;
}

impl FromDeadLetters for Stream<DeadLetter> {
    fn from_dead_letters(letters: &DeadLetters) -> Self {
        Stream::from_source(DeadLetterSource::from(letters))
    }
}
