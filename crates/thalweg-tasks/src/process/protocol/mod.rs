//! Messages between the two sides: how they are written down, and how they travel.

pub(super) mod memory;
pub(super) mod outgoing;
pub(super) mod payload;
pub(super) mod scoreboard;
pub(super) mod wire;
