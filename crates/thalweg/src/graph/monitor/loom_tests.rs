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

    fn visit_add(&self, me: usize, n: usize) {
        if let Posted::Entered(n) = self.monitor.post_as_visitor(me, n) {
            self.add(n);
            self.leave(me);
        }
    }

    /// Reads the total, if possible without waiting.
    fn try_inspect(&self, me: usize) -> Option<usize> {
        let _inspection = self.monitor.try_inspect(me)?;
        // SAFETY: the same.
        Some(self.total.with(|total| unsafe { *total }))
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
fn loom_two_monitors_post_into_each_other() {
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
fn loom_the_bias_ends_while_its_thread_enters_and_leaves() {
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
fn loom_mail_reaches_a_thread_losing_its_bias() {
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

#[test]
fn loom_two_threads_compete_for_the_bias() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let others: Vec<_> = [8, 12]
            .map(|me| {
                let shared = shared.clone();
                thread::spawn(move || match me {
                    8 => shared.enter_add(me, 2),
                    _ => shared.post_add(me, 4),
                })
            })
            .into_iter()
            .collect();
        shared.enter_add(4, 8);
        others.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.total(), 15);
    });
}

#[test]
fn loom_a_thread_gets_the_bias_during_try_inspect() {
    model(|| {
        let shared = Shared::new();
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                if shared.monitor.try_enter_once(8) == Entry::Entered {
                    shared.add(1);
                    shared.leave(8);
                } else {
                    shared.post_add(8, 1);
                }
            })
        };
        shared.enter_add(4, 2);
        shared.enter_add(4, 4);
        other.join().unwrap();
        assert_eq!(shared.total(), 7);
    });
}

#[test]
fn loom_the_bias_is_lent_and_taken_back() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.visit_add(8, 2);
                shared.visit_add(8, 4);
            })
        };
        shared.enter_add(4, 8);
        shared.enter_add(4, 16);
        other.join().unwrap();
        shared.enter_add(4, 32);
        assert_eq!(shared.monitor.bias.load(Ordering::Relaxed), 4);
        assert_eq!(shared.total(), 63);
    });
}

#[test]
fn loom_a_lent_bias_is_revoked_by_an_emitter() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let others: Vec<_> = [8, 12]
            .map(|me| {
                let shared = shared.clone();
                thread::spawn(move || match me {
                    8 => shared.visit_add(me, 2),
                    _ => shared.enter_add(me, 4),
                })
            })
            .into_iter()
            .collect();
        shared.enter_add(4, 8);
        shared.post_add(4, 16);
        others.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(shared.total(), 31);
    });
}

#[test]
fn loom_mail_to_oneself_outlives_a_visit() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.visit_add(8, 2))
        };
        if shared.monitor.try_enter(4) != Entry::Entered {
            shared.monitor.enter_waiting(4);
        }
        assert_eq!(shared.monitor.post(4, 4), Posted::Left);
        shared.leave(4);
        shared.enter_add(4, 8);
        other.join().unwrap();
        assert_eq!(shared.total(), 15);
    });
}

#[test]
fn loom_mail_to_oneself_outlives_the_bias() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || shared.enter_add(8, 2))
        };
        if shared.monitor.try_enter(4) != Entry::Entered {
            shared.monitor.enter_waiting(4);
        }
        assert_eq!(shared.monitor.post(4, 4), Posted::Left);
        shared.leave(4);
        other.join().unwrap();
        assert_eq!(shared.total(), 7);
    });
}

/// Two monitors, one of which is closed in favour of the other, as when graphs are joined.
struct Merging {
    old: Monitor<usize>,
    heir: Arc<Shared>,
    merged: loom::sync::atomic::AtomicBool,
}

impl Merging {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            old: Monitor::new(),
            heir: Shared::new(),
            merged: loom::sync::atomic::AtomicBool::new(false),
        })
    }

    fn leave_old(&self, me: usize) {
        while let Some(mail) = self.old.leave(me) {
            mail.into_iter().for_each(|n| self.heir.post_add(me, n));
        }
    }

    fn post_add(&self, me: usize, n: usize) {
        match self.old.post(me, n) {
            Posted::Left => {}
            Posted::Entered(n) => {
                self.heir.post_add(me, n);
                self.leave_old(me);
            }
            Posted::Closed(n) => self.heir.post_add(me, n),
        }
    }

    fn enter_add(&self, me: usize, n: usize) {
        if self.old.try_enter(me) != Entry::Entered {
            self.old.enter_waiting(me);
        }
        if self.merged.load(Ordering::Acquire) {
            self.leave_old(me);
            self.heir.enter_add(me, n);
        } else {
            self.heir.post_add(me, n);
            self.leave_old(me);
        }
    }

    fn merge(&self, me: usize) {
        for monitor in [&self.old, &self.heir.monitor] {
            if monitor.try_enter_once(me) != Entry::Entered {
                monitor.enter_waiting(me);
            }
        }
        self.old.close(me, &self.heir.monitor, || {
            self.merged.store(true, Ordering::Release);
        });
        self.heir.leave(me);
        self.leave_old(me);
    }
}

#[test]
fn loom_nothing_is_lost_while_two_monitors_become_one() {
    model(|| {
        let merging = Merging::new();
        // This thread is inside the old monitor; nobody is inside its heir.
        merging.enter_add(4, 1);
        let other = {
            let merging = merging.clone();
            thread::spawn(move || merging.merge(8))
        };
        merging.post_add(4, 2);
        merging.enter_add(4, 4);
        other.join().unwrap();
        assert_eq!(merging.heir.total(), 7);
    });
}

#[test]
fn loom_three_threads_while_two_monitors_become_one() {
    model(|| {
        let merging = Merging::new();
        let others: Vec<_> = [8, 12]
            .map(|me| {
                let merging = merging.clone();
                thread::spawn(move || match me {
                    8 => merging.merge(me),
                    _ => merging.enter_add(me, 1),
                })
            })
            .into_iter()
            .collect();
        merging.post_add(4, 2);
        others.into_iter().for_each(|t| t.join().unwrap());
        assert_eq!(merging.heir.total(), 3);
    });
}

#[test]
fn loom_try_inspect_is_exclusive_and_leaves_no_mail_behind() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(8, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.enter_add(8, 2);
                shared.post_add(8, 4);
            })
        };
        let seen = shared.try_inspect(4);
        assert!(seen.is_none_or(|seen| [1, 3, 7].contains(&seen)));
        other.join().unwrap();
        assert_eq!(shared.total(), 7);
    });
}

#[test]
fn loom_try_inspect_by_the_biased_thread() {
    model(|| {
        let shared = Shared::new();
        shared.enter_add(4, 1);
        let other = {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.post_add(8, 2);
                shared.enter_add(8, 4);
            })
        };
        let seen = shared.try_inspect(4);
        assert!(seen.is_none_or(|seen| [1, 3, 7].contains(&seen)));
        shared.enter_add(4, 8);
        other.join().unwrap();
        assert_eq!(shared.total(), 15);
    });
}
