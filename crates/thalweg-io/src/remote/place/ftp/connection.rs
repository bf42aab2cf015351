//! A connection to an FTP server: commands and answers, and data connections.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use tokio::io::{self, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::answer::{Answer, AnswerBuffer, MAX_ANSWER, not_ftp};
use crate::remote::RemoteFailure;
use crate::remote::address::Scheme;
use crate::remote::error::Trouble;
use crate::remote::place::Place;

/// The port of implicit TLS.
const IMPLICIT_TLS: u16 = 990;

/// One connection, with TLS or without.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// A control connection.
pub(super) struct Connection {
    /// None during the TLS handshake.
    socket: Option<Socket>,
    peer: IpAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    connect_timeout: Duration,
    time_limit: Duration,
    answers: AnswerBuffer,
}

fn lost(error: io::Error) -> Trouble {
    Trouble::passing(error.to_string())
}

fn closed() -> Trouble {
    Trouble::passing("the server has closed the connection")
}

impl Connection {
    /// Connects, and logs in.
    pub(super) async fn open(place: &Place) -> Result<Self, Trouble> {
        let address = &place.address;
        let port = address.port.unwrap_or(21);
        let limit = place.remote.options.connect_timeout;
        let connected = timeout(limit, TcpStream::connect((address.host.as_str(), port))).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = connected.map_err(lost)?;
        let peer = stream.peer_addr().map_err(lost)?.ip();
        let mut connection = Self {
            socket: Some(Socket::Plain(stream)),
            peer,
            tls: None,
            connect_timeout: limit,
            time_limit: place.remote.time_limit,
            answers: AnswerBuffer::new(MAX_ANSWER),
        };
        let wants_tls = address.scheme == Scheme::Ftps;
        if wants_tls && port == IMPLICIT_TLS {
            connection.start_tls(&address.host).await?;
        }
        connection.answer().await?.check()?;
        if wants_tls && port != IMPLICIT_TLS {
            connection.ask("AUTH", "TLS").await?.check()?;
            connection.start_tls(&address.host).await?;
        }
        if wants_tls {
            connection.ask("PBSZ", "0").await?.check()?;
            connection.ask("PROT", "P").await?.check()?;
        }
        let user = address.user.as_deref().unwrap_or("anonymous");
        if connection.ask("USER", user).await?.check()?.code == 331 {
            let password = address.password.as_deref().unwrap_or("anonymous@");
            connection.ask("PASS", password).await?.check()?;
        }
        // For servers that support UTF-8 names, which most others use anyway.
        connection.ask("OPTS", "UTF8 ON").await?;
        connection.ask("TYPE", "I").await?.check()?;
        Ok(connection)
    }

    async fn start_tls(&mut self, host: &str) -> Result<(), Trouble> {
        // Anything received before it is not authenticated.
        if !self.answers.is_empty() {
            let problem = "the server sent more than its answer before TLS";
            return Err(Trouble::lasting(RemoteFailure::Other, problem));
        }
        let name = ServerName::try_from(host.to_owned());
        let name =
            name.map_err(|error| Trouble::lasting(RemoteFailure::Other, error.to_string()))?;
        let connector = TlsConnector::from(config()?);
        self.tls = Some((connector, name));
        if let Some(plain) = self.socket.take() {
            self.socket = Some(self.secure(plain).await?);
        }
        Ok(())
    }

    /// The same connection, over TLS if that was negotiated.
    async fn secure(&self, socket: Socket) -> Result<Socket, Trouble> {
        let (Some((connector, name)), Socket::Plain(stream)) = (&self.tls, socket) else {
            let problem = "TLS was begun twice";
            return Err(Trouble::lasting(RemoteFailure::Other, problem));
        };
        let secured = timeout(self.time_limit, connector.connect(name.clone(), stream)).await;
        let secured = secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        Ok(Socket::Tls(Box::new(secured.map_err(lost)?)))
    }

    /// Sends a command, and waits for its answer.
    pub(super) async fn ask(&mut self, command: &str, what: &str) -> Result<Answer, Trouble> {
        self.send(command, what).await?;
        self.answer().await
    }

    async fn send(&mut self, command: &str, what: &str) -> Result<(), Trouble> {
        let line = match what {
            "" => format!("{command}\r\n"),
            what => format!("{command} {what}\r\n"),
        };
        let socket = self.socket.as_mut().ok_or_else(closed)?;
        let sent = async {
            socket.write_all(line.as_bytes()).await?;
            socket.flush().await
        };
        let sent = timeout(self.time_limit, sent).await;
        let sent = sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        sent.map_err(lost)
    }

    async fn answer(&mut self) -> Result<Answer, Trouble> {
        loop {
            if let Some(answer) = self.answers.next_answer()? {
                return Ok(answer);
            }
            let socket = self.socket.as_mut().ok_or_else(closed)?;
            let mut piece = [0; 1024];
            let read = timeout(self.time_limit, socket.read(&mut piece)).await;
            let read = read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            match read.map_err(lost)? {
                0 => return Err(closed()),
                len => self.answers.push(&piece[..len]),
            }
        }
    }

    /// A data connection that reads a file from this offset on.
    pub(super) async fn transfer(
        &mut self,
        command: &str,
        path: &str,
        offset: u64,
    ) -> Result<Socket, Trouble> {
        let data = self.data().await?;
        if offset > 0 {
            self.ask("REST", &offset.to_string()).await?.check()?;
        }
        let answer = self.ask(command, path).await?;
        if !(100..200).contains(&answer.code) {
            return Err(answer.trouble());
        }
        match self.tls {
            Some(_) => self.secure(data).await,
            None => Ok(data),
        }
    }

    /// A data connection to a new file; missing folders are created.
    pub(super) async fn store(&mut self, path: &str) -> Result<Socket, Trouble> {
        let refused = match self.transfer("STOR", path, 0).await {
            Ok(data) => return Ok(data),
            Err(trouble) => trouble,
        };
        let Trouble::Failed {
            reason: RemoteFailure::NotFound | RemoteFailure::Other,
            ..
        } = refused
        else {
            return Err(refused);
        };
        for (end, _) in path.match_indices('/') {
            // Existing ones are refused.
            self.ask("MKD", &path[..end]).await?;
        }
        // A server may answer "not found" for missing permissions: its first answer counts.
        self.transfer("STOR", path, 0)
            .await
            .map_err(|again| match again {
                Trouble::Failed { .. } => refused,
                again => again,
            })
    }

    /// A data connection to the same address as this one, whatever the server says.
    async fn data(&mut self) -> Result<Socket, Trouble> {
        let extended = self.ask("EPSV", "").await?;
        let port = match extended.code {
            229 => extended.extended_port(),
            _ if self.peer.is_ipv4() => self.ask("PASV", "").await?.check()?.passive_port(),
            _ => return Err(extended.trouble()),
        };
        let port = port.ok_or_else(|| not_ftp("no port for data"))?;
        let connected = TcpStream::connect(SocketAddr::new(self.peer, port));
        let connected = timeout(self.connect_timeout, connected).await;
        let connected = connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        Ok(Socket::Plain(connected.map_err(lost)?))
    }

    /// Waits until the server says that a transfer has ended.
    pub(super) async fn finish(&mut self) -> Result<(), Trouble> {
        self.answer().await?.check().map(drop)
    }

    pub(super) async fn rename(&mut self, from: &str, to: &str) -> Result<(), Trouble> {
        self.ask("RNFR", from).await?.check()?;
        let renamed = self.ask("RNTO", to).await?;
        if renamed.code < 500 {
            return renamed.check().map(drop);
        }
        // Some servers do not replace existing files.
        self.ask("DELE", to).await?;
        self.ask("RNFR", from).await?.check()?;
        self.ask("RNTO", to).await?.check().map(drop)
    }

    /// Says goodbye; errors do not matter.
    pub(super) async fn quit(mut self) {
        let _ = self.send("QUIT", "").await;
    }
}

/// TLS configuration of one control connection and its data connections, which servers require to resume its session,
/// and no other.
fn config() -> Result<Arc<ClientConfig>, Trouble> {
    static CONFIG: OnceLock<ClientConfig> = OnceLock::new();
    let mut config = match CONFIG.get() {
        Some(config) => config.clone(),
        None => {
            let made = crate::tls::client_config();
            let failed =
                |error: rustls::Error| Trouble::lasting(RemoteFailure::Other, error.to_string());
            let made = made.map_err(failed)?;
            CONFIG.get_or_init(|| made).clone()
        }
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Ok(Arc::new(config))
}

impl Socket {
    /// Closes the sending side, and waits until the other end has received it.
    ///
    /// # Errors
    /// The connection is lost.
    pub(super) async fn end(mut self, limit: Duration) -> io::Result<()> {
        self.shutdown().await?;
        if let Self::Tls(_) = self {
            // Drains what the server has sent for TLS: closing with unread bytes would reset the connection, and lose
            // the end of the file.
            let mut rest = Vec::new();
            let _ = timeout(limit, self.take(1 << 16).read_to_end(&mut rest)).await;
        }
        Ok(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
