use std::time::Duration;

use crate::IntoInterval;
use crate::failure::BuildError;
use crate::interval::Interval;

/// A size, of `what`, that must not be zero.
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

/// A length of time. Zero means not to wait.
pub(in crate::ops) fn duration(
    operator: &'static str,
    interval: impl IntoInterval,
) -> Result<Duration, BuildError> {
    crate::interval::wait(interval).map_err(|error| BuildError::new(operator, error))
}

/// An interval as the name of a node shows it.
pub(in crate::ops) fn label(interval: Duration) -> Option<String> {
    Interval::try_from(interval)
        .ok()
        .map(|interval| interval.to_string())
}
