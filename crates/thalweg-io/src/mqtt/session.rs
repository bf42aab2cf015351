//! A connection to a broker.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use async_channel::Receiver;
use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_util::codec::Framed;

use super::Mqtt;
use super::link::{Happened, Lost, Request};
use super::version::Version;
use crate::tls::{REMEDY, is_refusal, secure};

/// Maximum packets read, or requests written, before events are reported.
const TOGETHER: usize = 10;

/// Timeout of writing to the broker.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection in the clear or by TLS.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

type Framing<V> = Framed<Box<dyn Duplex>, <V as Version>::Codec>;

/// A connection accepted by the broker.
pub(super) struct Session<V: Version> {
    number: u64,
    framed: Framing<V>,
    version: V,
    keep_alive: Duration,
    ping: Pin<Box<Sleep>>,
    /// Why it ended, reported after earlier events.
    lost: Option<Lost>,
}

impl<V: Version> Session<V> {
    /// Connects; returns also whether the broker remembers the client.
    pub(super) async fn open(
        mqtt: &Mqtt,
        id: &str,
        keeps: bool,
        number: u64,
    ) -> Result<(Self, bool), Lost> {
        let stream = connect(mqtt).await?;
        let mut framed = Framed::new(stream, V::codec(mqtt));
        write::<V>(&mut framed, V::connect(mqtt, id, keeps)).await?;
        flush::<V>(&mut framed).await?;
        let answer = framed.next().await.ok_or_else(closed)?;
        let answer = answer.map_err(Into::into)?;
        let mut version = V::new();
        let accepted = version.accept(answer, framed.codec_mut())?;
        let keep_alive = accepted.keep_alive.unwrap_or(mqtt.keep_alive);
        let session = Self {
            number,
            framed,
            version,
            keep_alive,
            ping: Box::pin(sleep(keep_alive)),
            lost: None,
        };
        Ok((session, accepted.is_known))
    }

    /// Waits for the next event, and meanwhile executes requests.
    pub(super) async fn next(
        &mut self,
        requests: &Receiver<Request>,
        mqtt: &Mqtt,
    ) -> Result<Happened, Lost> {
        loop {
            if let Some(mut happened) = self.version.next_event() {
                if let Happened::Message(_, receipt) = &mut happened {
                    receipt.connection = self.number;
                }
                return Ok(happened);
            }
            if let Some(lost) = self.lost.take() {
                return Err(lost);
            }
            if let Err(lost) = self.work(requests, mqtt).await {
                self.lost = Some(lost);
            }
        }
    }

    async fn work(&mut self, requests: &Receiver<Request>, mqtt: &Mqtt) -> Result<(), Lost> {
        tokio::select! {
            packet = self.framed.next() => {
                self.receive(packet).await?;
                for _ in 1..TOGETHER {
                    let Some(packet) = self.framed.next().now_or_never() else {
                        break;
                    };
                    self.receive(packet).await?;
                }
            }
            request = requests.recv(), if self.version.has_room() => {
                let Ok(request) = request else {
                    return Err("nobody uses the connection".into());
                };
                self.ask(request, mqtt).await?;
                for _ in 1..TOGETHER {
                    if !self.version.has_room() {
                        break;
                    }
                    let Ok(request) = requests.try_recv() else {
                        break;
                    };
                    self.ask(request, mqtt).await?;
                }
            }
            () = self.ping.as_mut() => {
                self.ping.as_mut().reset(Instant::now() + self.keep_alive);
                if let Some(ping) = self.version.ping()? {
                    write::<V>(&mut self.framed, ping).await?;
                }
            }
        }
        flush::<V>(&mut self.framed).await
    }

    async fn receive(&mut self, packet: Option<Result<V::Packet, V::Error>>) -> Result<(), Lost> {
        let packet = packet.ok_or_else(closed)?.map_err(Into::into)?;
        match self.version.receive(packet)? {
            Some(answer) => write::<V>(&mut self.framed, answer).await,
            None => Ok(()),
        }
    }

    async fn ask(&mut self, request: Request, mqtt: &Mqtt) -> Result<(), Lost> {
        if matches!(request, Request::Acknowledge(receipt) if receipt.connection != self.number) {
            return Ok(());
        }
        let is_last = matches!(request, Request::Disconnect);
        if let Some(packet) = self.version.request(request, mqtt)? {
            write::<V>(&mut self.framed, packet).await?;
        }
        if is_last {
            // Only this direction: closing with unread bytes would reset the connection, and lose the last packets.
            let closed = timeout(FLUSH_TIMEOUT, self.framed.close()).await;
            closed.map_err(|_| late())?.map_err(Into::into)?;
        }
        Ok(())
    }
}

async fn connect(mqtt: &Mqtt) -> Result<Box<dyn Duplex>, Lost> {
    let tls = match &mqtt.tls {
        None => None,
        Some(files) => Some(files.connector().map_err(|error| Lost {
            problem: error.to_string(),
            remedy: Some(FILES),
        })?),
    };
    let host = mqtt.host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((host, mqtt.port)).await?;
    stream.set_nodelay(true)?;
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(secure(&tls, host, stream).await?),
    })
}

const FILES: &str = "give files in PEM, or none for the certificates of the system";

async fn write<V: Version>(framed: &mut Framing<V>, packet: V::Packet) -> Result<(), Lost> {
    let written = timeout(FLUSH_TIMEOUT, framed.feed(packet)).await;
    written.map_err(|_| late())?.map_err(Into::into)
}

async fn flush<V: Version>(framed: &mut Framing<V>) -> Result<(), Lost> {
    let flushed = timeout(FLUSH_TIMEOUT, framed.flush()).await;
    flushed.map_err(|_| late())?.map_err(Into::into)
}

fn closed() -> Lost {
    "the connection was closed by the broker".into()
}

fn late() -> Lost {
    "the broker does not read".into()
}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self {
            problem: error.to_string(),
            remedy: is_refusal(&error).then_some(REMEDY),
        }
    }
}
