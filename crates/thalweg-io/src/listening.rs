//! Addresses that servers listen at, before their sources run and after.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A host and a port. Clones are the same place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Listeners, until the source takes them.
    listeners: Arc<Mutex<Vec<TcpListener>>>,
}

impl Place {
    /// A port that others cannot reach.
    pub(crate) fn here(port: u16) -> Self {
        Self {
            host: "localhost".to_owned(),
            port,
            listeners: Arc::default(),
        }
    }

    pub(crate) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Begins to listen, unless it does; returns the address.
    pub(crate) fn listen(&self) -> io::Result<SocketAddr> {
        let mut listeners = self.listeners();
        if listeners.is_empty() {
            *listeners = bind(&self.host, self.port)?;
        }
        listeners[0].local_addr()
    }

    /// Takes the listeners, for the source.
    pub(crate) fn take(&self) -> io::Result<Vec<TcpListener>> {
        self.listen()?;
        Ok(std::mem::take(&mut *self.listeners()))
    }

    /// Stops listening, unless the source has the listeners. Returns whether it stopped.
    pub(crate) fn release(&self) -> bool {
        self.listeners().drain(..).count() > 0
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
    // Where any port will do, all addresses get the same one.
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
        // Another program that has the port would get a part of the requests.
        (_, Some(error)) if port != 0 && error.kind() == io::ErrorKind::AddrInUse => Err(error),
        (true, Some(error)) => Err(error),
        (true, None) => Err(io::Error::new(
            io::ErrorKind::NotFound,
            "the host has no address",
        )),
        (false, _) => Ok(listeners),
    }
}
