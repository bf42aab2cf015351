//! State shared by a server's connections and its source.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender, unbounded};
use tokio::sync::watch;

use super::Reply;
use crate::HttpRequest;

/// A request, and its reply channel.
#[derive(Clone, Debug)]
pub struct HttpExchange {
    /// The request.
    pub request: HttpRequest,
    /// The reply channel.
    pub reply: Reply,
}

/// State shared by a server's connections and its source.
#[derive(Debug)]
pub(super) struct Live {
    /// Permits: the limit of requests in flight.
    waiting: (Sender<HttpExchange>, Receiver<HttpExchange>),
    in_flight: AtomicUsize,
    /// Whether the source is running.
    is_open: AtomicBool,
    /// Each unanswered request has a receiver.
    answering: watch::Sender<()>,
    address: Mutex<Option<SocketAddr>>,
}

/// A permit of a request in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Live>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Live {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            waiting: unbounded(),
            in_flight: AtomicUsize::new(0),
            is_open: AtomicBool::new(false),
            answering: watch::Sender::new(()),
            address: Mutex::new(None),
        })
    }

    /// A permit, unless the limit has been reached.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Option<InFlight> {
        let place = InFlight(self.clone());
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(place)
    }

    /// Passes a request to the source; returns whether it is running.
    pub(super) fn hand_over(&self, exchange: HttpExchange) -> bool {
        if !self.is_open.load(Ordering::SeqCst) || self.waiting.0.try_send(exchange).is_err() {
            return false;
        }
        if !self.is_open.load(Ordering::SeqCst) {
            // The source has stopped meanwhile, and may have checked for the last time.
            self.refuse_all();
        }
        true
    }

    pub(super) fn requests(&self) -> &Receiver<HttpExchange> {
        &self.waiting.1
    }

    pub(super) fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
    }

    /// Refuses waiting requests, and later ones.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.refuse_all();
    }

    fn refuse_all(&self) {
        while let Ok(exchange) = self.waiting.1.try_recv() {
            exchange.reply.refuse();
        }
    }

    /// To be held while a request is being answered.
    pub(super) fn answering(&self) -> watch::Receiver<()> {
        self.answering.subscribe()
    }

    /// Waits until no request is being answered.
    pub(super) async fn all_answered(&self) {
        self.answering.closed().await;
    }

    pub(super) fn set_address(&self, address: SocketAddr) {
        let mut current = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(address);
    }

    pub(super) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
