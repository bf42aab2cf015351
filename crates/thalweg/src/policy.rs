//! What happens when a function fails on an element.

use std::error::Error as StdError;
use std::sync::OnceLock;
use std::time::Duration;

use crate::failure::{BoxError, BuildError, Failure};
use crate::interval::IntoInterval;
use crate::stream::Stream;

/// The policy of a node for elements its function fails on, set with
/// [`Stream::on_error`](crate::Stream::on_error). A panic in the function counts as a failure.
///
/// Whatever the policy, the pipeline goes on with the next element.
#[derive(Clone, Debug, Default)]
pub enum OnError {
    /// The emitter of the element gets the failure; what else was to be done for the element is
    /// not. Behind a buffer or a window, where no emitter waits, the failure is unhandled: see
    /// [`Stream::on_unhandled`](crate::Stream::on_unhandled). This is the default.
    #[default]
    Raise,
    /// The element is dropped, and counted as failed.
    Skip,
    /// The function is called again, a limited number of times.
    Retry(Retry),
    /// The failure, which holds the element, goes to an error stream: dead letters. If that stream is
    /// gone, this is the same as [`Raise`](Self::Raise).
    Route(Stream<Failure>),
}

/// How often a function is tried again, after how long, and what happens when it still fails.
///
/// Elements that come meanwhile wait behind the failed one; their emitters wait, too.
///
/// ```
/// use thalweg::{OnError, Retry, Stream};
///
/// let mut tries = 0;
/// let source = Stream::new();
/// let list = source
///     .try_map(move |x: &i32| {
///         tries += 1;
///         if tries % 3 == 0 { Ok(*x) } else { Err("the network is down") }
///     })
///     .on_error(Retry::times(5).then(OnError::Skip))
///     .sink_to_list();
/// source.emit_many([1, 2]).wait()?;
/// assert_eq!(list.to_vec(), [1, 2]);
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Retry {
    pub(crate) limit: u32,
    pub(crate) backoff: Duration,
    pub(crate) longest: Duration,
    pub(crate) then: Box<OnError>,
    pub(crate) mistake: Option<BuildError>,
}

impl Retry {
    /// At most `limit` further attempts after the first, at once, and then
    /// [`Raise`](OnError::Raise).
    pub fn times(limit: u32) -> Self {
        Self {
            limit,
            backoff: Duration::ZERO,
            longest: Duration::from_secs(60),
            then: Box::default(),
            mistake: None,
        }
    }

    /// Waits before each further attempt: `first`, then twice as long each time, up to a minute or
    /// what [`at_most`](Self::at_most) says.
    pub fn backoff(mut self, first: impl IntoInterval) -> Self {
        match crate::interval::wait(first) {
            Ok(first) => self.backoff = first,
            Err(error) => self.mistake = Some(BuildError::new("retry", error)),
        }
        self
    }

    /// The longest wait between two attempts.
    pub fn at_most(mut self, longest: impl IntoInterval) -> Self {
        match crate::interval::wait(longest) {
            Ok(longest) => self.longest = longest,
            Err(error) => self.mistake = Some(BuildError::new("retry", error)),
        }
        self
    }

    /// What happens when the last attempt has failed.
    pub fn then(mut self, then: impl Into<OnError>) -> Self {
        self.then = Box::new(then.into());
        self
    }

    /// How long to wait after `attempts` attempts; `None` if there are to be no more.
    pub(crate) fn pause(&self, attempts: u32) -> Option<Duration> {
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

impl From<Retry> for OnError {
    fn from(retry: Retry) -> Self {
        Self::Retry(retry)
    }
}

impl From<&Stream<Failure>> for OnError {
    fn from(stream: &Stream<Failure>) -> Self {
        Self::Route(stream.clone())
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
