//! Calls of Python functions in other processes.

pub(crate) mod pickle;
pub(crate) mod sending;
pub(crate) mod serving;
