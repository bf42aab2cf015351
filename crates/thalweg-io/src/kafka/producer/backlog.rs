//! Messages on their way into the client's queue.
//!
//! The client refuses a message while its queue is full, and does not signal room: a message counts until some time
//! after its delivery was reported. So refused messages wait here, in order, and a task tries them again.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use rdkafka::error::{KafkaError as ClientError, RDKafkaErrorCode as Code};
use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{Client, Delivery, filled};
use crate::background::spawn;
use crate::kafka::{KafkaError, KafkaRecord};

/// Interval of the attempts.
const PAUSE: Duration = Duration::from_millis(2);

/// A client, and the messages that wait for room in its queue.
pub(super) struct Backlog {
    client: Client,
    /// Topic of the messages that name none.
    topic: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Message>,
    /// A task tries the messages again.
    is_retried: bool,
}

struct Message {
    record: KafkaRecord,
    sender: oneshot::Sender<Delivery>,
}

impl Backlog {
    pub(super) fn new(client: Client, topic: String) -> Self {
        Self {
            client,
            topic,
            state: Mutex::default(),
        }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Number of messages that the brokers have not confirmed.
    pub(super) fn len(&self) -> usize {
        let in_client = usize::try_from(self.client.in_flight_count());
        self.lock().waiting.len() + in_client.unwrap_or(0)
    }

    /// Passes a message to the client, behind those that wait; returns where its delivery is reported.
    ///
    /// # Errors
    /// [`KafkaError::Start`].
    pub(super) fn push(
        self: &Arc<Self>,
        record: KafkaRecord,
    ) -> Result<oneshot::Receiver<Delivery>, KafkaError> {
        let (sender, delivered) = oneshot::channel();
        let message = Message { record, sender };
        let mut state = self.lock();
        let refused = match state.waiting.is_empty() {
            true => self.pass(message),
            false => Some(message),
        };
        if let Some(refused) = refused {
            if !state.is_retried {
                let task = spawn(retry(Arc::downgrade(self))).map_err(KafkaError::Start)?;
                task.detach();
                state.is_retried = true;
            }
            state.waiting.push_back(refused);
        }
        Ok(delivered)
    }

    /// Passes a message to the client; returns it if the queue is full.
    fn pass(&self, message: Message) -> Option<Message> {
        let Message { record, sender } = message;
        let topic = record.topic.as_deref().unwrap_or(&self.topic);
        let base = BaseRecord::with_opaque_to(topic, Box::new(sender));
        let unconfirmed = &self.client.context().unconfirmed;
        unconfirmed.fetch_add(1, Ordering::Relaxed);
        let (error, sender) = match self.client.send(filled(base, &record)) {
            Ok(()) => return None,
            Err((error, unsent)) => (error, *unsent.delivery_opaque),
        };
        unconfirmed.fetch_sub(1, Ordering::Relaxed);
        if matches!(error, ClientError::MessageProduction(Code::QueueFull)) {
            return Some(Message { record, sender });
        }
        // The receiver may have given up.
        let _ = sender.send(Err((error, record.partition)));
        None
    }

    /// Passes waiting messages to the client while there is room; returns whether none is left.
    fn pass_waiting(&self) -> bool {
        let mut state = self.lock();
        while let Some(message) = state.waiting.pop_front() {
            if let Some(refused) = self.pass(message) {
                state.waiting.push_front(refused);
                return false;
            }
        }
        state.is_retried = false;
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries the waiting messages again and again, until none is left.
async fn retry(backlog: Weak<Backlog>) {
    loop {
        sleep(PAUSE).await;
        match backlog.upgrade() {
            Some(backlog) if !backlog.pass_waiting() => {}
            _ => return,
        }
    }
}
