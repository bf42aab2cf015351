//! Topics as the source of a pipeline.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use thalweg::{Ack, BoxError, BuildError, Emitter, Outcome, Source, Stop, Stream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{sleep, timeout};

use super::link::{Client, Happened, Link, Lost, Receipt, open};
use super::{Mqtt, MqttError, MqttMessage, Qos};
use crate::background::spawn;
use crate::closer::{Closer, Ending};
use crate::reply::{Replier, reply};

/// Timeout of the last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(5);

/// Messages as a source: [`Stream::from_mqtt`](FromMqtt::from_mqtt).
pub struct MqttSource {
    mqtt: Mqtt,
    reading: Option<Reading>,
    taken: VecDeque<Received>,
    closer: MqttCloser,
}

impl fmt::Debug for MqttSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttSource")
            .field("mqtt", &self.mqtt)
            .finish_non_exhaustive()
    }
}

/// The reading task's end of a source.
struct Reading {
    items: Receiver<Result<Received, MqttError>>,
    orders: UnboundedSender<Order>,
}

struct Received {
    message: MqttMessage,
    receipt: Receipt,
}

/// Requests to the client.
enum Order {
    Subscribe,
    Acknowledge(Receipt),
    Disconnect,
}

/// Acknowledges the last messages and disconnects, for code that runs an [`MqttSource`] directly.
#[derive(Clone, Default)]
pub struct MqttCloser(Closer<Result<Received, MqttError>, Order>);

impl fmt::Debug for MqttCloser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttCloser").finish_non_exhaustive()
    }
}

impl MqttCloser {
    /// Closes, and waits until that is done, for at most 5 seconds; returns at once if the source never ran.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

impl From<Mqtt> for MqttSource {
    fn from(mqtt: Mqtt) -> Self {
        Self {
            mqtt,
            reading: None,
            taken: VecDeque::new(),
            closer: MqttCloser::default(),
        }
    }
}

impl MqttSource {
    /// What closes the source.
    pub fn closer(&self) -> MqttCloser {
        self.closer.clone()
    }

    fn start(&mut self) -> Result<(), MqttError> {
        let (sender, items) = async_channel::bounded(self.mqtt.max_waiting);
        let (orders, asked) = unbounded_channel();
        let (replier, ended) = reply();
        let reader = Reader {
            mqtt: self.mqtt.clone(),
            items: sender,
            orders: orders.clone(),
        };
        let task = spawn(reader.run(asked, replier)).map_err(MqttError::Start)?;
        self.closer.0.begin(Ending {
            items: items.clone(),
            orders: orders.clone(),
            last: Order::Disconnect,
            ended,
            reading: None,
            _task: task,
        });
        self.reading = Some(Reading { items, orders });
        Ok(())
    }
}

/// Reads from the broker, on the background runtime.
struct Reader {
    mqtt: Mqtt,
    items: Sender<Result<Received, MqttError>>,
    orders: UnboundedSender<Order>,
}

impl Reader {
    async fn run(self, asked: UnboundedReceiver<Order>, ended: Replier<()>) {
        let (client, link) = open(&self.mqtt, self.mqtt.client_id.is_some());
        // Separate, since it waits for room, which polling the link makes.
        let asking = ask(client, asked);
        let reading = self.read(link);
        tokio::select! {
            () = reading => {}
            () = asking => {}
        }
        ended.put(());
    }

    async fn read(&self, mut link: Link) {
        let (mut pause, mut is_reported, mut is_subscribed) =
            (self.mqtt.retries.first_pause, false, false);
        loop {
            let error = match link.next().await {
                Ok(Happened::Up { is_known }) => {
                    (pause, is_reported) = (self.mqtt.retries.first_pause, false);
                    // The broker has forgotten the subscription with the client.
                    is_subscribed &= is_known;
                    if !is_subscribed {
                        let _ = self.orders.send(Order::Subscribe);
                    }
                    continue;
                }
                Ok(Happened::Subscribed(Ok(()))) => {
                    is_subscribed = true;
                    continue;
                }
                Ok(Happened::Message(message, receipt)) => {
                    let received = Received { message, receipt };
                    // Without a receiver it is not acknowledged.
                    let _ = self.items.send(Ok(received)).await;
                    continue;
                }
                Ok(Happened::Sent | Happened::Delivered(_) | Happened::Other) => continue,
                Ok(Happened::Subscribed(Err(problem))) => self.refused(
                    problem,
                    "check the topic, and what the login has a right to",
                ),
                Err(_) if self.items.is_closed() => return,
                Err(Lost {
                    problem,
                    remedy: Some(remedy),
                }) => self.refused(problem, remedy),
                Err(Lost { problem, .. }) => {
                    if !std::mem::replace(&mut is_reported, true) {
                        let error = MqttError::Unreachable {
                            address: self.mqtt.address(),
                            topic: self.mqtt.topic.clone(),
                            problem,
                        };
                        let _ = self.items.send(Err(error)).await;
                    }
                    sleep(pause).await;
                    pause = self.mqtt.retries.next_pause(pause);
                    continue;
                }
            };
            let _ = self.items.send(Err(error)).await;
            return;
        }
    }

    fn refused(&self, problem: String, remedy: &'static str) -> MqttError {
        MqttError::Refused {
            address: self.mqtt.address(),
            topic: self.mqtt.topic.clone(),
            problem,
            remedy,
        }
    }
}

/// Passes requests to the client, until it is to disconnect and has had time for that.
async fn ask(client: Client, mut asked: UnboundedReceiver<Order>) {
    while let Some(order) = asked.recv().await {
        match order {
            Order::Subscribe => {
                client.subscribe().await;
            }
            Order::Acknowledge(receipt) => {
                client.acknowledge(receipt).await;
            }
            Order::Disconnect => {
                let _ = timeout(PATIENCE, client.disconnect()).await;
                break;
            }
        }
    }
    // Meanwhile the link writes, and ends.
    sleep(PATIENCE).await;
}

impl Source for MqttSource {
    type Item = MqttMessage;
    const KIND: &'static str = "from_mqtt";
    const CLOSES: bool = true;

    fn label(&self) -> Option<String> {
        Some(self.mqtt.label())
    }

    async fn run(&mut self, out: &Emitter<MqttMessage>) -> Result<(), Stop> {
        if self.reading.is_none() {
            self.start()?;
        }
        let Some(reading) = &self.reading else {
            return Ok(());
        };
        loop {
            while let Some(received) = self.taken.pop_front() {
                let Received { message, receipt } = received;
                if message.qos == Qos::AtMostOnce {
                    out.emit(message).await?;
                    continue;
                }
                let orders = reading.orders.clone();
                let ack = Ack::new(move |outcome| {
                    if outcome == Outcome::Delivered {
                        let _ = orders.send(Order::Acknowledge(receipt));
                    }
                });
                out.emit_with(message, ack).await?;
            }
            match out.or_stop(reading.items.recv()).await? {
                Ok(Ok(received)) => self.taken.push_back(received),
                Ok(Err(error)) if error.is_temporary() => {
                    out.report(error);
                    out.yield_now().await?;
                }
                Ok(Err(error)) => {
                    self.reading = None;
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

/// Topics as sources: [`Stream::from_mqtt`](FromMqtt::from_mqtt).
pub trait FromMqtt {
    /// Emits the messages of a topic.
    ///
    /// With [`Qos::AtLeastOnce`] a message is acknowledged once its token has fired: when everything derived from it is
    /// done. A message that fails without a policy to handle it is not; the broker sends it again over the next
    /// connection, and counts it as in flight until then. The broker limits the number in flight (20 by default in
    /// Mosquitto): a larger window never fills.
    ///
    /// A lost connection is a failure of the node, reported once; it reconnects with growing pauses of up to 30 s.
    /// Unacknowledged messages are sent again to a client with an [id](Mqtt::client_id). A refused login or topic ends
    /// the source. When [`max_waiting`](Mqtt::max_waiting) messages are buffered, nothing is read; if the broker then
    /// disconnects, the client reconnects.
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn from_mqtt(mqtt: Mqtt) -> Stream<MqttMessage>;
}

impl FromMqtt for Stream<MqttMessage> {
    fn from_mqtt(mqtt: Mqtt) -> Self {
        let checked = mqtt.check();
        let stream = Stream::from_source(MqttSource::from(mqtt));
        if let Err(error) = checked {
            stream.build_error(BuildError::new("from_mqtt", error));
        }
        stream
    }
}
