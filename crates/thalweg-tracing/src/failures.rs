//! Failures as events.

use std::sync::Once;

use thalweg::Failure;

/// Has every failure of a function in any pipeline of this process be an event of the crate `tracing`, from now on:
/// whatever the policy is, at the level `WARN`, with the fields `node`, `node_id`, `ordinal` (which element it was,
/// counted by the node from 1), `attempts` and `error`. Called again, it changes nothing.
///
/// ```
/// thalweg_tracing::log_failures();
/// ```
pub fn log_failures() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| thalweg::watch_failures(log));
}

fn log(failure: &Failure) {
    tracing::warn!(
        target: "thalweg",
        node = failure.node(),
        node_id = failure.node_id(),
        ordinal = failure.ordinal(),
        attempts = failure.attempts(),
        error = %failure.cause(),
        "a function has failed",
    );
}
