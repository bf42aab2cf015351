//! The monitor, in every interleaving of its threads: without the rest of the crate, which loom has nothing to do
//! with, and which takes minutes to compile for speed.

#![cfg(thalweg_loom)]
#![allow(dead_code, reason = "the rest of the crate uses it")]

#[path = "../src/graph/monitor/mod.rs"]
mod monitor;
#[path = "../src/sync.rs"]
mod sync;
