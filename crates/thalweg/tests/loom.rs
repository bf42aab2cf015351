//! The monitor, in every interleaving of its threads, without the rest of the crate: loom does not need it, and it
//! takes minutes to compile with optimizations.

#![cfg(thalweg_loom)]
#![allow(dead_code, reason = "the rest of the crate uses it")]

#[path = "../src/graph/monitor/mod.rs"]
mod monitor;
#[path = "../src/sync.rs"]
mod sync;
