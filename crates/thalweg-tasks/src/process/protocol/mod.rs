//! Messages between parent and worker: encoding and transport.

pub(super) mod memory;
pub(super) mod outgoing;
pub(super) mod payload;
pub(super) mod scoreboard;
pub(super) mod wire;
