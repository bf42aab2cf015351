pub(crate) mod buffer;
pub(crate) mod chain;
pub(crate) mod dashboard;
pub(crate) mod memory;
pub(crate) mod scale;
pub(crate) mod sleepers;
pub(crate) mod tasks;
