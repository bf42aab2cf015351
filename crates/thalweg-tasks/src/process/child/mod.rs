//! The code that runs in a worker process.

pub(super) mod lazy;
pub mod worker;
