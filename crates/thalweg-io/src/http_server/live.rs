//! What a server's connections and its source have in common.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_channel::{Receiver, Sender, unbounded};
use tokio::sync::watch;

use super::Reply;
use crate::HttpRequest;

/// A request, and the way back.
#[derive(Clone, Debug)]
pub struct HttpExchange {
    /// The request.
    pub request: HttpRequest,
    /// The way back to whoever sent it.
    pub reply: Reply,
}

/// What a server's connections and its source have in common.
#[derive(Debug)]
pub(super) struct Live {
    /// As many as there are requests in flight at most.
    waiting: (Sender<HttpExchange>, Receiver<HttpExchange>),
    in_flight: AtomicUsize,
    /// Whether the source runs.
    is_open: AtomicBool,
    /// Each request that has no response yet has a receiver.
    answering: watch::Sender<()>,
    address: Mutex<Option<SocketAddr>>,
}

/// A request's place among those in flight.
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

    /// A place among those in flight, unless there are as many already.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Option<InFlight> {
        let place = InFlight(self.clone());
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(place)
    }

    /// Hands a request to the source; returns whether it runs.
    pub(super) fn hand_over(&self, exchange: HttpExchange) -> bool {
        if !self.is_open.load(Ordering::SeqCst) || self.waiting.0.try_send(exchange).is_err() {
            return false;
        }
        if !self.is_open.load(Ordering::SeqCst) {
            // The source has stopped meanwhile, and may have looked for the last time.
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

    /// Refuses what is waiting, and what comes from now on.
    pub(super) fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.refuse_all();
    }

    fn refuse_all(&self) {
        while let Ok(exchange) = self.waiting.1.try_recv() {
            exchange.reply.refuse();
        }
    }

    /// To be kept while a request is being answered.
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
