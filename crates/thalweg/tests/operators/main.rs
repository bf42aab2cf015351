//! What has to hold for every operator there is, proven on one table of them all: element 3 of 10
//! fails in its function or behind it, by an error or by a panic, under every policy; and every
//! acknowledgement fires once, and not before everything made of its element has been sunk, with
//! every kind of sink.
//!
//! A new operator is one line in `cases.rs`.

#![allow(missing_docs, clippy::unwrap_used)]

mod acks;
mod cases;
mod policies;
mod trial;
