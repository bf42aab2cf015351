#![expect(
    unsafe_code,
    reason = "loom's cell is how it sees whether two threads are inside at once"
)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

use super::*;

/// Every interleaving with up to three preemptions; without the bound some take hours.
fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(3);
    builder.check(f);
}

struct Shared {
    monitor: Monitor<usize>,
    total: UnsafeCell<usize>,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            monitor: Monitor::new(),
            total: UnsafeCell::new(0),
        })
    }

    fn add(&self, n: usize) {
        // SAFETY: the monitor lets one thread in; loom reports it if that is not so.
        self.total.with_mut(|total| unsafe { *total += n });
    }

    fn leave(&self, me: usize) {
        while let Some(mail) = self.monitor.leave(me) {
            mail.into_iter().for_each(|n| self.add(n));
        }
    }

    fn enter_add(&self, me: usize, n: usize) {
        if self.monitor.try_enter(me) != Entry::Entered {
            self.monitor.enter_waiting(me);
        }
        self.add(n);
        self.leave(me);
    }

    fn post_add(&self, me: usize, n: usize) {
        if let Posted::Entered(n) = self.monitor.post(me, n) {
            self.add(n);
            self.leave(me);
        }
    }

    fn total(&self) -> usize {
        assert_eq!(
            self.monitor.try_enter(4),
            Entry::Entered,
            "nobody is left inside"
        );
        // SAFETY: the same.
        self.total.with(|total| unsafe { *total })
    }
}

#[test]
fn loom_waiting_threads_all_get_in() {
    model(|| {
        let shared = Shared::new();
        let others: Vec<_> = [8, 12]
            .map(|me| {
                let shared = shared.clone();
                thread::spawn(move || shared.enter_add(me, me))
            })
            .into_iter()
            .collect();
        shared.enter_add(4, 4);
        others.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.total(), 24);
    });
}

#[test]
fn loom_mail_is_never_left_behind() {
    model(|| {
        let shared = Shared::new();
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.post_add(8, 1);
                shared.enter_add(8, 2);
            })
        };
        shared.enter_add(4, 4);
        shared.post_add(4, 8);
        other.join().unwrap();
        assert_eq!(shared.total(), 15);
    });
}

#[test]
fn loom_two_monitors_that_post_into_each_other() {
    model(|| {
        let (left, right) = (Shared::new(), Shared::new());
        let other = {
            let (left, right) = (left.clone(), right.clone());
            thread::spawn(move || {
                if right.monitor.try_enter(8) == Entry::Entered {
                    left.post_add(8, 1);
                    right.leave(8);
                } else {
                    right.post_add(8, 1);
                }
            })
        };
        if left.monitor.try_enter(4) == Entry::Entered {
            right.post_add(4, 2);
            left.leave(4);
        } else {
            left.post_add(4, 2);
        }
        other.join().unwrap();
        assert_eq!(left.total() + right.total(), 3);
    });
}

#[test]
fn loom_the_bias_goes_while_its_thread_comes_and_leaves() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.enter_add(8, 2))
        };
        shared.enter_add(4, 4);
        shared.enter_add(4, 8);
        other.join().unwrap();
        assert_eq!(shared.total(), 15);
    });
}

#[test]
fn loom_mail_reaches_a_thread_that_loses_its_bias() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.post_add(8, 2))
        };
        shared.enter_add(4, 4);
        shared.post_add(4, 8);
        other.join().unwrap();
        assert_eq!(shared.total(), 15);
    });
}
