//! Causes of death of worker processes.

use crate::process::parent::link::Killed;

/// Numbers of dead worker processes of an engine by cause. Those ended by closing the engine are not counted.
///
/// ```
/// use thalweg_tasks::process::Deaths;
///
/// let deaths = Deaths::default();
/// assert_eq!(deaths.total(), 0);
/// assert!(deaths.by_cause().contains(&("memory", 0)));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deaths {
    /// They ended by themselves, or were killed by another program.
    pub unexpected: u64,
    /// They were killed to stop a task: it was cancelled, or exceeded its time limit.
    pub task_stopped: u64,
    /// They were killed because they exceeded their memory limit.
    pub memory: u64,
    /// They were killed because they did not answer.
    pub silent: u64,
    /// They were killed because their messages were invalid.
    pub unreadable: u64,
}

impl Deaths {
    /// Counts one. `None` means that we did not kill it.
    pub(in crate::process) fn count(&mut self, killed: Option<Killed>, is_closed: bool) {
        let counter = match killed {
            Some(Killed::Closed) => return,
            None if is_closed => return,
            None => &mut self.unexpected,
            Some(Killed::TaskStopped) => &mut self.task_stopped,
            Some(Killed::Memory { .. }) => &mut self.memory,
            Some(Killed::Silent(_)) => &mut self.silent,
            Some(Killed::Unreadable) => &mut self.unreadable,
        };
        *counter += 1;
    }

    /// The numbers, with the names of the causes.
    ///
    /// ```
    /// # use thalweg_tasks::process::Deaths;
    /// let causes = Deaths::default().by_cause().map(|(cause, _)| cause);
    /// assert_eq!(causes, ["unexpected", "task_stopped", "memory", "silent", "unreadable"]);
    /// ```
    pub fn by_cause(&self) -> [(&'static str, u64); 5] {
        [
            ("unexpected", self.unexpected),
            ("task_stopped", self.task_stopped),
            ("memory", self.memory),
            ("silent", self.silent),
            ("unreadable", self.unreadable),
        ]
    }

    /// Total number.
    ///
    /// ```
    /// # use thalweg_tasks::process::Deaths;
    /// assert_eq!(Deaths::default().total(), 0);
    /// ```
    pub fn total(&self) -> u64 {
        self.by_cause().iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_cause_is_counted_separately_and_closing_is_not_counted() {
        let mut deaths = Deaths::default();
        let memory = Killed::Memory {
            used: 2,
            allowed: 1,
        };
        let silent = Killed::Silent(Duration::from_secs(1));
        for killed in [memory, silent, silent, Killed::TaskStopped, Killed::Closed] {
            deaths.count(Some(killed), false);
        }
        deaths.count(Some(Killed::Unreadable), true);
        deaths.count(None, false);
        deaths.count(None, true);
        let counts = deaths.by_cause().map(|(_, count)| count);
        assert_eq!(counts, [1, 1, 1, 2, 1]);
        assert_eq!(deaths.total(), 6);
    }
}
