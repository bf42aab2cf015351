//! What a node needs only when something goes wrong or comes back: its policy, elements that
//! wait for their turn, and the one that is being tried again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::body::boxed;
use super::{Body, Node, Output, Pass, gate};
use crate::failure::{BoxError, Failure};
use crate::graph::pass::Lease;
use crate::operator::Flow;
use crate::policy::{OnError, Retry};

pub(super) struct Desk<T> {
    policy: Policy,
    pub(super) errors: Option<Arc<Output<Failure>>>,
    pub(super) backlog: VecDeque<(T, Lease)>,
    retrying: Option<Retrying<T>>,
    /// How often the element now being tried again has been tried.
    pub(super) attempts: u32,
    /// Futures that have not come back.
    pub(super) spawned: usize,
}

struct Retrying<T> {
    element: T,
    lease: Lease,
    attempts: u32,
    at: Duration,
}

/// The policy without the stream: failures are routed along edges.
#[derive(Clone, Default)]
enum Policy {
    #[default]
    Raise,
    Skip,
    Retry(Retry),
    Route,
}

impl From<&OnError> for Policy {
    fn from(policy: &OnError) -> Self {
        match policy {
            OnError::Raise => Self::Raise,
            OnError::Skip => Self::Skip,
            OnError::Retry(retry) => Self::Retry(retry.clone()),
            OnError::Route(_) => Self::Route,
        }
    }
}

/// What is to be done about an element.
pub(crate) enum Verdict<T> {
    /// It has been done; this is what the emitter is told.
    Decided(Flow),
    /// It is to be tried again after a pause.
    Retry(T, Duration),
}

impl<T> Default for Desk<T> {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            errors: None,
            backlog: VecDeque::new(),
            retrying: None,
            attempts: 0,
            spawned: 0,
        }
    }
}

impl<T> Desk<T> {
    pub(super) fn set_policy(&mut self, policy: &OnError) {
        self.policy = policy.into();
    }

    /// How many elements wait here.
    pub(super) fn waiting(&self) -> usize {
        self.backlog.len() + usize::from(self.retrying.is_some())
    }
}

impl<B: Body> Node<B> {
    /// Decides about an element that has been tried `attempts` times, by the policy.
    #[cold]
    pub(crate) fn verdict(
        &self,
        element: Option<B::In>,
        attempts: u32,
        cause: BoxError,
        pass: &mut Pass,
    ) -> Verdict<B::In> {
        let mut policy = self.desk.get(pass).policy.clone();
        let mut element = element;
        if let Policy::Retry(retry) = policy {
            match (element, retry.pause(attempts)) {
                (Some(element), Some(pause)) => return Verdict::Retry(element, pause),
                (given_up, _) => element = given_up,
            }
            policy = Policy::from(&*retry.then);
        }
        self.core.count_failed();
        Verdict::Decided(match policy {
            Policy::Skip => Ok(()),
            Policy::Route => {
                let failure = self
                    .core
                    .failure(self.cell.counted(pass), boxed(element), cause);
                let errors = self.desk.get(pass).errors.clone();
                match errors {
                    Some(errors) => errors.send(failure, pass),
                    None => pass.raise(failure),
                }
            }
            Policy::Raise | Policy::Retry(_) => {
                let failure = self
                    .core
                    .failure(self.cell.counted(pass), boxed(element), cause);
                pass.raise(failure)
            }
        })
    }

    /// Keeps an element until its next attempt; those behind it wait.
    pub(super) fn retry_later(
        &self,
        element: B::In,
        attempts: u32,
        pause: Duration,
        pass: &mut Pass,
    ) {
        let at = if pause.is_zero() {
            Duration::ZERO
        } else {
            pass.now().saturating_add(pause)
        };
        let lease = pass.hold();
        self.cell.close_gate(gate::RETRYING, pass);
        self.desk.get(pass).retrying = Some(Retrying {
            element,
            lease,
            attempts,
            at,
        });
        if pause.is_zero() {
            if let Some(me) = self.strong() {
                pass.graph().schedule(me, pass);
            }
        } else {
            pass.graph().wake_at(at, self.id(), pass);
        }
    }

    /// Tries again, if it is time.
    pub(super) fn retry(&self, pass: &mut Pass) {
        let due = {
            let mut desk = self.desk.get(pass);
            match &desk.retrying {
                Some(retrying) if retrying.at.is_zero() || retrying.at <= pass.now() => {
                    desk.retrying.take()
                }
                _ => None,
            }
        };
        if let Some(due) = due {
            self.cell.open_gate(gate::RETRYING, pass);
            self.desk.get(pass).attempts = due.attempts;
            pass.settle(due.lease, |pass| self.process(due.element, pass));
            self.desk.get(pass).attempts = 0;
        }
    }
}
