//! The places of a worker's threads: given to another while a task waits.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Host, Worker};
use crate::place::Place;
use crate::process::protocol::wire::ToParent;
use crate::sync::lock;

/// A worker's threads; not those of a fork of it.
pub(super) struct Threads<H: Host>(pub(super) u32, pub(super) Arc<Worker<H>>);

impl<H: Host> Threads<H> {
    fn worker(&self) -> io::Result<&Arc<Worker<H>>> {
        match self.0 == std::process::id() {
            true => Ok(&self.1),
            false => Err(io::Error::other("the worker is another process")),
        }
    }
}

impl<H: Host> Place for Threads<H> {
    fn give(&self) -> io::Result<()> {
        let worker = self.worker()?;
        worker.add_thread(worker.threads.fetch_add(1, Ordering::Relaxed))?;
        worker.tell(&ToParent::Threads { more: 1 })?;
        worker.flush();
        Ok(())
    }

    fn take_back(&self) {
        let Ok(worker) = self.worker() else {
            return;
        };
        worker.surplus.fetch_add(1, Ordering::Relaxed);
        drop(lock(&worker.queue));
        worker.work.notify_all();
        // The parent has gone if it cannot be told.
        let _ = worker.tell(&ToParent::Threads { more: -1 });
        worker.flush();
    }
}
