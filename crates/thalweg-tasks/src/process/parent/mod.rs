//! The parent's side: the pool of workers, and a link to each.

pub(super) mod balance;
pub(super) mod deaths;
pub(super) mod link;
pub(super) mod parked;
pub(super) mod pool;
pub(super) mod pulse;
pub(super) mod reader;
pub(super) mod sent;
