//! Bytes and files through a private pair of sockets.

use crate::process::protocol::memory::MemoryFile;
use crate::process::protocol::wire::{Inbox, Outbox};
use crate::process::system::Wait;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    recvmsg, sendmsg, socketpair,
};
use smallvec::SmallVec;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::Stdio;
use std::thread;
use std::time::Duration;

/// One end of a connection.
#[derive(Debug)]
pub(in crate::process) struct Socket(OwnedFd);

/// Number of files per system call. With several, a process with too many open files would not know which could not be
/// received.
const FILES: usize = 1;

/// Pause before a failed send is retried.
const AGAIN: Duration = Duration::from_millis(2);

impl Socket {
    /// Creates the two ends of a connection: ours, and the one for a child.
    pub(crate) fn pair() -> io::Result<(Self, Self)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), Self(theirs)))
    }

    pub(super) fn from_inherited(end: OwnedFd) -> Self {
        Self(end)
    }

    /// This end as the standard input of a child.
    pub(super) fn into_standard_input(self) -> Stdio {
        self.0.into()
    }

    /// Sends queued messages. Returns whether all have been sent: always true if it waits for the peer.
    pub(crate) fn send(&self, outbox: &mut Outbox, wait: Wait) -> io::Result<bool> {
        let flags = match wait {
            Wait::No => SendFlags::NOSIGNAL | SendFlags::DONTWAIT,
            Wait::ForTheOtherEnd => SendFlags::NOSIGNAL,
        };
        while outbox.sent < outbox.bytes.len() {
            // Files arrive no later than the first byte they are sent with, so they are there when their messages are.
            // A few bytes are enough to carry them.
            let group = outbox.files.len().min(FILES);
            let end = match outbox.files.len() > group {
                true => outbox.sent + 1,
                false => outbox.bytes.len(),
            };
            let bytes = &outbox.bytes[outbox.sent..end];
            let sent = match (self.send_once(bytes, &outbox.files[..group], flags), wait) {
                (Err(error), Wait::No) if has_no_room(&error) => return Ok(false),
                (Err(error), Wait::ForTheOtherEnd) if has_no_room(&error) => {
                    // The system does not notify when it has.
                    thread::sleep(AGAIN);
                    continue;
                }
                (sent, _) => sent?,
            };
            outbox.files.drain(..group);
            outbox.sent += sent;
        }
        *outbox = Outbox::default();
        Ok(true)
    }

    fn send_once(&self, bytes: &[u8], files: &[MemoryFile], flags: SendFlags) -> io::Result<usize> {
        let files: SmallVec<[BorrowedFd<'_>; 4]> =
            files.iter().map(|file| file.file().as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
            return Err(io::Error::other("too many files at once"));
        }
        retry(|| sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, flags))
    }

    /// Wakes everything that waits for the peer: nothing more is sent, and received bytes can still be read.
    pub(crate) fn shut_down(&self) {
        // It may have been shut down before.
        let _ = rustix::net::shutdown(&self.0, Shutdown::Both);
    }

    /// Whether there are unread bytes.
    pub(crate) fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(&self.0).is_ok_and(|bytes| bytes > 0)
    }

    /// Waits for bytes. Returns whether the peer is still there.
    pub(crate) fn receive(&self, inbox: &mut Inbox) -> io::Result<bool> {
        let mut buffer = [0; 64 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = retry(|| {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            recvmsg(
                &self.0,
                &mut slices,
                &mut ancillary,
                RecvFlags::CMSG_CLOEXEC,
            )
        })?;
        inbox.bytes.extend_from_slice(&buffer[..received.bytes]);
        let before = inbox.files.len();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                inbox.files.extend(files.map(|file| Some(file.into())));
            }
        }
        if received.flags.contains(ReturnFlags::CTRUNC) && inbox.files.len() == before {
            inbox.files.push_back(None);
        }
        Ok(received.bytes > 0)
    }
}

/// Whether sending may succeed later: the peer has not read enough, or the system has no room for more files in flight.
fn has_no_room(error: &io::Error) -> bool {
    let error = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        error,
        Some(Errno::WOULDBLOCK | Errno::TOOMANYREFS | Errno::NOBUFS | Errno::NOMEM)
    )
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::protocol::payload::Payload;
    use crate::process::protocol::wire::{ToParent, read};

    /// A head and a buffer, every tenth of them in a file.
    fn payload(task: u64) -> io::Result<Payload> {
        let head = vec![7; (task as usize * 37) % 2_000];
        let len = if task.is_multiple_of(10) { 2 << 20 } else { 8 };
        Payload::of_pieces(&[&head, &vec![task as u8; len]])
    }

    #[test]
    fn messages_arrive_unchanged_with_their_descriptors() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let theirs = theirs;
        let sender = std::thread::spawn(move || -> io::Result<()> {
            let mut outbox = Outbox::default();
            for task in 0..300_u64 {
                let payload = payload(task)?;
                let value = outbox.pack(&payload);
                outbox.put(&ToParent::Done {
                    task,
                    value,
                    nanos: 1,
                })?;
            }
            theirs.send(&mut outbox, Wait::ForTheOtherEnd).map(drop)
        });
        let mut inbox = Inbox::default();
        let mut seen = 0;
        while ours.receive(&mut inbox)? {
            inbox.each(|message, files| {
                let ToParent::Done { task, value, .. } = read(message)? else {
                    return Err(io::Error::other("another message"));
                };
                let payload = value.unpack(files)?;
                assert_eq!(task, seen);
                assert_eq!(payload.bytes()?.len(), (task as usize * 37) % 2_000);
                assert_eq!(payload.len(), self::payload(task)?.len());
                seen += 1;
                Ok(())
            })?;
        }
        assert_eq!(seen, 300);
        sender
            .join()
            .map_err(|_| io::Error::other("the sender panicked"))?
    }
}
