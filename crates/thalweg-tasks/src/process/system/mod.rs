//! The parts of the operating system that worker processes need, all in one place: implemented for Linux; another
//! system's would be written beside it. Without it, everything else compiles, and nothing starts.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
use linux as this_system;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(not(target_os = "linux"))]
use elsewhere as this_system;

pub use this_system::SharedFile;
pub(in crate::process) use this_system::{
    GroupLeader, Socket, end_process, is_shortage, memory_of, now, open_limit, take_standard_input,
};

/// Whether a sender waits for room in the socket.
#[derive(Debug, Clone, Copy)]
pub(in crate::process) enum Wait {
    No,
    ForTheOtherEnd,
}
