//! Pipelines over continuous streams of data.

pub mod interval;
pub mod view;
