//! Policies of nodes for elements that their functions fail on.

use std::error::Error as StdError;
use std::sync::OnceLock;
use std::time::Duration;

use crate::failure::BoxError;

/// Where failures go that are routed is no business of the policy: they go along edges.
#[derive(Clone, Default)]
pub(crate) enum Policy {
    #[default]
    Raise,
    Skip,
    /// And what comes then.
    Retry(Attempts, Box<Policy>),
    Route,
}

/// How often a function is tried again, and after how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempts {
    pub(crate) limit: u32,
    pub(crate) backoff: Duration,
    pub(crate) longest: Duration,
}

impl Attempts {
    /// How long to wait after `attempts` attempts; `None` if there are to be no more.
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

/// Tells whether an error is none of the policies' business; see [`exempt_from_policies`].
type IsExempt = fn(&(dyn StdError + 'static)) -> bool;

static IS_EXEMPT: OnceLock<IsExempt> = OnceLock::new();

/// Has errors that `is_exempt` is true of raised, in this whole process, whatever a node's policy says:
/// they are not retried, not skipped, and not sent to an error stream.
///
/// It is for a host whose functions can be interrupted, by Ctrl-C say, and tell so by an error. Only
/// the first call has an effect; the result says whether it was this one.
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
