//! The other side: what runs in a worker process.

pub(super) mod lazy;
pub mod worker;
