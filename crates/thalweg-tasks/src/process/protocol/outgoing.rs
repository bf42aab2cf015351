//! Outgoing messages, which reading threads never wait for.
//!
//! A flush sends as much as the socket takes. The rest is left to a separate thread, which waits for the peer: if a
//! reading thread did, it would keep the peer from ever reading.

use crate::process::protocol::wire::Outbox;
use crate::process::system::{Socket, Wait};
use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, PoisonError, TryLockError, Weak};
use std::thread;

/// Maximum bytes in an outbox, plus one message, if the sending thread can wait.
pub(in crate::process) const MOST: usize = 1 << 20;

/// Maximum number of open files in an outbox, before a thread that can wait has to.
pub(in crate::process) const MOST_FILES: usize = 16;

/// One direction of a connection.
#[derive(Debug)]
pub(in crate::process) struct Outgoing {
    pub socket: Socket,
    outbox: Mutex<Outbox>,
    /// Called when the outbox has been emptied.
    room: Condvar,
    /// The message being sent; locked by the sending thread.
    flight: Mutex<Outbox>,
    /// Nothing can be sent any more.
    is_broken: AtomicBool,
    /// Requests to the waiting thread; there is none until it is needed.
    writer: Mutex<Option<Sender<()>>>,
}

impl Outgoing {
    pub(crate) fn new(socket: Socket) -> Arc<Self> {
        Arc::new(Self {
            socket,
            outbox: Mutex::default(),
            room: Condvar::new(),
            flight: Mutex::default(),
            is_broken: AtomicBool::new(false),
            writer: Mutex::default(),
        })
    }

    /// The queued messages.
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        lock(&self.outbox)
    }

    /// Whether so much is queued that no more should be added.
    pub(crate) fn is_full(&self) -> bool {
        is_full(&self.outbox())
    }

    /// Waits while too much is queued. Must not be called by a reading thread.
    pub(crate) fn wait_for_room(&self) {
        let mut outbox = self.outbox();
        while is_full(&outbox) {
            outbox = self
                .room
                .wait(outbox)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Sends queued messages, or has them sent. Does not wait for the peer.
    pub(crate) fn flush(self: &Arc<Self>) {
        loop {
            if self.outbox().is_empty() {
                return;
            }
            // The sending thread checks the outbox again afterwards.
            let mut flight = match self.flight.try_lock() {
                Ok(flight) => flight,
                Err(TryLockError::Poisoned(flight)) => flight.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if flight.is_empty() {
                *flight = self.take();
            }
            match self.socket.send(&mut flight, Wait::No) {
                Ok(true) => {}
                Ok(false) => {
                    drop(flight);
                    return self.leave_to_writer();
                }
                Err(_) => self.give_up(&mut flight),
            }
        }
    }

    /// Whether nothing can be sent any more: the peer has gone, or the socket has been closed.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    fn give_up(&self, flight: &mut Outbox) {
        *flight = Outbox::default();
        self.is_broken.store(true, Ordering::Release);
        // The receiving side notices it, too.
        self.socket.shut_down();
    }

    fn take(&self) -> Outbox {
        let outbox = std::mem::take(&mut *self.outbox());
        self.room.notify_all();
        outbox
    }

    /// Lets a thread send the rest.
    fn leave_to_writer(self: &Arc<Self>) {
        let mut writer = lock(&self.writer);
        if writer.as_ref().is_some_and(|asked| asked.send(()).is_ok()) {
            return;
        }
        let (sender, asked) = mpsc::channel();
        let outgoing = Arc::downgrade(self);
        let started = thread::Builder::new()
            .name("thalweg-writer".into())
            .spawn(move || write(&outgoing, &asked));
        // Without a thread, it is sent with the next flush.
        *writer = started.is_ok().then_some(sender);
        if let Some(writer) = &*writer {
            // The thread has just been started.
            let _ = writer.send(());
        }
    }

    /// Sends queued messages, waiting for the peer.
    fn send_all(&self) {
        let mut flight = lock(&self.flight);
        loop {
            if !flight.is_empty() && self.socket.send(&mut flight, Wait::ForTheOtherEnd).is_err() {
                self.give_up(&mut flight);
            }
            drop(flight);
            if self.outbox().is_empty() {
                return;
            }
            flight = lock(&self.flight);
            if flight.is_empty() {
                *flight = self.take();
            }
        }
    }
}

fn is_full(outbox: &Outbox) -> bool {
    outbox.bytes.len() >= MOST || outbox.files.len() >= MOST_FILES
}

/// Sends as long as the connection is open.
fn write(outgoing: &Weak<Outgoing>, asked: &Receiver<()>) {
    while asked.recv().is_ok() {
        let Some(outgoing) = outgoing.upgrade() else {
            return;
        };
        outgoing.send_all();
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;
    use crate::process::protocol::wire::{Inbox, ToWorker, read};
    use std::io;

    /// More messages than any socket takes.
    fn flood(outgoing: &Arc<Outgoing>, count: u64) -> io::Result<()> {
        for question in 0..count {
            let answer = &[7; 10_000];
            outgoing
                .outbox()
                .put(&ToWorker::Answer { question, answer })?;
            outgoing.flush();
        }
        Ok(())
    }

    fn read_all(socket: &Socket, count: u64) -> io::Result<()> {
        let mut inbox = Inbox::default();
        let mut next = 0;
        while next < count && socket.receive(&mut inbox)? {
            inbox.each(|message, _| {
                let ToWorker::Answer { question, answer } = read(message)? else {
                    return Err(io::Error::other("another message"));
                };
                assert_eq!((question, answer.len()), (next, 10_000));
                next += 1;
                Ok(())
            })?;
        }
        assert_eq!(next, count);
        Ok(())
    }

    #[test]
    fn both_ends_can_send_before_either_reads() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let ends = [ours, theirs].map(Outgoing::new);
        for end in &ends {
            flood(end, 1_000)?;
        }
        for end in &ends {
            read_all(&end.socket, 1_000)?;
        }
        Ok(())
    }

    #[test]
    fn a_sender_that_may_block_waits_for_room() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let (ours, theirs) = (Outgoing::new(ours), theirs);
        flood(&ours, 1_000)?;
        assert!(ours.is_full());
        let waiting = ours.clone();
        let waits = thread::spawn(move || waiting.wait_for_room());
        read_all(&theirs, 1_000)?;
        waits
            .join()
            .map_err(|_| io::Error::other("the one who waits panicked"))?;
        assert!(!ours.is_full());
        Ok(())
    }

    #[test]
    fn a_writer_ends_when_the_peer_is_gone() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let ours = Outgoing::new(ours);
        flood(&ours, 1_000)?;
        drop(theirs);
        ours.wait_for_room();
        let alive = Arc::downgrade(&ours);
        drop(ours);
        while alive.strong_count() > 0 {
            thread::yield_now();
        }
        Ok(())
    }
}
