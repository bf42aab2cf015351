//! Moving queued tasks from a busy worker to an idle one.

use crate::engine::TaskEngine;
use crate::process::Portable;
use crate::process::parent::link::Link;
use crate::process::protocol::wire::ToWorker;
use crate::sync::lock;
use std::sync::Arc;
use std::time::Duration;

/// Queued tasks that take less than this are finished before they arrive elsewhere.
const WORTH: Duration = Duration::from_millis(1);

/// Requests queued tasks back from busy workers while another is idle.
pub(in crate::process) fn balance<W: Portable>(
    engine: &Arc<TaskEngine<W>>,
    links: &[Arc<Link<W>>],
) {
    if !links.iter().any(|link| link.is_idle()) {
        return;
    }
    let mut is_early = false;
    for link in links {
        is_early |= link.recall() == Recall::Early;
    }
    if is_early {
        // The average says little about a task that takes long, and no message may come as long as it runs.
        engine.look_later(WORTH);
    }
}

/// Whether queued tasks were requested back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recall {
    /// There are none, or they have been requested already.
    None,
    /// They may be finished before they arrive.
    Early,
    Requested,
}

impl<W: Portable> Link<W> {
    /// Whether it has fewer tasks than threads.
    fn is_idle(&self) -> bool {
        let state = lock(&self.state);
        !state.is_gone && state.tasks.len() < self.threads()
    }

    /// Requests half of the queued tasks back, unless they are expected to be finished soon.
    fn recall(&self) -> Recall {
        let mut state = lock(&self.state);
        let surplus = state.tasks.len().saturating_sub(self.threads());
        if surplus == 0 || state.recalling || state.has_none_to_return {
            return Recall::None;
        }
        let worth = WORTH.as_nanos() as f64;
        let average = state.average.unwrap_or(f64::MAX);
        if average * (surplus as f64) < worth && state.progressed.elapsed() < WORTH {
            return Recall::Early;
        }
        state.recalling = true;
        drop(state);
        let most = u32::try_from(surplus.div_ceil(2)).unwrap_or(u32::MAX);
        // A dead worker returns everything.
        let _ = self.tell(&ToWorker::Recall { most });
        self.flush();
        Recall::Requested
    }
}
