//! Writing elements to a topic.

use std::fmt;
use std::io;
use std::time::Instant;

use bytes::Bytes;
use thalweg::ops::{Batch, BatchSink, SinkBatches};
use thalweg::{BoxError, BuildError, Element, Sink, Stream};
use tokio::time::sleep;

use super::link::{Client, Happened, Link, Lost, open};
use super::{Mqtt, MqttError, Qos};
use crate::background::spawn;
use crate::reply::reply;

/// Maximum size of a packet besides topic and payload, in bytes.
const HEAD: usize = 16;

/// Sink that writes elements to a topic, created by [`ToMqtt::to_mqtt`].
pub struct MqttSink<T> {
    mqtt: Mqtt,
    to_bytes: ToBytes<T>,
    open: Option<Open>,
}

impl<T> fmt::Debug for MqttSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MqttSink")
            .field("mqtt", &self.mqtt)
            .finish_non_exhaustive()
    }
}

/// Converts an element to bytes.
type ToBytes<T> = Box<dyn FnMut(&T) -> Result<Vec<u8>, BoxError> + Send>;

/// A connection.
struct Open {
    client: Client,
    link: Link,
    /// Time of its last use. Between batches nobody answers the broker on it.
    used: Instant,
}

impl<T> MqttSink<T> {
    /// Creates a sink for elements that `to_bytes` converts.
    ///
    /// # Errors
    /// [`MqttError::Invalid`].
    pub fn new(
        mqtt: Mqtt,
        to_bytes: impl FnMut(&T) -> Result<Vec<u8>, BoxError> + Send + 'static,
    ) -> Result<Self, MqttError> {
        mqtt.check_writing()?;
        Ok(Self {
            mqtt,
            to_bytes: Box::new(to_bytes),
            open: None,
        })
    }

    fn payloads(&mut self, batch: &Batch<T>) -> Result<Vec<Bytes>, MqttError> {
        let mqtt = &self.mqtt;
        let mut payloads = Vec::with_capacity(batch.len());
        for element in batch.iter() {
            let bytes = (self.to_bytes)(element).map_err(|problem| MqttError::Element {
                address: mqtt.address(),
                topic: mqtt.topic.clone(),
                problem,
            })?;
            let len = bytes.len() + mqtt.topic.len() + HEAD;
            if len > mqtt.max_len as usize {
                return Err(MqttError::TooLong {
                    address: mqtt.address(),
                    topic: mqtt.topic.clone(),
                    len,
                    max_len: mqtt.max_len,
                });
            }
            payloads.push(bytes.into());
        }
        Ok(payloads)
    }
}

/// Writes messages, and waits until the broker has acknowledged them; others are written again over another connection.
async fn send(mqtt: &Mqtt, open: Option<Open>, payloads: &[Bytes]) -> Result<Open, MqttError> {
    let mut open = open.filter(|open| open.used.elapsed() < mqtt.keep_alive / 2);
    let (mut done, mut pause, mut attempts) = (0, mqtt.retries.first_pause, 0);
    let mut outage = mqtt.retries.outage();
    loop {
        let (before, is_new) = (done, open.is_none());
        let mut current = open.take().unwrap_or_else(|| connect(mqtt));
        let lost = match write(mqtt.qos, &mut current, payloads, &mut done).await {
            Ok(()) => {
                current.used = Instant::now();
                return Ok(current);
            }
            Err(lost) => lost,
        };
        // The earlier messages count as written: this is the one that failed.
        if done > before {
            (pause, attempts) = (mqtt.retries.first_pause, 0);
        }
        attempts += 1;
        if lost.remedy.is_some() || attempts > mqtt.retries.count {
            let remedy = lost.remedy.map(|remedy| format!("; {remedy}"));
            return Err(MqttError::NotWritten {
                address: mqtt.address(),
                topic: mqtt.topic.clone(),
                problem: lost.problem + &remedy.unwrap_or_default(),
                attempts,
            });
        }
        outage.report(
            is_new,
            format_args!("MQTT at {}", mqtt.address()),
            &lost.problem,
        );
        sleep(pause).await;
        pause = mqtt.retries.next_pause(pause);
    }
}

fn connect(mqtt: &Mqtt) -> Open {
    let (client, link) = open(mqtt, false);
    Open {
        client,
        link,
        used: Instant::now(),
    }
}

/// Writes the messages after `done`, and counts those that the broker has acknowledged, in order.
async fn write(
    qos: Qos,
    open: &mut Open,
    payloads: &[Bytes],
    done: &mut usize,
) -> Result<(), Lost> {
    let mut begun = *done;
    while *done < payloads.len() {
        while begun < payloads.len() && open.client.try_publish(payloads[begun].clone()) {
            begun += 1;
        }
        match open.link.next().await? {
            Happened::Delivered(Ok(())) => *done += 1,
            Happened::Delivered(Err(problem)) => {
                return Err(Lost {
                    problem,
                    remedy: Some("check what the login has a right to, and the broker's limits"),
                });
            }
            Happened::Sent if qos == Qos::AtMostOnce => *done += 1,
            _ => {}
        }
    }
    Ok(())
}

impl<T: Element + Sync> BatchSink<T> for MqttSink<T> {
    type Error = MqttError;
    const KIND: &'static str = "to_mqtt";

    async fn write(&mut self, batch: Batch<T>) -> Result<(), MqttError> {
        let payloads = self.payloads(&batch)?;
        drop(batch);
        let (mqtt, open) = (self.mqtt.clone(), self.open.take());
        let (replier, sent) = reply();
        let _sending = spawn(async move { replier.put(send(&mqtt, open, &payloads).await) })
            .map_err(MqttError::Start)?;
        let sent = sent
            .await
            .unwrap_or_else(|| Err(MqttError::Start(io::Error::other("its threads have ended"))));
        self.open = Some(sent?);
        Ok(())
    }

    fn blames_element(&self, error: &MqttError) -> bool {
        matches!(error, MqttError::TooLong { .. } | MqttError::Element { .. })
    }

    fn label(&self) -> Option<String> {
        Some(self.mqtt.label())
    }

    fn close(&mut self) -> Result<(), BoxError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        // Tells the broker, if it is still there; nobody waits for that.
        let said = spawn(async move {
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), async {
                open.client.disconnect().await;
                while open.link.next().await.is_ok() {}
            })
            .await;
        });
        if let Ok(running) = said {
            running.detach();
        }
        Ok(())
    }
}

/// Topics as sinks: [`Stream::to_mqtt`](ToMqtt::to_mqtt).
pub trait ToMqtt<T> {
    /// Writes elements (text or bytes) to a topic, grouping those that arrive meanwhile.
    ///
    /// An element is acknowledged when the broker has acknowledged it, with [`Qos::AtLeastOnce`]; with
    /// [`Qos::AtMostOnce`] when the system has taken it. If the connection is lost before that, it is written again,
    /// and may arrive twice. If the broker stays unreachable after the [retries](Mqtt::retries), that is a failure of
    /// the node, see [`Stream::sink_to`].
    ///
    /// Invalid arguments are a build error, see [`Stream::check`].
    fn to_mqtt(&self, mqtt: Mqtt) -> Sink;
}

impl<T: Element + Sync + AsRef<[u8]>> ToMqtt<T> for Stream<T> {
    fn to_mqtt(&self, mqtt: Mqtt) -> Sink {
        match MqttSink::new(mqtt, |x: &T| Ok(x.as_ref().to_vec())) {
            Ok(sink) => self.apply(SinkBatches::new(sink)).into(),
            Err(error) => {
                self.build_error(BuildError::new("to_mqtt", error));
                self.sink(drop)
            }
        }
    }
}
