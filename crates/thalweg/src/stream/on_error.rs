//! Policies for elements that a function fails on.

use std::time::Duration;

use super::Stream;
use crate::failure::{BuildError, Failure};
use crate::graph::{Attempts, Policy};
use crate::interval::IntoInterval;

/// The policy of a node for elements its function fails on, set with [`Stream::on_error`](crate::Stream::on_error). A
/// panic in the function counts as a failure.
///
/// Whatever the policy, the pipeline continues with the next element.
#[derive(Clone, Debug, Default)]
pub enum OnError {
    /// The emitter of the element receives the failure; the rest of the element's way is skipped. Behind a buffer or a
    /// window, where no emitter waits, the failure is unhandled: see
    /// [`Stream::on_unhandled`](crate::Stream::on_unhandled). This is the default.
    #[default]
    Raise,
    /// The element is dropped, and counted as failed.
    Skip,
    /// The function is called again, a limited number of times.
    Retry(Retry),
    /// The failure, which contains the element, goes to an error stream: dead letters. If that stream is gone, this is
    /// the same as [`Raise`](Self::Raise).
    Route(Stream<Failure>),
}

impl OnError {
    /// The policy in the node's form.
    pub(super) fn policy(&self) -> Policy {
        match self {
            Self::Raise => Policy::Raise,
            Self::Skip => Policy::Skip,
            Self::Retry(retry) => Policy::Retry(retry.attempts, Box::new(retry.then.policy())),
            Self::Route(_) => Policy::Route,
        }
    }

    /// The stream that it finally routes to.
    pub(super) fn target(&self) -> Option<&Stream<Failure>> {
        match self {
            Self::Route(stream) => Some(stream),
            Self::Retry(retry) => retry.then.target(),
            Self::Raise | Self::Skip => None,
        }
    }

    pub(super) fn build_error(&self) -> Option<BuildError> {
        match self {
            Self::Retry(retry) => retry
                .build_error
                .clone()
                .or_else(|| retry.then.build_error()),
            _ => None,
        }
    }

    /// Whether it needs a clock.
    pub(super) fn waits(&self) -> bool {
        match self {
            Self::Retry(retry) => !retry.attempts.backoff.is_zero() || retry.then.waits(),
            _ => false,
        }
    }
}

/// How often to retry, with which pauses, and the policy for the last failure.
///
/// Later elements wait behind the failed one, and so do their emitters.
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
    attempts: Attempts,
    then: Box<OnError>,
    build_error: Option<BuildError>,
}

impl Retry {
    /// At most `limit` retries, without a pause, and then [`Raise`](OnError::Raise).
    pub fn times(limit: u32) -> Self {
        Self {
            attempts: Attempts {
                limit,
                backoff: Duration::ZERO,
                longest: Duration::from_secs(60),
            },
            then: Box::default(),
            build_error: None,
        }
    }

    /// Waits before each retry: `first`, doubled each time, up to a minute or [`at_most`](Self::at_most).
    pub fn backoff(mut self, first: impl IntoInterval) -> Self {
        match crate::interval::wait(first) {
            Ok(first) => self.attempts.backoff = first,
            Err(error) => self.build_error = Some(BuildError::new("retry", error)),
        }
        self
    }

    /// The longest pause between two attempts.
    pub fn at_most(mut self, longest: impl IntoInterval) -> Self {
        match crate::interval::wait(longest) {
            Ok(longest) => self.attempts.longest = longest,
            Err(error) => self.build_error = Some(BuildError::new("retry", error)),
        }
        self
    }

    /// Sets the policy for the failure of the last attempt.
    pub fn then(mut self, then: impl Into<OnError>) -> Self {
        self.then = Box::new(then.into());
        self
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
