//! Test certificates, and a TLS proxy for servers without TLS.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, thread};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

/// A certificate authority, with the files of its certificates.
pub(crate) struct Authority {
    dir: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::new(Vec::new())?;
        // A unique name: verifiers look authorities up by name.
        let name = format!("authority {}", NEXT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let dir = tempfile::tempdir()?;
        fs::write(dir.path().join("authority.pem"), issuer.pem())?;
        Ok(Self { dir, issuer })
    }

    /// The file of the authority's certificate.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("authority.pem")
    }

    /// Creates a certificate for a host; returns its file and that of its key.
    pub(crate) fn certificate(&self, host: &str) -> Result<(PathBuf, PathBuf), Box<dyn Error>> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec![host.to_string()])?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let file = |kind| self.dir.path().join(format!("{host}.{kind}.pem"));
        fs::write(file("certificate"), certificate.pem())?;
        fs::write(file("key"), key.serialize_pem())?;
        Ok((file("certificate"), file("key")))
    }
}

/// A TLS proxy in front of a server. Dropping it cuts all connections.
pub(crate) struct TlsFront {
    port: u16,
    _end: oneshot::Sender<()>,
}

impl TlsFront {
    /// Accepts connections on a new port, and forwards them to the port of a server.
    pub(crate) fn start(tls: TlsAcceptor, port: u16) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = oneshot::channel::<()>();
        thread::spawn(move || {
            runtime.block_on(async {
                let passing = pass_all(tls, listener, ([127, 0, 0, 1], port).into());
                tokio::select! {
                    _ = ended => {}
                    _ = passing => {}
                }
            });
        });
        Ok(Self {
            port: address.port(),
            _end: end,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

async fn pass_all(
    tls: TlsAcceptor,
    listener: std::net::TcpListener,
    server: SocketAddr,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (client, _) = listener.accept().await?;
        let tls = tls.clone();
        // Connections closed by the client are not errors.
        tokio::spawn(async move {
            let mut client = tls.accept(client).await?;
            let mut server = TcpStream::connect(server).await?;
            copy_bidirectional(&mut client, &mut server).await
        });
    }
}
