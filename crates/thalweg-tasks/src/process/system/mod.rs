//! What worker processes need of the operating system, all in one place: Linux has it, and another system's would be
//! written beside it. Where it is missing, everything else compiles, and nothing starts.

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

/// Whether one who sends waits for room in the socket.
#[derive(Debug, Clone, Copy)]
pub(in crate::process) enum Wait {
    No,
    ForTheOtherEnd,
}
