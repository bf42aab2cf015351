//! A node's data for failures and waiting elements: its policy, its backlog, and the element that is being retried.

use std::any::Any;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::kind::boxed;
use super::{Node, NodeKind, Output, Pass, gate};
use crate::failure::{BoxError, Failure, Skipped, is_watched};
use crate::graph::fusion::AnyRun;
use crate::graph::pass::Lease;
use crate::graph::policy::{Policy, is_exempt};
use crate::operator::EmitResult;
use crate::trace;

pub(super) struct Recovery<T> {
    policy: Policy,
    pub(super) errors: Option<Arc<Output<Failure>>>,
    pub(super) backlog: VecDeque<(T, Lease)>,
    retrying: Option<Retrying<T>>,
    /// Element last retried, by its ordinal, and the number of attempts before.
    attempts: (u64, u32),
    /// Unfinished futures.
    pub(super) spawned: usize,
    /// The run that the node belongs to.
    run: Option<Weak<dyn AnyRun>>,
    /// The newest timed elements, if requested.
    recent: VecDeque<T>,
}

struct Retrying<T> {
    element: T,
    lease: Lease,
    attempts: u32,
    at: Duration,
}

impl<T> Default for Recovery<T> {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            errors: None,
            backlog: VecDeque::new(),
            retrying: None,
            attempts: (0, 0),
            spawned: 0,
            run: None,
            recent: VecDeque::new(),
        }
    }
}

impl<T> Recovery<T> {
    pub(super) fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Whether failed elements are retried.
    pub(super) fn retries(&self) -> bool {
        matches!(self.policy, Policy::Retry(..))
    }

    pub(super) fn run(&self) -> Option<Arc<dyn AnyRun>> {
        self.run.as_ref()?.upgrade()
    }

    pub(super) fn set_run(&mut self, run: Option<Weak<dyn AnyRun>>) {
        self.run = run;
    }

    /// Visits the elements that wait here.
    pub(super) fn traverse(&self, visit: &mut dyn FnMut(&dyn Any))
    where
        T: 'static,
    {
        self.backlog.iter().for_each(|(x, _)| visit(x));
        self.retrying
            .iter()
            .for_each(|retrying| visit(&retrying.element));
        self.recent.iter().for_each(|x| visit(x));
    }

    /// Keeps an element as one of the newest; returns those it displaces.
    pub(super) fn keep_recent(&mut self, x: T, limit: usize) -> Vec<T> {
        self.recent.push_back(x);
        self.forget_recent(limit)
    }

    /// The newest elements, the oldest first.
    pub(super) fn recent(&self) -> &VecDeque<T> {
        &self.recent
    }

    /// Drops them, except this many.
    pub(super) fn forget_recent(&mut self, limit: usize) -> Vec<T> {
        let more = self.recent.len().saturating_sub(limit);
        self.recent.drain(..more).collect()
    }

    /// Whether an element waits for its next attempt.
    pub(super) fn is_retrying(&self) -> bool {
        self.retrying.is_some()
    }

    /// Number of elements that wait here.
    pub(super) fn waiting(&self) -> usize {
        self.backlog.len() + usize::from(self.is_retrying())
    }
}

impl<B: NodeKind> Node<B> {
    /// Pause before the retry of an element after `attempts` attempts; `None` if it is not retried.
    #[cold]
    pub(crate) fn retry_after(
        &self,
        attempts: u32,
        cause: &BoxError,
        pass: &Pass,
    ) -> Option<Duration> {
        match &self.recovery.get(pass).policy {
            Policy::Retry(retry, _) if !is_exempt(cause) && !cause.is::<Skipped>() => {
                retry.pause(attempts)
            }
            _ => None,
        }
    }

    /// Applies the policy to an element that is not retried. `ordinal` is its 1-based position among the elements of
    /// this node.
    #[cold]
    pub(crate) fn give_up(
        &self,
        element: Option<B::In>,
        ordinal: u64,
        cause: BoxError,
        pass: &mut Pass,
    ) -> EmitResult {
        let (policy, attempts, errors) = {
            let recovery = self.recovery.get(pass);
            let (policy, attempts) = match &recovery.policy {
                _ if is_exempt(&cause) => (Policy::Raise, 1),
                _ if cause.is::<Skipped>() => (Policy::Skip, 1),
                // An available element is given up after the last attempt, and not before.
                Policy::Retry(retry, then) if element.is_some() => {
                    (Policy::clone(then), retry.limit.saturating_add(1))
                }
                Policy::Retry(_, then) => (Policy::clone(then), 1),
                policy => (policy.clone(), 1),
            };
            (policy, attempts, recovery.errors.clone())
        };
        self.count_failed();
        if let Some(traced) = pass.traced() {
            trace::fail(&traced, &cause.to_string());
        }
        let element = boxed(element);
        let failure = |cause| self.core.failure_after(attempts, ordinal, element, cause);
        if let Policy::Skip = policy {
            if is_watched() {
                drop(failure(cause));
            }
            return Ok(());
        }
        let failure = failure(cause);
        match (policy, errors) {
            (Policy::Route, Some(errors)) if !errors.leads_nowhere(pass) => {
                errors.send(failure, pass)
            }
            _ => pass.raise(failure),
        }
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
        self.note_in_flight(pass);
        self.recovery.get(pass).retrying = Some(Retrying {
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

    /// Retries, if it is time.
    pub(super) fn retry(&self, pass: &mut Pass) {
        let due = {
            let mut recovery = self.recovery.get(pass);
            match &recovery.retrying {
                Some(retrying) if retrying.at.is_zero() || retrying.at <= pass.now() => {
                    recovery.retrying.take()
                }
                _ => None,
            }
        };
        if let Some(due) = due {
            self.cell.open_gate(gate::RETRYING, pass);
            // Those behind it have waited uncounted.
            self.recovery.get(pass).attempts = (self.ordinal(pass), due.attempts);
            pass.with_lease(due.lease, |pass| self.process(due.element, pass));
        }
    }

    /// Number of earlier attempts at the current element, by its ordinal. While it continues downstream, others may
    /// arrive here.
    pub(super) fn attempts(&self, ordinal: u64, pass: &Pass) -> u32 {
        match self.recovery.get(pass).attempts {
            (tried, attempts) if tried == ordinal => attempts,
            _ => 0,
        }
    }

    /// Counts an element that this node's function has finally failed on.
    pub(super) fn count_failed(&self) {
        self.core.count_failed();
        if B::PASSES_ON {
            self.dropped.add(1);
        }
    }
}
