//! Addresses that servers listen on, before and while their sources run.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use tokio::sync::watch;

/// Timeout of waiting for the port to be free.
const FREE_PORT: Duration = Duration::from_secs(1);

/// A host and a port. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Listeners, until the source takes them.
    listeners: Arc<Mutex<Vec<TcpListener>>>,
    /// Closes the source's listeners while it runs.
    gate: Arc<Mutex<Option<Arc<Gate>>>>,
}

/// Closes the listeners of a source, from any thread.
#[derive(Debug)]
pub(crate) struct Gate {
    close: watch::Sender<bool>,
    /// Open as long as one of the listeners is.
    closed: Mutex<mpsc::Receiver<()>>,
}

impl Gate {
    /// Closes the listeners, and waits until the port is free. Their threads run no user code, so that is soon.
    pub(crate) fn close(&self) {
        self.close.send_replace(true);
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = closed.recv_timeout(FREE_PORT);
    }
}

/// Listeners that a source has taken, and their gate.
pub(crate) type Taken = (Vec<Listener>, Arc<Gate>);

/// A listener that its [`Gate`] can close.
#[derive(Debug)]
pub(crate) struct Listener {
    listener: TcpListener,
    latch: Latch,
}

impl Listener {
    /// Registers the listener with the current runtime, with what is to be dropped after it.
    ///
    /// # Errors
    /// The runtime refuses it.
    pub(crate) fn open(self) -> io::Result<(tokio::net::TcpListener, Latch)> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        Ok((listener, self.latch))
    }
}

/// Signals when a listener is to be closed. To be dropped after the listener.
#[derive(Debug)]
pub(crate) struct Latch {
    closing: watch::Receiver<bool>,
    _gate: Arc<Gate>,
    _open: mpsc::Sender<()>,
}

impl Latch {
    /// Waits until the listener is to be closed.
    pub(crate) async fn closing(&mut self) {
        // The gate exists as long as this does.
        let _ = self.closing.wait_for(|closing| *closing).await;
    }
}

impl Place {
    /// A port on loopback.
    pub(crate) fn here(port: u16) -> Self {
        Self {
            host: "localhost".to_owned(),
            port,
            listeners: Arc::default(),
            gate: Arc::default(),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Starts to listen, unless it does; returns the address.
    pub(crate) fn listen(&self) -> io::Result<SocketAddr> {
        let mut listeners = self.listeners();
        if listeners.is_empty() {
            *listeners = bind(&self.host, self.port)?;
        }
        listeners[0].local_addr()
    }

    /// Takes the listeners, for the source, and their gate.
    pub(crate) fn take(&self) -> io::Result<Taken> {
        self.listen()?;
        let (open, closed) = mpsc::channel();
        let gate = Arc::new(Gate {
            close: watch::Sender::new(false),
            closed: Mutex::new(closed),
        });
        *self.gate() = Some(gate.clone());
        let mut listening = self.listeners();
        let listeners = listening.drain(..).map(|listener| Listener {
            listener,
            latch: Latch {
                closing: gate.close.subscribe(),
                _gate: gate.clone(),
                _open: open.clone(),
            },
        });
        let listeners = listeners.collect();
        drop(listening);
        Ok((listeners, gate))
    }

    /// Stops listening, also if the source has the listeners. Returns whether it had not.
    pub(crate) fn release(&self) -> bool {
        let had_not = self.listeners().drain(..).count() > 0;
        let gate = self.gate().take();
        if let Some(gate) = gate {
            gate.close();
        }
        had_not
    }

    fn gate(&self) -> MutexGuard<'_, Option<Arc<Gate>>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<TcpListener>> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listens on all addresses of a host: `localhost` has two.
///
/// # Errors
/// None of them can be listened on.
fn bind(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut refused = None;
    let mut addresses: Vec<SocketAddr> = (host, port).to_socket_addrs()?.collect();
    // For any free port, all addresses get the same one.
    addresses.sort_by_key(|address| !address.is_ipv4());
    for mut address in addresses {
        if let Some(first) = listeners.first()
            && port == 0
        {
            address.set_port(first.local_addr()?.port());
        }
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        match bound {
            Ok(listener) => listeners.push(listener),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match (listeners.is_empty(), refused) {
        // Another program with the same port would get a part of the requests.
        (_, Some(error)) if port != 0 && error.kind() == io::ErrorKind::AddrInUse => Err(error),
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the host has no address",
        )),
        (false, _) => Ok(listeners),
    }
}
