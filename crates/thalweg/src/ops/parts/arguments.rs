use std::time::Duration;

use crate::IntoInterval;
use crate::failure::BuildError;
use crate::interval::Interval;

/// Checks that the size of `what` is not zero.
pub(in crate::ops) fn at_least_one(
    operator: &'static str,
    what: &str,
    size: usize,
) -> Result<usize, BuildError> {
    if size == 0 {
        return Err(BuildError::new(
            operator,
            format_args!("{what} is at least one, not 0"),
        ));
    }
    Ok(size)
}

/// Parses a duration. Zero means no wait.
pub(in crate::ops) fn duration(
    operator: &'static str,
    interval: impl IntoInterval,
) -> Result<Duration, BuildError> {
    crate::interval::wait(interval).map_err(|error| BuildError::new(operator, error))
}

/// Formats an interval for the name of a node.
pub(in crate::ops) fn label(interval: Duration) -> Option<String> {
    Interval::try_from(interval)
        .ok()
        .map(|interval| interval.to_string())
}
