//! The lock of a graph: one thread inside at a time, and a mailbox for those that may not wait.
//!
//! The whole state is one word: the token of the thread inside (zero when there is none) and two
//! flags. Entering and leaving an uncontended monitor is one compare-and-swap each. The flags are
//! set only while somebody is inside and only under the mutex, and whoever leaves with a flag set
//! takes the mutex too, so neither mail nor a waiting thread can be missed.

use std::collections::VecDeque;

use crate::sync::model::{AtomicUsize, Condvar, Mutex, Ordering, lock};

const MAIL: usize = 1;
const WAITING: usize = 2;
const FLAGS: usize = MAIL | WAITING;

/// What came of an attempt to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The monitor was free; this thread is inside now and has to leave.
    Entered,
    /// This thread was inside already.
    Within,
    /// Another thread is inside.
    Occupied,
}

/// What came of an attempt to leave mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted<M> {
    /// The thread inside takes it up before it leaves.
    Left,
    /// Nobody was inside. This thread is now, has to see to the mail, and to leave.
    Entered(M),
    /// The monitor takes no more mail.
    Closed(M),
}

struct Slow<M> {
    mail: VecDeque<M>,
    waiting: usize,
    closed: bool,
}

pub(crate) struct Monitor<M> {
    state: AtomicUsize,
    slow: Mutex<Slow<M>>,
    left: Condvar,
}

impl<M> Monitor<M> {
    pub(crate) fn new() -> Self {
        Self {
            state: AtomicUsize::new(0),
            slow: Mutex::new(Slow {
                mail: VecDeque::new(),
                waiting: 0,
                closed: false,
            }),
            left: Condvar::new(),
        }
    }

    /// Enters if nobody is inside. `me` is this thread's token: not zero, a multiple of four.
    #[inline]
    pub(crate) fn try_enter(&self, me: usize) -> Entry {
        match self
            .state
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Entry::Entered,
            Err(state) if state & !FLAGS == me => Entry::Within,
            Err(_) => Entry::Occupied,
        }
    }

    /// Waits until the monitor is free and enters it. The thread must not be inside any monitor.
    #[cold]
    pub(crate) fn enter_waiting(&self, me: usize) {
        let mut slow = lock(&self.slow);
        slow.waiting += 1;
        loop {
            match self
                .state
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(state) if state & WAITING != 0 || self.flag(state, WAITING) => {
                    slow = self
                        .left
                        .wait(slow)
                        .unwrap_or_else(std::sync::PoisonError::into_inner);
                }
                Err(_) => {}
            }
        }
        slow.waiting -= 1;
        if slow.waiting > 0 {
            // The flag went when the monitor was left; the others still wait for theirs.
            self.state.fetch_or(WAITING, Ordering::Relaxed);
        }
    }

    /// Leaves mail for the thread that is inside, or enters if nobody is.
    pub(crate) fn post(&self, me: usize, mail: M) -> Posted<M> {
        let mut slow = lock(&self.slow);
        if slow.closed {
            return Posted::Closed(mail);
        }
        loop {
            match self
                .state
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => return Posted::Entered(mail),
                Err(state) if state & MAIL != 0 || self.flag(state, MAIL) => {
                    slow.mail.push_back(mail);
                    return Posted::Left;
                }
                Err(_) => {}
            }
        }
    }

    /// Ends this monitor in favour of `heir`, which gets the mail: the thread is inside both. `end`
    /// is called before anybody can see that this one takes no more.
    pub(crate) fn close(&self, heir: &Self, end: impl FnOnce()) {
        let mut slow = lock(&self.slow);
        slow.closed = true;
        let mut inherited = lock(&heir.slow);
        inherited.mail.append(&mut slow.mail);
        if !inherited.mail.is_empty() {
            heir.state.fetch_or(MAIL, Ordering::Relaxed);
        }
        end();
    }

    /// Leaves if nobody wants anything.
    #[inline(always)]
    pub(crate) fn leave_at_once(&self, me: usize) -> bool {
        self.state
            .compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Leaves, unless mail has come: then this thread is still inside, sees to the mail, and
    /// calls again.
    pub(crate) fn leave(&self, me: usize) -> Option<VecDeque<M>> {
        if self.leave_at_once(me) {
            return None;
        }
        let mut slow = lock(&self.slow);
        if !slow.mail.is_empty() {
            self.state.fetch_and(!MAIL, Ordering::Relaxed);
            return Some(std::mem::take(&mut slow.mail));
        }
        self.state.store(0, Ordering::Release);
        if slow.waiting > 0 {
            self.left.notify_one();
        }
        None
    }

    fn flag(&self, state: usize, flag: usize) -> bool {
        self.state
            .compare_exchange(state, state | flag, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(all(test, not(thalweg_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_closed_monitor_hands_its_mail_on() {
        let (old, heir) = (Monitor::new(), Monitor::new());
        assert_eq!(old.try_enter(4), Entry::Entered);
        assert_eq!(heir.try_enter(4), Entry::Entered);
        assert_eq!(old.post(8, 1), Posted::Left);
        assert_eq!(heir.post(8, 0), Posted::Left);
        old.close(&heir, || ());
        assert_eq!(old.post(8, 2), Posted::Closed(2));
        assert_eq!(old.leave(4), None);
        assert_eq!(heir.leave(4), Some(VecDeque::from([0, 1])));
    }

    #[test]
    fn mail_keeps_the_leaver_inside() {
        let monitor = Monitor::new();
        assert_eq!(monitor.try_enter(4), Entry::Entered);
        assert_eq!(monitor.try_enter(4), Entry::Within);
        assert_eq!(monitor.try_enter(8), Entry::Occupied);
        assert_eq!(monitor.post(8, "a letter"), Posted::Left);
        assert_eq!(monitor.leave(4), Some(VecDeque::from(["a letter"])));
        assert_eq!(monitor.try_enter(8), Entry::Occupied);
        assert_eq!(monitor.leave(4), None);
        assert_eq!(monitor.post(8, "nobody in"), Posted::Entered("nobody in"));
        assert_eq!(monitor.leave(8), None);
        assert_eq!(monitor.try_enter(4), Entry::Entered);
    }
}

#[cfg(all(test, thalweg_loom))]
#[expect(
    unsafe_code,
    reason = "loom's cell is how it sees whether two threads are inside at once"
)]
mod loom_tests {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;

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
        loom::model(|| {
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
        loom::model(|| {
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
        loom::model(|| {
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
}
