//! Bytes and files through a pair of sockets that nobody else can open.

use super::wire::{Inbox, Outbox};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

/// How many files go with one system call: the system takes no more than 253.
const FILES: usize = 250;

impl Socket {
    /// The two ends of a connection: ours, and the one for a child.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self(ours), theirs))
    }

    pub fn from_inherited(end: OwnedFd) -> Self {
        Self(end)
    }

    /// Sends what waits, to the last byte.
    pub fn send(&self, outbox: &Outbox) -> io::Result<()> {
        let mut bytes = outbox.bytes.as_slice();
        // Files arrive no later than the first byte they are sent with, so they are there when the
        // messages are that they belong to. A few bytes are enough to carry them.
        let mut groups = outbox.files.chunks(FILES).peekable();
        while let Some(group) = groups.next() {
            let files: Vec<BorrowedFd<'_>> = group.iter().map(|shared| shared.file()).collect();
            let some = if groups.peek().is_some() {
                &bytes[..1.min(bytes.len())]
            } else {
                bytes
            };
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !ancillary.push(SendAncillaryMessage::ScmRights(&files)) {
                return Err(io::Error::other("too many files at once"));
            }
            let sent = retry(|| {
                sendmsg(
                    &self.0,
                    &[IoSlice::new(some)],
                    &mut ancillary,
                    SendFlags::NOSIGNAL,
                )
            })?;
            bytes = &bytes[sent..];
        }
        while !bytes.is_empty() {
            let sent = retry(|| {
                let mut nothing = SendAncillaryBuffer::default();
                sendmsg(
                    &self.0,
                    &[IoSlice::new(bytes)],
                    &mut nothing,
                    SendFlags::NOSIGNAL,
                )
            })?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Waits for bytes. Returns whether the other end is still there.
    pub fn receive(&self, inbox: &mut Inbox) -> io::Result<bool> {
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
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                inbox.files.extend(files);
            }
        }
        Ok(received.bytes > 0)
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parcel::{Parcel, Shared};
    use super::super::wire::{ToParent, read};
    use super::*;

    #[test]
    fn messages_come_as_they_were_sent_with_their_files() -> io::Result<()> {
        let (ours, theirs) = Socket::pair()?;
        let theirs = Socket::from_inherited(theirs);
        let sender = std::thread::spawn(move || -> io::Result<()> {
            let mut outbox = Outbox::default();
            for task in 0..300_u64 {
                let shared = Shared::copy_of(&task.to_le_bytes())?;
                let parcel = Parcel::new(vec![7; (task as usize * 37) % 2_000], vec![shared])?;
                let value = outbox.pack(&parcel);
                outbox.put(&ToParent::Done {
                    task,
                    value,
                    nanos: 1,
                })?;
            }
            theirs.send(&outbox)
        });
        let mut inbox = Inbox::default();
        let mut seen = 0;
        while ours.receive(&mut inbox)? {
            inbox.each(|message, files| {
                let ToParent::Done { task, value, .. } = read(message)? else {
                    return Err(io::Error::other("another message"));
                };
                let parcel = value.unpack(files)?;
                assert_eq!(task, seen);
                assert_eq!(parcel.bytes()?.len(), (task as usize * 37) % 2_000);
                assert_eq!(parcel.buffers[0].read()?, task.to_le_bytes());
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
