//! A producer's client, which may be dropped anywhere.

use std::ops::Deref;
use std::thread;

use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaResult;
use rdkafka::producer::{ProducerContext, ThreadedProducer};

/// A client with a thread that tells its context of deliveries and failures.
///
/// Dropping the client of the library waits for that thread, which may wait for something that the dropping thread has:
/// Python's lock, or a pipeline. So it is dropped on a thread of its own.
pub(super) struct Client<C: ProducerContext + 'static>(Option<ThreadedProducer<C>>);

impl<C: ProducerContext + 'static> Client<C> {
    pub(super) fn create(config: &ClientConfig, context: C) -> KafkaResult<Self> {
        config
            .create_with_context(context)
            .map(|producer| Self(Some(producer)))
    }
}

impl<C: ProducerContext + 'static> Deref for Client<C> {
    type Target = ThreadedProducer<C>;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().expect("only dropping takes it")
    }
}

impl<C: ProducerContext + 'static> Drop for Client<C> {
    fn drop(&mut self) {
        let producer = self.0.take();
        let name = "thalweg-kafka-end".to_string();
        // Without a thread it is dropped here.
        let _ = thread::Builder::new()
            .name(name)
            .spawn(move || drop(producer));
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc::{Sender, channel};
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::Duration;

    use rdkafka::ClientContext;
    use rdkafka::error::KafkaError;
    use rdkafka::producer::DeliveryResult;

    use super::*;

    /// Needs a lock to report a failure.
    struct Context {
        told: Mutex<Sender<()>>,
        lock: Arc<Mutex<()>>,
    }

    impl ClientContext for Context {
        fn error(&self, _: KafkaError, _: &str) {
            let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = told.send(());
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    impl ProducerContext for Context {
        type DeliveryOpaque = ();

        fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
    }

    #[test]
    fn it_may_be_dropped_under_a_lock_that_its_thread_waits_for() {
        let closed = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = closed.local_addr().expect("it is bound").to_string();
        drop(closed);
        let (told, is_told) = channel();
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().expect("nothing has panicked");
        let context = Context {
            told: Mutex::new(told),
            lock: lock.clone(),
        };
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address);
        let client = Client::create(&config, context).expect("the options are valid");
        let waits = is_told.recv_timeout(Duration::from_secs(60));
        waits.expect("nobody listens there");
        drop(client);
        drop(held);
    }
}
