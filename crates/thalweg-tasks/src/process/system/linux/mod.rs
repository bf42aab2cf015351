//! Linux: memory files, sockets that carry them, and process descriptors.

mod process_group;
mod shared_file;
mod socket;

pub(in crate::process) use process_group::GroupLeader;
pub use shared_file::SharedFile;
pub(in crate::process) use socket::Socket;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::{
    Resource, Signal, getpgrp, getpid, getrlimit, kill_process, kill_process_group,
};
use rustix::time::{ClockId, clock_gettime};
use std::io;

/// Limit of open files of this process.
pub(in crate::process) fn open_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A clock shared by all processes of the machine, in nanoseconds.
pub(in crate::process) fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let nanos = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanos).unwrap_or(0)
}

/// Memory used by a process in bytes, if the system reports it.
pub(in crate::process) fn memory_of(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Whether the system may later have what it lacks now.
pub(in crate::process) fn is_shortage(error: &io::Error) -> bool {
    let error = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(
        error,
        Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN | Errno::NOBUFS)
    )
}

/// Takes standard input; from now on reading it returns nothing.
pub(in crate::process) fn take_standard_input() -> io::Result<Socket> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let nothing = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&nothing)?;
    Ok(Socket::from_inherited(socket))
}

/// Ends this process, and the processes it has started that are in its group.
pub(in crate::process) fn end_process() {
    if getpgrp() == getpid() {
        // It may not have such a group any more.
        let _ = kill_process_group(getpid(), Signal::KILL);
    }
    let _ = kill_process(getpid(), Signal::KILL);
}
