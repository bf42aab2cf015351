//! Failures as events.

use std::sync::Once;

use thalweg::Failure;

/// Turns all failures of functions, in all pipelines of this process and with any policy, into events of the crate
/// `tracing`: at the level `WARN`, with the fields `node`, `node_id`, `ordinal` (1-based number of the element at the
/// node), `attempts` and `error`. Further calls have no effect.
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
