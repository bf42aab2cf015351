//! Policies for elements that a node's function fails on.

use std::error::Error as StdError;
use std::sync::OnceLock;
use std::time::Duration;

use crate::failure::BoxError;

/// The destination of routed failures is not part of the policy: they travel along edges.
#[derive(Clone, Default)]
pub(crate) enum Policy {
    #[default]
    Raise,
    Skip,
    /// And the policy after that.
    Retry(Attempts, Box<Policy>),
    Route,
}

/// Number of retries, and the pauses between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    pub(crate) limit: u32,
    pub(crate) backoff: Duration,
    pub(crate) longest: Duration,
}

impl Attempts {
    /// Pause after `attempts` attempts; `None` if there are no more.
    pub(super) fn pause(&self, attempts: u32) -> Option<Duration> {
        if attempts > self.limit {
            return None;
        }
        let factor = 1_u32
            .checked_shl(attempts.saturating_sub(1))
            .unwrap_or(u32::MAX);
        Some(
            self.backoff
                .saturating_mul(factor)
                .min(self.longest.max(self.backoff)),
        )
    }
}

/// Whether an error bypasses policies; see [`exempt_from_policies`].
type IsExempt = fn(&(dyn StdError + 'static)) -> bool;

static IS_EXEMPT: OnceLock<IsExempt> = OnceLock::new();

/// Makes errors for which `is_exempt` is true always raise, in this whole process, whatever a node's policy: they are
/// not retried, skipped, or routed to an error stream.
///
/// For a host whose functions can be interrupted, for example by Ctrl-C, and report that by an error. Only the first
/// call has an effect; the result says whether it was this one.
///
/// ```
/// use std::io::{Error, ErrorKind};
/// use thalweg::{OnError, Stream};
///
/// assert!(thalweg::exempt_from_policies(|error| {
///     error.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::Interrupted)
/// }));
/// let source = Stream::new();
/// source
///     .try_map(|kind: &ErrorKind| Err::<(), _>(Error::from(*kind)))
///     .on_error(OnError::Skip)
///     .sink(drop);
/// assert!(source.emit(ErrorKind::NotFound).wait().is_ok());
/// assert!(source.emit(ErrorKind::Interrupted).wait().is_err());
/// ```
pub fn exempt_from_policies(is_exempt: IsExempt) -> bool {
    IS_EXEMPT.set(is_exempt).is_ok()
}

pub(crate) fn is_exempt(cause: &BoxError) -> bool {
    IS_EXEMPT.get().is_some_and(|is_exempt| is_exempt(&**cause))
}
