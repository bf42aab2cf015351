//! Pipelines over continuous streams of data.
