//! Misuse: pipelines used in ways nobody should, and the outcome.

#![allow(missing_docs, clippy::unwrap_used)]

mod endings;
mod failures;
mod panics;
mod threads;
mod wiring;

use std::sync::{Arc, Mutex};

use thalweg::{Ack, Outcome};

type Log<T> = Arc<Mutex<Vec<T>>>;

fn outcomes() -> (Log<Outcome>, impl Fn() -> Ack) {
    let log: Log<Outcome> = Arc::default();
    let kept = log.clone();
    (log, move || {
        let log = kept.clone();
        Ack::new(move |outcome| log.lock().unwrap().push(outcome))
    })
}

fn odd_fails(x: &i32) -> Result<i32, &'static str> {
    if x % 2 == 0 { Ok(*x) } else { Err("odd") }
}
