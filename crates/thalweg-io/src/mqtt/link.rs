//! A client's connection, in either version of the protocol.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{mqttbytes::v4 as three, v5};

use super::{Mqtt, MqttMessage, MqttVersion, Qos};

/// Requests that lie ready for the connection.
const REQUESTS: usize = 64;

/// How long connecting may take, in seconds.
const CONNECT_TIMEOUT: u64 = 10;

/// How long the broker keeps what is for a client that is away, in seconds: for ever.
const FOR_EVER: u32 = u32::MAX;

/// What asks the connection for something.
#[derive(Clone)]
pub(super) enum Client {
    Three(rumqttc::AsyncClient),
    Five(v5::AsyncClient),
}

/// The connection. Nothing happens on it unless it is polled.
pub(super) enum Link {
    Three(Box<rumqttc::EventLoop>),
    Five(Box<v5::EventLoop>),
}

/// What a message is acknowledged with.
pub(super) enum Receipt {
    Three(Box<three::Publish>),
    Five(Box<five::Publish>),
}

/// What has happened on a connection.
pub(super) enum Happened {
    /// There is one, and the broker remembers the client or not.
    Up { is_known: bool },
    /// A message has come.
    Message(MqttMessage, Receipt),
    /// The broker has taken the subscription, or not.
    Subscribed(Result<(), String>),
    /// A message that was written is on its way.
    Sent,
    /// The broker has taken it, or not.
    Delivered(Result<(), String>),
    /// Something that nobody here waits for.
    Other,
}

/// Why there is no connection.
pub(super) struct Lost {
    pub(super) problem: String,
    /// What to do, if there will be none.
    pub(super) remedy: Option<&'static str>,
}

/// Begins a client; `keeps` is whether the broker is to remember it.
pub(super) fn open(mqtt: &Mqtt, keeps: bool) -> (Client, Link) {
    let id = mqtt.client_id.clone().unwrap_or_else(new_id);
    match mqtt.version {
        MqttVersion::V3 => {
            let mut options = rumqttc::MqttOptions::new(id, mqtt.host.as_str(), mqtt.port);
            let max_len = mqtt.max_len as usize;
            options
                .set_keep_alive(mqtt.keep_alive)
                .set_manual_acks(true)
                .set_clean_session(!keeps)
                .set_max_packet_size(max_len, max_len);
            if let Some((user, password)) = &mqtt.login {
                options.set_credentials(user, password);
            }
            let (client, mut events) = rumqttc::AsyncClient::new(options, REQUESTS);
            events
                .network_options
                .set_connection_timeout(CONNECT_TIMEOUT)
                .set_tcp_nodelay(true);
            (Client::Three(client), Link::Three(Box::new(events)))
        }
        MqttVersion::V5 => {
            let mut options = v5::MqttOptions::new(id, mqtt.host.as_str(), mqtt.port);
            options
                .set_keep_alive(mqtt.keep_alive)
                .set_manual_acks(true)
                .set_clean_start(!keeps)
                .set_connection_timeout(CONNECT_TIMEOUT)
                .set_max_packet_size(Some(mqtt.max_len))
                .set_session_expiry_interval(keeps.then_some(FOR_EVER));
            if let Some((user, password)) = &mqtt.login {
                options.set_credentials(user, password);
            }
            let (client, events) = v5::AsyncClient::new(options, REQUESTS);
            (Client::Five(client), Link::Five(Box::new(events)))
        }
    }
}

/// An id that no other client is likely to have.
fn new_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.unwrap_or(Duration::ZERO).subsec_nanos();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("thalweg{:x}{now:x}{number:x}", std::process::id())
}

impl Client {
    pub(super) async fn subscribe(&self, mqtt: &Mqtt) -> bool {
        let topic = mqtt.topic.as_str();
        match self {
            Self::Three(client) => client.subscribe(topic, three_qos(mqtt.qos)).await.is_ok(),
            Self::Five(client) => client.subscribe(topic, five_qos(mqtt.qos)).await.is_ok(),
        }
    }

    pub(super) async fn acknowledge(&self, receipt: &Receipt) -> bool {
        match (self, receipt) {
            (Self::Three(client), Receipt::Three(publish)) => client.ack(publish).await.is_ok(),
            (Self::Five(client), Receipt::Five(publish)) => client.ack(publish).await.is_ok(),
            _ => false,
        }
    }

    pub(super) async fn disconnect(&self) -> bool {
        match self {
            Self::Three(client) => client.disconnect().await.is_ok(),
            Self::Five(client) => client.disconnect().await.is_ok(),
        }
    }

    /// Hands over a message to be written, if there is room for it.
    pub(super) fn try_publish(&self, mqtt: &Mqtt, payload: Bytes) -> bool {
        let topic = mqtt.topic.as_str();
        match self {
            Self::Three(client) => client
                .try_publish(topic, three_qos(mqtt.qos), mqtt.retain, payload)
                .is_ok(),
            Self::Five(client) => client
                .try_publish(topic, five_qos(mqtt.qos), mqtt.retain, payload)
                .is_ok(),
        }
    }
}

impl Link {
    /// Waits for what happens next; connects if there is no connection.
    pub(super) async fn next(&mut self) -> Result<Happened, Lost> {
        match self {
            Self::Three(events) => match events.poll().await {
                Ok(event) => Ok(three_event(event)),
                Err(error) => Err(three_lost(&error)),
            },
            Self::Five(events) => match events.poll().await {
                Ok(event) => Ok(five_event(event)),
                Err(error) => Err(five_lost(&error)),
            },
        }
    }
}

fn three_qos(qos: Qos) -> rumqttc::QoS {
    match qos {
        Qos::AtMostOnce => rumqttc::QoS::AtMostOnce,
        Qos::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
    }
}

fn five_qos(qos: Qos) -> v5::mqttbytes::QoS {
    match qos {
        Qos::AtMostOnce => v5::mqttbytes::QoS::AtMostOnce,
        Qos::AtLeastOnce => v5::mqttbytes::QoS::AtLeastOnce,
    }
}

fn three_event(event: rumqttc::Event) -> Happened {
    match event {
        rumqttc::Event::Incoming(packet) => match packet {
            three::Packet::ConnAck(ack) => Happened::Up {
                is_known: ack.session_present,
            },
            three::Packet::Publish(publish) => {
                let message = MqttMessage {
                    topic: publish.topic.clone(),
                    payload: publish.payload.clone(),
                    qos: match publish.qos {
                        rumqttc::QoS::AtMostOnce => Qos::AtMostOnce,
                        _ => Qos::AtLeastOnce,
                    },
                    retain: publish.retain,
                    dup: publish.dup,
                    packet_id: publish.pkid,
                };
                Happened::Message(message, Receipt::Three(Box::new(publish)))
            }
            three::Packet::SubAck(ack) => {
                let refused = |code: &&three::SubscribeReasonCode| {
                    matches!(code, three::SubscribeReasonCode::Failure)
                };
                Happened::Subscribed(match ack.return_codes.iter().find(refused) {
                    Some(_) => Err("the broker refuses the subscription".to_string()),
                    None => Ok(()),
                })
            }
            three::Packet::PubAck(_) => Happened::Delivered(Ok(())),
            _ => Happened::Other,
        },
        rumqttc::Event::Outgoing(rumqttc::Outgoing::Publish(_)) => Happened::Sent,
        rumqttc::Event::Outgoing(_) => Happened::Other,
    }
}

fn five_event(event: v5::Event) -> Happened {
    match event {
        v5::Event::Incoming(packet) => match packet {
            five::Packet::ConnAck(ack) => Happened::Up {
                is_known: ack.session_present,
            },
            five::Packet::Publish(publish) => {
                let message = MqttMessage {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload.clone(),
                    qos: match publish.qos {
                        v5::mqttbytes::QoS::AtMostOnce => Qos::AtMostOnce,
                        _ => Qos::AtLeastOnce,
                    },
                    retain: publish.retain,
                    dup: publish.dup,
                    packet_id: publish.pkid,
                };
                Happened::Message(message, Receipt::Five(Box::new(publish)))
            }
            five::Packet::SubAck(ack) => {
                let refused = |code: &&five::SubscribeReasonCode| {
                    !matches!(code, five::SubscribeReasonCode::Success(_))
                };
                Happened::Subscribed(match ack.return_codes.iter().find(refused) {
                    Some(code) => Err(format!("the broker refuses the subscription: {code:?}")),
                    None => Ok(()),
                })
            }
            five::Packet::PubAck(ack) => Happened::Delivered(match ack.reason {
                five::PubAckReason::Success | five::PubAckReason::NoMatchingSubscribers => Ok(()),
                reason => Err(format!("the broker refuses the message: {reason:?}")),
            }),
            _ => Happened::Other,
        },
        v5::Event::Outgoing(rumqttc::Outgoing::Publish(_)) => Happened::Sent,
        v5::Event::Outgoing(_) => Happened::Other,
    }
}

const LOGIN: &str = "check the login, its permissions, and the client's id";
const TOO_LONG: &str = "raise `max_len`, or have less written at once";

fn three_lost(error: &rumqttc::ConnectionError) -> Lost {
    use rumqttc::ConnectReturnCode as Code;
    use rumqttc::ConnectionError as Error;

    let remedy = match error {
        Error::ConnectionRefused(Code::ServiceUnavailable) => None,
        Error::ConnectionRefused(Code::RefusedProtocolVersion) => {
            Some("the broker speaks another version of the protocol")
        }
        Error::ConnectionRefused(_) => Some(LOGIN),
        Error::MqttState(rumqttc::StateError::Deserialization(
            rumqttc::mqttbytes::Error::PayloadSizeLimitExceeded(_),
        )) => Some(TOO_LONG),
        _ => None,
    };
    Lost {
        problem: error.to_string(),
        remedy,
    }
}

fn five_lost(error: &v5::ConnectionError) -> Lost {
    use five::ConnectReturnCode as Code;
    use v5::ConnectionError as Error;

    let code = match error {
        Error::ConnectionRefused(code) => Some(code),
        Error::MqttState(v5::StateError::ConnFail { reason }) => Some(reason),
        _ => None,
    };
    let remedy = match code {
        Some(Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion) => {
            Some("the broker speaks another version of the protocol")
        }
        Some(
            Code::BadClientId
            | Code::ClientIdentifierNotValid
            | Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::Banned
            | Code::BadAuthenticationMethod,
        ) => Some(LOGIN),
        _ if matches!(
            error,
            Error::MqttState(v5::StateError::IncomingPacketTooLarge { .. })
        ) =>
        {
            Some(TOO_LONG)
        }
        _ => None,
    };
    Lost {
        problem: error.to_string(),
        remedy,
    }
}
