//! One connection, on either side: messages, pings, and closing.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message};

use super::WebSocketMessage;

/// Timeout of the closing handshake.
const FAREWELL: Duration = Duration::from_secs(1);

/// The byte stream of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// Settings of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) max_len: usize,
    /// Time without data after which a ping is sent.
    pub(super) ping_interval: Duration,
    /// Time to wait for its answer.
    pub(super) ping_timeout: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            max_len: crate::lines::DEFAULT_MAX_LEN,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
        }
    }
}

impl Keeping {
    pub(super) fn config(self) -> WebSocketConfig {
        WebSocketConfig::default()
            .max_message_size(Some(self.max_len))
            .max_frame_size(Some(self.max_len))
    }
}

/// How a connection ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The peer closed it.
    Closed,
    /// It broke, or was given up.
    Broken(String),
}

pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    keeping: Keeping,
    /// When data was last received.
    heard: Instant,
    /// Whether a ping has been sent since then.
    is_asked: bool,
    /// Number of pings sent for confirmation, and the last one answered.
    asked: u64,
    answered: u64,
}

impl Socket {
    pub(super) fn new(stream: WebSocketStream<Box<dyn Duplex>>, keeping: Keeping) -> Self {
        Self {
            stream,
            keeping,
            heard: Instant::now(),
            is_asked: false,
            asked: 0,
            answered: 0,
        }
    }

    /// Waits for the next message. Cancel-safe. Closes the connection if it is given up.
    pub(super) async fn next(&mut self) -> Result<WebSocketMessage, Ended> {
        loop {
            if let Some(message) = self.step().await? {
                return Ok(message);
            }
        }
    }

    /// Waits for data, or until a ping is due.
    async fn step(&mut self) -> Result<Option<WebSocketMessage>, Ended> {
        let limit = match self.is_asked {
            true => self
                .keeping
                .ping_interval
                .saturating_add(self.keeping.ping_timeout),
            false => self.keeping.ping_interval,
        };
        // Nobody waits for longer than a year.
        let limit = limit.min(Duration::from_secs(366 * 86_400));
        let Ok(come) = timeout_at(self.heard + limit, self.stream.next()).await else {
            if self.is_asked {
                let silent = limit.as_secs_f64();
                return Err(Ended::Broken(format!("nothing has come for {silent} s")));
            }
            self.is_asked = true;
            self.send(Message::Ping(Bytes::new())).await?;
            return Ok(None);
        };
        let message = match come {
            None => return Err(Ended::Closed),
            Some(Ok(message)) => message,
            Some(Err(error)) => return Err(self.refuse(error).await),
        };
        self.heard = Instant::now();
        self.is_asked = false;
        if let Message::Pong(payload) = &message
            && let Ok(number) = <[u8; 8]>::try_from(&payload[..])
        {
            self.answered = self
                .answered
                .max(u64::from_be_bytes(number).min(self.asked));
        }
        Ok(WebSocketMessage::of(message))
    }

    /// Sends messages together; if they are to be confirmed, waits until the peer has read them.
    pub(super) async fn send_all(
        &mut self,
        messages: &[WebSocketMessage],
        is_confirmed: bool,
    ) -> Result<(), Ended> {
        let limit = self.keeping.ping_timeout;
        let sent = timeout(limit, async {
            for message in messages {
                self.stream.feed(message.clone().into()).await?;
            }
            self.stream.flush().await
        });
        match sent.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(ended(error)),
            Err(_) => {
                return Err(Ended::Broken(format!(
                    "it has not read for {} s",
                    limit.as_secs_f64()
                )));
            }
        }
        if !is_confirmed {
            return Ok(());
        }
        // An answered ping means that everything before it was read.
        self.asked += 1;
        self.send(Message::Ping(self.asked.to_be_bytes().to_vec().into()))
            .await?;
        let answered = timeout(limit, async {
            while self.answered < self.asked {
                self.step().await?;
            }
            Ok(())
        });
        let late = || Ended::Broken(format!("it has not answered for {} s", limit.as_secs_f64()));
        answered.await.map_err(|_| late())?
    }

    async fn send(&mut self, message: Message) -> Result<(), Ended> {
        let limit = self.keeping.ping_timeout;
        match timeout(limit, self.stream.send(message)).await {
            Ok(sent) => sent.map_err(ended),
            Err(_) => Err(Ended::Broken(format!(
                "it has not read for {} s",
                limit.as_secs_f64()
            ))),
        }
    }

    /// Closes the connection with the reason for refusing a message.
    async fn refuse(&mut self, error: Error) -> Ended {
        let (code, problem) = match &error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let problem =
                    format!("a message of {size} bytes, and at most {max_size} are allowed");
                (CloseCode::Size, problem)
            }
            Error::Utf8(_) => (CloseCode::Invalid, "a text that is not UTF-8".to_string()),
            // The peer may be gone.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return ended(error),
            Error::Protocol(problem) => (CloseCode::Protocol, problem.to_string()),
            _ => return ended(error),
        };
        self.close(code).await;
        Ended::Broken(problem)
    }

    /// Performs the closing handshake, for a short time.
    pub(super) async fn close(&mut self, code: CloseCode) {
        let frame = CloseFrame {
            code,
            reason: "".into(),
        };
        let farewell = async {
            self.stream.close(Some(frame)).await?;
            while self.stream.next().await.transpose()?.is_some() {}
            Ok::<(), Error>(())
        };
        // A peer that does not answer in time is disconnected anyway.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

fn ended(error: Error) -> Ended {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ended::Closed,
        error => Ended::Broken(error.to_string()),
    }
}
