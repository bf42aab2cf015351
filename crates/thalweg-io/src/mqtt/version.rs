//! Differences between the versions of the protocol: packets, and their effect on the state of a connection.

use std::io;
use std::time::Duration;

use rumqttc::mqttbytes::v4 as three;
use rumqttc::v5::mqttbytes::v5 as five;
use rumqttc::{mqttbytes, v5};
use tokio_util::codec::{Decoder, Encoder};

use super::link::{Happened, Lost, Receipt, Request};
use super::{Mqtt, MqttMessage, Qos};

/// Maximum unacknowledged messages with 3.1.1. A broker with a lower limit can announce it with 5 only.
const IN_FLIGHT_3: u16 = 100;

/// The maximum with 5.
const IN_FLIGHT_5: u16 = 1024;

/// How long the broker keeps messages for a client that is away, in seconds: for ever.
const FOR_EVER: u32 = u32::MAX;

/// A version of the protocol, and the state of one connection.
pub(super) trait Version: Send {
    type Packet: Send;
    type Error: Into<Lost> + From<io::Error>;
    type Codec: Decoder<Item = Self::Packet, Error = Self::Error>
        + Encoder<Self::Packet, Error = Self::Error>
        + Send;

    fn codec(mqtt: &Mqtt) -> Self::Codec;

    /// The first packet of a client with this id; `keeps` is whether the broker is to remember it.
    fn connect(mqtt: &Mqtt, id: &str, keeps: bool) -> Self::Packet;

    fn new() -> Self;

    /// Handles the answer to that.
    fn accept(&mut self, packet: Self::Packet, codec: &mut Self::Codec) -> Result<Accepted, Lost>;

    /// Handles a packet; returns an immediate answer.
    fn receive(&mut self, packet: Self::Packet) -> Result<Option<Self::Packet>, Lost>;

    /// The packet of a request, if one is to be sent now.
    fn request(&mut self, request: Request, mqtt: &Mqtt) -> Result<Option<Self::Packet>, Lost>;

    /// Sends a ping; fails if the last one was not answered.
    fn ping(&mut self) -> Result<Option<Self::Packet>, Lost>;

    /// Whether the broker accepts more messages before it has acknowledged others.
    fn has_room(&self) -> bool;

    /// The next event caused by packets, in either direction.
    fn next_event(&mut self) -> Option<Happened>;
}

/// The broker's answer to a client that it accepts.
pub(super) struct Accepted {
    /// Whether it remembers the client.
    pub(super) is_known: bool,
    /// Its keep-alive interval, if it wants another than the client.
    pub(super) keep_alive: Option<Duration>,
}

/// 3.1.1.
pub(super) struct Three(rumqttc::MqttState);

/// 5.
pub(super) struct Five {
    state: v5::MqttState,
    in_flight: u16,
}

impl Version for Three {
    type Packet = three::Packet;
    type Error = mqttbytes::Error;
    type Codec = three::Codec;

    fn codec(mqtt: &Mqtt) -> three::Codec {
        let max_len = mqtt.max_len as usize;
        three::Codec {
            max_incoming_size: max_len,
            max_outgoing_size: max_len,
        }
    }

    fn connect(mqtt: &Mqtt, id: &str, keeps: bool) -> three::Packet {
        let mut connect = three::Connect::new(id);
        connect.keep_alive = seconds(mqtt.keep_alive);
        connect.clean_session = !keeps;
        if let Some((user, password)) = &mqtt.login {
            connect.set_login(user, password);
        }
        three::Packet::Connect(connect)
    }

    fn new() -> Self {
        Self(rumqttc::MqttState::new(IN_FLIGHT_3, true))
    }

    fn accept(&mut self, packet: three::Packet, _: &mut three::Codec) -> Result<Accepted, Lost> {
        use three::ConnectReturnCode as Code;

        let three::Packet::ConnAck(ack) = packet else {
            return Err(NO_ANSWER.into());
        };
        let remedy = match ack.code {
            Code::Success => {
                return Ok(Accepted {
                    is_known: ack.session_present,
                    keep_alive: None,
                });
            }
            Code::ServiceUnavailable => None,
            Code::RefusedProtocolVersion => Some(OTHER_VERSION),
            _ => Some(LOGIN),
        };
        Err(refused(ack.code, remedy))
    }

    fn receive(&mut self, packet: three::Packet) -> Result<Option<three::Packet>, Lost> {
        self.0.handle_incoming_packet(packet).map_err(Lost::from)
    }

    fn request(&mut self, request: Request, mqtt: &Mqtt) -> Result<Option<three::Packet>, Lost> {
        let topic = mqtt.topic.as_str();
        let qos = match mqtt.qos {
            Qos::AtMostOnce => rumqttc::QoS::AtMostOnce,
            Qos::AtLeastOnce => rumqttc::QoS::AtLeastOnce,
        };
        let request = match request {
            Request::Subscribe => rumqttc::Request::Subscribe(three::Subscribe::new(topic, qos)),
            Request::Publish(payload) => {
                let mut publish = three::Publish::from_bytes(topic, qos, payload);
                publish.retain = mqtt.retain;
                rumqttc::Request::Publish(publish)
            }
            Request::Acknowledge(Receipt { id, .. }) => {
                rumqttc::Request::PubAck(three::PubAck::new(id))
            }
            Request::Disconnect => rumqttc::Request::Disconnect(three::Disconnect),
        };
        self.0.handle_outgoing_packet(request).map_err(Lost::from)
    }

    fn ping(&mut self) -> Result<Option<three::Packet>, Lost> {
        let ping = rumqttc::Request::PingReq(three::PingReq);
        self.0.handle_outgoing_packet(ping).map_err(Lost::from)
    }

    fn has_room(&self) -> bool {
        self.0.inflight() < IN_FLIGHT_3 && self.0.collision.is_none()
    }

    fn next_event(&mut self) -> Option<Happened> {
        self.0.events.pop_front().map(three_event)
    }
}

impl Version for Five {
    type Packet = five::Packet;
    type Error = v5::mqttbytes::Error;
    type Codec = five::Codec;

    fn codec(mqtt: &Mqtt) -> five::Codec {
        five::Codec {
            max_incoming_size: Some(mqtt.max_len),
            max_outgoing_size: None,
        }
    }

    fn connect(mqtt: &Mqtt, id: &str, keeps: bool) -> five::Packet {
        let properties = five::ConnectProperties {
            session_expiry_interval: keeps.then_some(FOR_EVER),
            max_packet_size: Some(mqtt.max_len),
            ..five::ConnectProperties::new()
        };
        let connect = five::Connect {
            keep_alive: seconds(mqtt.keep_alive),
            client_id: id.to_string(),
            clean_start: !keeps,
            properties: Some(properties),
        };
        let login = mqtt.login.as_ref();
        let login = login.map(|(user, password)| five::Login::new(user, password));
        five::Packet::Connect(connect, None, login)
    }

    fn new() -> Self {
        Self {
            state: v5::MqttState::new(IN_FLIGHT_5, true),
            in_flight: IN_FLIGHT_5,
        }
    }

    fn accept(&mut self, packet: five::Packet, codec: &mut five::Codec) -> Result<Accepted, Lost> {
        use five::ConnectReturnCode as Code;

        let five::Packet::ConnAck(ack) = packet else {
            return Err(NO_ANSWER.into());
        };
        match ack.code {
            Code::Success => {}
            Code::UnsupportedProtocolVersion | Code::RefusedProtocolVersion => {
                return Err(refused(ack.code, Some(OTHER_VERSION)));
            }
            Code::BadClientId
            | Code::ClientIdentifierNotValid
            | Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::Banned
            | Code::BadAuthenticationMethod => return Err(refused(ack.code, Some(LOGIN))),
            code => return Err(refused(code, None)),
        }
        let mut accepted = Accepted {
            is_known: ack.session_present,
            keep_alive: None,
        };
        if let Some(properties) = &ack.properties {
            codec.max_outgoing_size = properties.max_packet_size;
            self.in_flight = properties.receive_max.unwrap_or(IN_FLIGHT_5);
            self.in_flight = self.in_flight.clamp(1, IN_FLIGHT_5);
            let keep_alive = properties.server_keep_alive;
            // Zero is invalid.
            let keep_alive = keep_alive.filter(|seconds| *seconds > 0);
            accepted.keep_alive = keep_alive.map(|seconds| Duration::from_secs(seconds.into()));
        }
        self.receive(five::Packet::ConnAck(ack))?;
        // It is told otherwise.
        self.state.events.clear();
        Ok(accepted)
    }

    fn receive(&mut self, packet: five::Packet) -> Result<Option<five::Packet>, Lost> {
        self.state
            .handle_incoming_packet(packet)
            .map_err(Lost::from)
    }

    fn request(&mut self, request: Request, mqtt: &Mqtt) -> Result<Option<five::Packet>, Lost> {
        let topic = mqtt.topic.as_str();
        let qos = match mqtt.qos {
            Qos::AtMostOnce => v5::mqttbytes::QoS::AtMostOnce,
            Qos::AtLeastOnce => v5::mqttbytes::QoS::AtLeastOnce,
        };
        let request = match request {
            Request::Subscribe => {
                let filter = five::Filter::new(topic, qos);
                v5::Request::Subscribe(five::Subscribe::new(filter, None))
            }
            Request::Publish(payload) => {
                let mut publish = five::Publish::new(topic, qos, payload, None);
                publish.retain = mqtt.retain;
                v5::Request::Publish(publish)
            }
            Request::Acknowledge(Receipt { id, .. }) => {
                v5::Request::PubAck(five::PubAck::new(id, None))
            }
            Request::Disconnect => v5::Request::Disconnect,
        };
        self.state
            .handle_outgoing_packet(request)
            .map_err(Lost::from)
    }

    fn ping(&mut self) -> Result<Option<five::Packet>, Lost> {
        let ping = self.state.handle_outgoing_packet(v5::Request::PingReq);
        ping.map_err(Lost::from)
    }

    fn has_room(&self) -> bool {
        self.state.inflight() < self.in_flight && self.state.collision.is_none()
    }

    fn next_event(&mut self) -> Option<Happened> {
        self.state.events.pop_front().map(five_event)
    }
}

fn seconds(interval: Duration) -> u16 {
    u16::try_from(interval.as_secs()).unwrap_or(u16::MAX)
}

fn three_event(event: rumqttc::Event) -> Happened {
    match event {
        rumqttc::Event::Incoming(packet) => match packet {
            three::Packet::Publish(publish) => {
                let message = MqttMessage {
                    topic: publish.topic,
                    payload: publish.payload,
                    qos: match publish.qos {
                        rumqttc::QoS::AtMostOnce => Qos::AtMostOnce,
                        _ => Qos::AtLeastOnce,
                    },
                    retain: publish.retain,
                    dup: publish.dup,
                    packet_id: publish.pkid,
                };
                Happened::Message(message, Receipt::of_packet(publish.pkid))
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
            five::Packet::Publish(publish) => {
                let message = MqttMessage {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload,
                    qos: match publish.qos {
                        v5::mqttbytes::QoS::AtMostOnce => Qos::AtMostOnce,
                        _ => Qos::AtLeastOnce,
                    },
                    retain: publish.retain,
                    dup: publish.dup,
                    packet_id: publish.pkid,
                };
                Happened::Message(message, Receipt::of_packet(publish.pkid))
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

const NO_ANSWER: &str = "the broker does not answer as MQTT does";
const OTHER_VERSION: &str = "the broker speaks another version of the protocol";
const LOGIN: &str = "check the login, its permissions, and the client's id";
const TOO_LONG: &str = "raise `max_len`, or have less written at once";

fn refused(code: impl std::fmt::Debug, remedy: Option<&'static str>) -> Lost {
    Lost {
        problem: format!("Connection refused, return code: `{code:?}`"),
        remedy,
    }
}

impl From<mqttbytes::Error> for Lost {
    fn from(error: mqttbytes::Error) -> Self {
        match error {
            mqttbytes::Error::Io(error) => error.into(),
            error => Self {
                problem: error.to_string(),
                remedy: matches!(error, mqttbytes::Error::PayloadSizeLimitExceeded(_))
                    .then_some(TOO_LONG),
            },
        }
    }
}

impl From<v5::mqttbytes::Error> for Lost {
    fn from(error: v5::mqttbytes::Error) -> Self {
        use v5::mqttbytes::Error;

        match error {
            Error::Io(error) => error.into(),
            error => Self {
                problem: error.to_string(),
                remedy: matches!(error, Error::PayloadSizeLimitExceeded { .. }).then_some(TOO_LONG),
            },
        }
    }
}

impl From<rumqttc::StateError> for Lost {
    fn from(error: rumqttc::StateError) -> Self {
        match error {
            rumqttc::StateError::Deserialization(error) => error.into(),
            error => Self {
                problem: error.to_string(),
                remedy: None,
            },
        }
    }
}

impl From<v5::StateError> for Lost {
    fn from(error: v5::StateError) -> Self {
        match error {
            v5::StateError::Deserialization(error) => error.into(),
            error => Self {
                remedy: matches!(error, v5::StateError::IncomingPacketTooLarge { .. })
                    .then_some(TOO_LONG),
                problem: error.to_string(),
            },
        }
    }
}
