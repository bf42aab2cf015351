//! The consecutive connections of a client, with either version of the protocol.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use async_channel::{Receiver, Sender};
use bytes::Bytes;
use tokio::time::timeout;

use super::session::Session;
use super::version::{Five, Three};
use super::{Mqtt, MqttMessage, MqttVersion};

/// Maximum number of waiting requests.
const REQUESTS: usize = 64;

/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends requests to the connection.
#[derive(Clone)]
pub(super) struct Client(Sender<Request>);

/// A request to the connection.
pub(super) enum Request {
    Subscribe,
    Publish(Bytes),
    Acknowledge(Receipt),
    /// The last one: the client closes its direction of the connection, and the broker the other one.
    Disconnect,
}

/// Acknowledges a message. It is valid on the connection over which the message came: on another one, its packet's id may
/// be that of another message.
#[derive(Clone, Copy)]
pub(super) struct Receipt {
    pub(super) id: u16,
    pub(super) connection: u64,
}

impl Receipt {
    /// The receipt of a packet with this id; its session adds the connection.
    pub(super) fn of_packet(id: u16) -> Self {
        Self { id, connection: 0 }
    }
}

/// An event of a connection.
pub(super) enum Happened {
    /// Connected; the broker may remember the client.
    Up { is_known: bool },
    /// A message has arrived.
    Message(MqttMessage, Receipt),
    /// The broker has accepted the subscription, or refused it.
    Subscribed(Result<(), String>),
    /// A message has been sent.
    Sent,
    /// The broker has accepted a message, or refused it.
    Delivered(Result<(), String>),
    /// Any other event.
    Other,
}

/// The reason for a lost or refused connection.
pub(super) struct Lost {
    pub(super) problem: String,
    /// What to do, if retrying does not help.
    pub(super) remedy: Option<&'static str>,
}

/// A connection. It works only while it is polled.
pub(super) struct Link {
    mqtt: Mqtt,
    id: String,
    /// Whether the broker should remember the client.
    keeps: bool,
    requests: Receiver<Request>,
    /// Number of connections so far.
    connections: u64,
    open: Option<Open>,
}

enum Open {
    Three(Box<Session<Three>>),
    Five(Box<Session<Five>>),
}

/// Creates a client; `keeps` tells the broker to remember it.
pub(super) fn open(mqtt: &Mqtt, keeps: bool) -> (Client, Link) {
    let (sender, requests) = async_channel::bounded(REQUESTS);
    let link = Link {
        mqtt: mqtt.clone(),
        id: mqtt.client_id.clone().unwrap_or_else(new_id),
        keeps,
        requests,
        connections: 0,
        open: None,
    };
    (Client(sender), link)
}

/// An id that is probably unique.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).subsec_nanos();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("thalweg{:x}{now:x}{number:x}", std::process::id())
}

impl Client {
    pub(super) async fn subscribe(&self) -> bool {
        self.0.send(Request::Subscribe).await.is_ok()
    }

    pub(super) async fn acknowledge(&self, receipt: Receipt) -> bool {
        self.0.send(Request::Acknowledge(receipt)).await.is_ok()
    }

    pub(super) async fn disconnect(&self) -> bool {
        self.0.send(Request::Disconnect).await.is_ok()
    }

    /// Sends a message, if there is room for it.
    pub(super) fn try_publish(&self, payload: Bytes) -> bool {
        self.0.try_send(Request::Publish(payload)).is_ok()
    }
}

impl Link {
    /// Waits for the next event; connects if there is no connection.
    pub(super) async fn next(&mut self) -> Result<Happened, Lost> {
        let requests = &self.requests;
        let happened = match &mut self.open {
            Some(Open::Three(session)) => session.next(requests, &self.mqtt).await,
            Some(Open::Five(session)) => session.next(requests, &self.mqtt).await,
            None => return self.connect().await,
        };
        if happened.is_err() {
            self.open = None;
            // Messages of sinks are sent again, subscriptions are renewed.
            while self.requests.try_recv().is_ok() {}
        }
        happened
    }

    async fn connect(&mut self) -> Result<Happened, Lost> {
        self.connections += 1;
        let (mqtt, id, keeps, number) = (&self.mqtt, &self.id, self.keeps, self.connections);
        let connecting = async {
            Ok::<_, Lost>(match mqtt.version {
                MqttVersion::V3 => {
                    let (session, is_known) = Session::open(mqtt, id, keeps, number).await?;
                    (Open::Three(Box::new(session)), is_known)
                }
                MqttVersion::V5 => {
                    let (session, is_known) = Session::open(mqtt, id, keeps, number).await?;
                    (Open::Five(Box::new(session)), is_known)
                }
            })
        };
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        let (open, is_known) = connected.unwrap_or_else(|_| Err("no connection in time".into()))?;
        self.open = Some(open);
        Ok(Happened::Up { is_known })
    }
}

impl From<&str> for Lost {
    fn from(problem: &str) -> Self {
        Self {
            problem: problem.to_string(),
            remedy: None,
        }
    }
}
