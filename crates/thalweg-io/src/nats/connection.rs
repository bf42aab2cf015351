//! The connection, its state, and the consumer.

use std::error::Error;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Config as ConsumerConfig;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy};
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind};
use async_nats::jetstream::stream::{Config as StreamConfig, ConsumerErrorKind};
use async_nats::jetstream::{Context, ContextBuilder, ErrorCode};
use async_nats::{Client, ConnectErrorKind, ConnectOptions, Event, ServerError};
use rustls::crypto::{CryptoProvider, ring};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::{Nats, NatsError};

/// Timeout of connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of confirming a message.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum number of unconfirmed messages.
const MAX_UNCONFIRMED: usize = 4096;

/// State of a connection. The client reconnects by itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// Number of times it has been established.
    pub(super) connections: u64,
    pub(super) is_lost: bool,
    /// A permanent refusal by the server, and the remedy.
    pub(super) refused: Option<(String, &'static str)>,
    /// Number of times that messages were dropped.
    pub(super) dropped: u64,
}

/// An error; with a remedy if a retry would not help.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) problem: String,
    pub(super) remedy: Option<&'static str>,
}

/// Creates a client, which reconnects by itself.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) jetstream: Context,
    pub(super) state: Receiver<State>,
}

impl Link {
    pub(super) async fn open(nats: &Nats) -> Result<Self, Lost> {
        let servers = nats.servers().map_err(|error| Lost {
            problem: error.to_string(),
            remedy: Some("give another URL"),
        })?;
        if CryptoProvider::get_default().is_none() {
            // Another provider installed meanwhile is as good.
            let _ = ring::default_provider().install_default();
        }
        let (sender, state) = channel(State::default());
        let (retries, waiting) = (nats.retries, nats.max_waiting);
        let mut options = ConnectOptions::new()
            .name("thalweg")
            .connection_timeout(CONNECT_TIMEOUT)
            .max_reconnects(None)
            .reconnect_delay_callback(move |number| {
                retries.pause(u32::try_from(number).unwrap_or(u32::MAX))
            })
            // Includes the server's last answer to each request.
            .subscription_capacity(waiting + 16)
            .event_callback(move |event| {
                take(&sender, &event);
                std::future::ready(())
            });
        if let Some(token) = &nats.token {
            options = options.token(token.clone());
        }
        if let Some(path) = &nats.authorities {
            options = options
                .add_root_certificates(path.clone())
                .require_tls(true);
        }
        let client = options.connect(servers).await.map_err(|error| Lost {
            problem: chain(&error),
            remedy: match error.kind() {
                ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
                    Some(LOGIN)
                }
                ConnectErrorKind::Tls => Some("check the certificates, of both sides"),
                _ => None,
            },
        })?;
        let jetstream = ContextBuilder::new()
            .timeout(CONFIRM_TIMEOUT)
            .max_ack_inflight(MAX_UNCONFIRMED)
            // Messages whose confirmation nobody awaits any more, as after a lost connection, make room at once.
            .ack_timeout(Duration::ZERO)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            state,
        })
    }

    /// Waits until the client has reconnected, if it is about to.
    pub(super) async fn connected(&self) -> Result<(), Lost> {
        let mut state = self.state.clone();
        let connected = state.wait_for(|state| !state.is_lost);
        match timeout(CONFIRM_TIMEOUT, connected).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Lost::connection()),
        }
    }

    /// Waits for answers, unless the connection is lost before: they would not come, and their timeouts are long.
    pub(super) async fn unless_lost<R>(&self, answers: impl Future<Output = R>) -> Result<R, Lost> {
        let mut state = self.state.clone();
        // The client may not have told of the first connection yet.
        let before = state.borrow_and_update().connections.max(1);
        let lost = state.wait_for(|state| state.is_lost || state.connections > before);
        tokio::select! {
            biased;
            answered = answers => Ok(answered),
            _ = lost => Err(Lost::connection()),
        }
    }

    /// Creates the stream if requested.
    pub(super) async fn make_stream(&self, nats: &Nats) -> Result<(), Lost> {
        let (true, Some(name)) = (nats.creates, &nats.stream) else {
            return Ok(());
        };
        let config = StreamConfig {
            name: name.clone(),
            subjects: vec![nats.subject.clone()],
            ..StreamConfig::default()
        };
        let made = self.jetstream.get_or_create_stream(config);
        let made = self.unless_lost(made).await?;
        made.map(drop).map_err(|error| Lost {
            remedy: match error.kind() {
                CreateStreamErrorKind::JetStream(error) => stream_remedy(error.error_code()),
                CreateStreamErrorKind::JetStreamUnavailable => Some(NO_JETSTREAM),
                _ => None,
            },
            problem: chain(&error),
        })
    }

    /// Returns the consumer for the stream. Creates it if it does not exist.
    pub(super) async fn consumer(
        &self,
        nats: &Nats,
        stream: &str,
        durable: &str,
    ) -> Result<PullConsumer, Lost> {
        self.make_stream(nats).await?;
        let found = self.jetstream.get_stream(stream);
        let stream = self.unless_lost(found).await?.map_err(|error| {
            let problem = chain(&error);
            let remedy = match error.kind() {
                GetStreamErrorKind::JetStream(error) => stream_remedy(error.error_code()),
                // Without JetStream nobody answers; a server that is down does not answer in time.
                GetStreamErrorKind::Request if problem.contains("does not exist") => {
                    Some(NO_JETSTREAM)
                }
                _ => None,
            };
            Lost { problem, remedy }
        })?;
        let config = ConsumerConfig {
            durable_name: Some(durable.to_string()),
            filter_subject: nats.subject.clone(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: nats.ack_wait,
            deliver_policy: match nats.from_latest {
                true => DeliverPolicy::New,
                false => DeliverPolicy::All,
            },
            max_deliver: nats.max_deliveries.map_or(-1, i64::from),
            max_ack_pending: i64::from(nats.max_in_flight),
            ..ConsumerConfig::default()
        };
        let made = stream.get_or_create_consumer(durable, config);
        self.unless_lost(made).await?.map_err(|error| Lost {
            remedy: match error.kind() {
                ConsumerErrorKind::JetStream(_) => {
                    Some("check the subject, and what the login has a right to")
                }
                ConsumerErrorKind::InvalidConsumerType => {
                    Some("a consumer that messages are pushed to has this name: take another")
                }
                _ => None,
            },
            problem: chain(&error),
        })
    }
}

impl Lost {
    pub(super) fn connection() -> Self {
        Self {
            problem: "the connection was lost".to_string(),
            remedy: None,
        }
    }

    /// Converts it to an error of a source.
    pub(super) fn into_error(self, nats: &Nats) -> NatsError {
        let (address, place, problem) = (nats.address(), nats.place(), self.problem);
        match self.remedy {
            Some(remedy) => NatsError::Refused {
                address,
                place,
                problem,
                remedy,
            },
            None => NatsError::Unreachable {
                address,
                place,
                problem,
            },
        }
    }
}

const LOGIN: &str = "check user, password or token";
const NO_JETSTREAM: &str = "start the server with JetStream, `nats-server --jetstream`";

fn stream_remedy(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::STREAM_NOT_FOUND => "check the stream's name, or have it made: `create`",
        ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT | ErrorCode::JETSTREAM_NOT_ENABLED => {
            NO_JETSTREAM
        }
        ErrorCode::STREAM_SUBJECT_OVERLAP => {
            "another stream keeps this subject: take that one, or another subject"
        }
        _ => return None,
    })
}

/// Handles the events of a client.
fn take(state: &Sender<State>, event: &Event) {
    state.send_modify(|state| match event {
        Event::Connected => {
            state.connections += 1;
            state.is_lost = false;
        }
        Event::Disconnected | Event::Closed => state.is_lost = true,
        Event::SlowConsumer(_) => state.dropped += 1,
        Event::ServerError(ServerError::AuthorizationViolation) => {
            state.refused = Some(("authorization violation".to_string(), LOGIN));
        }
        Event::ServerError(ServerError::Other(problem)) if problem.contains("ermissions") => {
            let remedy = "check what the login has a right to";
            state.refused = Some((problem.clone(), remedy));
        }
        _ => {}
    });
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(error) = next {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        next = error.source();
    }
    text
}
