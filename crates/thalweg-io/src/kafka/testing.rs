//! A broker for tests.

use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use rdkafka::mocking::MockCluster;

use super::KafkaError;

/// A stand-in for a broker, in this process, for tests of pipelines: librdkafka's own. It listens on a port of this
/// machine that is free, keeps everything in memory, and knows producers, consumer groups and committed offsets, but
/// neither logins nor the administration of topics. It ends when it is dropped.
///
/// ```
/// use thalweg_io::kafka::TestBroker;
///
/// let broker = TestBroker::start([("readings", 2)])?;
/// assert!(broker.address().starts_with("127.0.0.1:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TestBroker {
    address: String,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestBroker {
    /// Starts one with these topics and so many partitions of each.
    ///
    /// # Errors
    /// There is no thread or port, or a topic cannot be made.
    pub fn start<N: Into<String>>(
        topics: impl IntoIterator<Item = (N, i32)>,
    ) -> Result<Self, KafkaError> {
        let topics: Vec<(String, i32)> = topics
            .into_iter()
            .map(|(name, partitions)| (name.into(), partitions))
            .collect();
        let (stop, stopped) = channel::<()>();
        let (started, address) = channel();
        let thread = thread::Builder::new().name("thalweg-kafka-test".into());
        let thread = thread.spawn(move || {
            let made = MockCluster::new(1).and_then(|cluster| {
                for (name, partitions) in &topics {
                    cluster.create_topic(name, *partitions, 1)?;
                }
                Ok(cluster)
            });
            match made {
                Ok(cluster) => {
                    let address = cluster.bootstrap_servers();
                    if started.send(Ok(address)).is_ok() {
                        // Ends when the other side is dropped.
                        let _ = stopped.recv();
                    }
                }
                Err(error) => drop(started.send(Err(error))),
            }
        });
        let thread = thread.map_err(KafkaError::Start)?;
        let failed = |problem: String| KafkaError::Invalid {
            brokers: "this process".into(),
            problem,
        };
        let address = address.recv();
        let address = address.map_err(|_| failed("the broker for tests has not started".into()))?;
        Ok(Self {
            address: address.map_err(|error| failed(error.to_string()))?,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens: the option `bootstrap.servers`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for TestBroker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}
