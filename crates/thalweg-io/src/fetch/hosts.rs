//! Turns of requests to the same host.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Number of hosts from which on idle ones are forgotten.
const MANY: usize = 1024;

/// The hosts with requests.
#[derive(Debug)]
pub(super) struct Hosts {
    per_host: usize,
    interval: Duration,
    hosts: Mutex<HashMap<String, Host>>,
}

#[derive(Debug)]
struct Host {
    room: Arc<Semaphore>,
    /// Time of the next request, on the pipeline's clock.
    next: Duration,
}

impl Hosts {
    pub(super) fn new(per_host: usize, interval: Duration) -> Self {
        Self {
            per_host,
            interval,
            hosts: Mutex::default(),
        }
    }

    /// Waits until the host may have another concurrent request.
    pub(super) async fn enter(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let room = self.with(host, |host| host.room.clone());
        room.acquire_owned().await.ok()
    }

    /// Reserves the next request to a host that asks for a pause between two; returns its time.
    pub(super) fn turn(&self, host: &str, now: Duration, pause: Duration) -> Duration {
        self.with(host, |host| {
            let at = host.next.max(now);
            host.next = at.saturating_add(self.interval.max(pause));
            at
        })
    }

    /// Forgets hosts without running or waiting requests.
    pub(super) fn clean(&self, now: Duration) {
        let mut hosts = self.lock();
        if hosts.len() > MANY {
            hosts.retain(|_, host| Arc::strong_count(&host.room) > 1 || host.next > now);
        }
    }

    fn with<R>(&self, host: &str, f: impl FnOnce(&mut Host) -> R) -> R {
        let mut hosts = self.lock();
        if let Some(host) = hosts.get_mut(host) {
            return f(host);
        }
        f(hosts.entry(host.to_owned()).or_insert(Host {
            room: Arc::new(Semaphore::new(self.per_host)),
            next: Duration::ZERO,
        }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Host>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_a_host_are_spaced_and_idle_hosts_are_forgotten() {
        let second = Duration::from_secs(1);
        let hosts = Hosts::new(1, second);
        let none = Duration::ZERO;
        let turns = [0, 0, 5].map(|now| hosts.turn("a", now * second, none));
        assert_eq!(turns, [0, 1, 5].map(|at| at * second));
        let pauses = [1, 3, 0].map(|pause| hosts.turn("b", second, pause * second));
        assert_eq!(pauses, [1, 2, 5].map(|at| at * second));
        for number in 0..MANY {
            hosts.turn(&number.to_string(), second, none);
        }
        hosts.clean(5 * second);
        // These must not be requested before the sixth second.
        assert_eq!(hosts.lock().len(), 2);
    }
}
