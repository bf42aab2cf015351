//! One connection, on either side: messages, pings, and its end.

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

/// How long the other end may take to answer a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

/// The bytes of a connection, whatever it is made over.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Duplex for S {}

/// How a connection is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) max_len: usize,
    /// How long nothing may come before the other end is asked whether it is there.
    pub(super) ping_interval: Duration,
    /// How long it may take to answer.
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

/// How a connection has ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The other end has said so.
    Closed,
    /// It broke, or was given up.
    Broken(String),
}

pub(super) struct Socket {
    stream: WebSocketStream<Box<dyn Duplex>>,
    keeping: Keeping,
    /// When something has last come.
    heard: Instant,
    /// Whether the other end has been asked since then.
    is_asked: bool,
    /// How many of our own questions have been sent, and the last that was answered.
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

    /// Waits for the next message; nothing is lost when the future is dropped. Says farewell to whom it gives up.
    pub(super) async fn next(&mut self) -> Result<WebSocketMessage, Ended> {
        loop {
            if let Some(message) = self.step().await? {
                return Ok(message);
            }
        }
    }

    /// Waits until something has come, or it is time to ask.
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

    /// Sends messages together, and waits until the other end has read them if they are to be confirmed.
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
        // Who answers has read what was before the question.
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

    /// Tells the other end why its message is not taken.
    async fn refuse(&mut self, error: Error) -> Ended {
        let (code, problem) = match &error {
            Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
                let problem =
                    format!("a message of {size} bytes, and at most {max_size} are allowed");
                (CloseCode::Size, problem)
            }
            Error::Utf8(_) => (CloseCode::Invalid, "a text that is not UTF-8".to_string()),
            // There is nobody to be told.
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => return ended(error),
            Error::Protocol(problem) => (CloseCode::Protocol, problem.to_string()),
            _ => return ended(error),
        };
        self.close(code).await;
        Ended::Broken(problem)
    }

    /// Says farewell, and waits a moment for an answer.
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
        // A peer that does not answer in time is disconnected all the same.
        let _ = timeout(FAREWELL, farewell).await;
    }
}

fn ended(error: Error) -> Ended {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed => Ended::Closed,
        error => Ended::Broken(error.to_string()),
    }
}
