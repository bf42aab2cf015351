use std::collections::BTreeMap;
use std::time::Duration;

use thalweg::Alarm;

/// Alarms by due time, in the order of their setting within the same time.
#[derive(Default)]
pub(super) struct Alarms {
    waiting: BTreeMap<(Duration, u64), Alarm>,
    set: u64,
    /// Times of the calls requested from the loop, the earliest last. They cannot be withdrawn.
    armed: Vec<Duration>,
}

impl Alarms {
    pub(super) fn push(&mut self, at: Duration, alarm: Alarm) {
        self.set += 1;
        self.waiting.insert((at, self.set), alarm);
    }

    /// Forgets the requested calls.
    pub(super) fn disarm(&mut self) {
        self.armed.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn pop_due(&mut self, now: Duration) -> Option<Alarm> {
        while self.armed.pop_if(|armed| *armed <= now).is_some() {}
        let entry = self.waiting.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }

    /// Time of the call to request from the loop, unless it or an earlier one has been requested.
    pub(super) fn next_to_arm(&mut self) -> Option<Duration> {
        let (first, _) = *self.waiting.first_key_value()?.0;
        if self.armed.last().is_some_and(|armed| *armed <= first) {
            return None;
        }
        self.armed.push(first);
        Some(first)
    }
}
