//! A fault-injecting proxy for tests: it cuts, stalls, slows down, and splits bytes into other chunks.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// The fault of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// No fault.
    Nothing,
    /// Cut after this many bytes, in both directions together.
    CutAfter(usize),
    /// Stalled after this many bytes: the connection stays open.
    StallAfter(usize),
    /// Delays each chunk.
    Slow(Duration),
}

/// A proxy that has not been started.
pub(crate) struct Proxy {
    target: SocketAddr,
    fault: Fault,
    piece: usize,
}

/// A running proxy. Dropping it cuts all connections.
pub(crate) struct RunningProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    target: SocketAddr,
    fault: Mutex<Fault>,
    piece: usize,
    has_ended: AtomicBool,
    connections: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Creates a proxy for a server, such as `127.0.0.1:9000`.
    ///
    /// # Panics
    /// The address is invalid.
    pub(crate) fn to(target: &str) -> Self {
        Self {
            target: target.parse().expect("an address and a port"),
            fault: Fault::Nothing,
            piece: 4096,
        }
    }

    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    /// Splits bytes into chunks of random sizes up to this one.
    pub(crate) fn piece(mut self, bytes: usize) -> Self {
        self.piece = bytes.max(1);
        self
    }

    pub(crate) fn start(self) -> io::Result<RunningProxy> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            target: self.target,
            fault: Mutex::new(self.fault),
            piece: self.piece,
            has_ended: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            open: Mutex::default(),
        });
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.has_ended.load(Ordering::SeqCst) {
                    break;
                }
                // The client may have left already.
                let _ = client.and_then(|client| accepting.join(client));
            }
        });
        Ok(RunningProxy { address, shared })
    }
}

impl RunningProxy {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// Sets the fault of future connections.
    pub(crate) fn set_fault(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    /// Cuts all connections.
    pub(crate) fn cut(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for RunningProxy {
    fn drop(&mut self) {
        self.shared.has_ended.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.cut();
    }
}

impl Shared {
    /// Forwards bytes in both directions.
    fn join(&self, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(self.target)?;
        let number = self.connections.fetch_add(1, Ordering::SeqCst);
        lock(&self.open).extend([client.try_clone()?, server.try_clone()?]);
        let fault = *lock(&self.fault);
        let passed = Arc::new(AtomicUsize::new(0));
        let ways = [(client.try_clone()?, server.try_clone()?), (server, client)];
        for (at, (from, to)) in ways.into_iter().enumerate() {
            let (passed, piece) = (passed.clone(), self.piece);
            let chance = (number * 2 + at) as u64;
            thread::spawn(move || {
                let _ = pump(&from, &to, fault, piece, chance, &passed);
                let _ = from.shutdown(Shutdown::Both);
                let _ = to.shutdown(Shutdown::Both);
            });
        }
        Ok(())
    }
}

fn pump(
    mut from: &TcpStream,
    mut to: &TcpStream,
    fault: Fault,
    piece: usize,
    mut chance: u64,
    passed: &AtomicUsize,
) -> io::Result<()> {
    to.set_nodelay(true)?;
    let mut buffer = [0; 4096];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            chance = chance
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let len = 1 + (chance >> 33) as usize % piece;
            let mut len = len.min(rest.len());
            let before = passed.fetch_add(len, Ordering::SeqCst);
            match fault {
                Fault::Nothing => {}
                Fault::Slow(pause) => thread::sleep(pause),
                Fault::CutAfter(limit) | Fault::StallAfter(limit) => {
                    len = len.min(limit.saturating_sub(before));
                }
            }
            to.write_all(&rest[..len])?;
            if len == 0 || matches!(fault, Fault::CutAfter(limit) if before + len >= limit) {
                return match fault {
                    // Until somebody closes it.
                    Fault::StallAfter(_) => io::copy(&mut from, &mut io::sink()).map(drop),
                    _ => Ok(()),
                };
            }
            rest = &rest[len..];
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
