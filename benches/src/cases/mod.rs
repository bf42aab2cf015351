pub mod buffer;
pub mod chain;
pub mod memory;
pub mod scale;
pub mod sleepers;
pub mod tasks;
