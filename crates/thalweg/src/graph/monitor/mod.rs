//! The lock of a graph: one thread inside at a time, and a mailbox for those that must not wait.
//!
//! Most pipelines are only ever emitted into by one thread, and for that thread an atomic read-modify-write to enter
//! and another to leave would cost more than ten nodes do. So a monitor is *biased* to the first thread that emits:
//! that thread enters and leaves with plain stores. The first other thread revokes the bias for good, with a barrier
//! that the operating system runs on all processors ([`barrier`]); from then on the lock is one word, changed by
//! compare-and-swap: the token of the thread inside, and two flags. A visitor, which looks at the graph once in a
//! while, only borrows the bias: its owner takes it back when it enters next. Meanwhile every thread that wants in
//! takes the mutex first, so that the owner sees whether the monitor is free.
//!
//! The flags are set only while a thread is inside and only under the mutex, and a thread that leaves with a flag set
//! takes the mutex too, so neither mail nor a waiting thread can be missed. The bias changes only under the mutex as
//! well.

mod barrier;
#[cfg(all(test, thalweg_loom))]
mod loom_tests;
#[cfg(all(test, not(thalweg_loom)))]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::sync::model::{AtomicUsize, Condvar, Mutex, MutexGuard, Ordering, lock, wait};
use crate::sync::{LOOK, blocking, patience, waiting};

// Flags of the state.
const MAIL: usize = 1;
const WAITING: usize = 2;
const FLAGS: usize = MAIL | WAITING;

// Values of the bias other than a thread's token.
/// No thread has emitted yet.
const UNDECIDED: usize = 0;
/// A thread is revoking the bias.
const REVOKING: usize = 1;
/// No thread is biased any more.
const REVOKED: usize = 2;
/// A visitor has borrowed the bias of the thread in [`Slow::lender`].
const LENT: usize = 3;

/// Position of the biased thread when it is not inside.
const AWAY: usize = 0;

/// Result of trying to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The monitor was free; this thread is inside now and has to leave.
    Entered,
    /// This thread was inside already.
    Within,
    /// Another thread is inside.
    Occupied,
}

/// Result of trying to leave mail.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Posted<M> {
    /// The thread inside runs it before it leaves.
    Left,
    /// No thread was inside. This one is now, and has to run the mail and leave.
    Entered(M),
    /// The monitor accepts no more mail.
    Closed(M),
}

struct Slow<M> {
    mail: VecDeque<M>,
    waiting: usize,
    /// Whether the thread inside entered by waiting, and has not started yet: its host may make it wait for another
    /// lock first.
    reserved: bool,
    closed: bool,
    /// Owner of the bias while it is lent.
    lender: usize,
}

pub(crate) struct Monitor<M> {
    /// Owner of the bias: a thread id, or one of the states above.
    bias: AtomicUsize,
    /// The token of the biased thread while it is inside, or about to see that its bias is revoked; flagged if it has
    /// left mail for itself. Only that thread changes it.
    biased: AtomicUsize,
    /// The thread inside without a bias, and flags.
    state: AtomicUsize,
    slow: Mutex<Slow<M>>,
    left: Condvar,
}

/// Inside for reading only. The mutex is released last.
pub(crate) struct Inspection<'a, M> {
    monitor: &'a Monitor<M>,
    way: Way,
    _slow: MutexGuard<'a, Slow<M>>,
}

/// How reading became possible.
enum Way {
    Biased,
    Unbiased,
    /// While the thread inside has not started.
    Reserved,
}

impl<M> Drop for Inspection<'_, M> {
    fn drop(&mut self) {
        // No flag can be set: that takes the mutex.
        match self.way {
            Way::Biased => self.monitor.biased.store(AWAY, Ordering::Release),
            Way::Unbiased => self.monitor.state.store(0, Ordering::Release),
            Way::Reserved => {}
        }
    }
}

impl<M> Monitor<M> {
    pub(crate) fn new() -> Self {
        Self {
            bias: AtomicUsize::new(UNDECIDED),
            biased: AtomicUsize::new(AWAY),
            state: AtomicUsize::new(0),
            slow: Mutex::new(Slow {
                mail: VecDeque::new(),
                waiting: 0,
                reserved: false,
                closed: false,
                lender: 0,
            }),
            left: Condvar::new(),
        }
    }

    /// Enters to emit, if no thread is inside. `me` is this thread's token: not zero, a multiple of four.
    #[inline(always)]
    pub(crate) fn try_enter(&self, me: usize) -> Entry {
        if self.bias.load(Ordering::Relaxed) == me {
            return self.try_enter_biased(me);
        }
        self.try_enter_unbiased(me, true)
    }

    /// Enters for anything else, which says nothing about future emitters.
    pub(crate) fn try_enter_once(&self, me: usize) -> Entry {
        if self.bias.load(Ordering::Relaxed) == me {
            return self.try_enter_biased(me);
        }
        self.try_enter_unbiased(me, false)
    }

    #[inline(always)]
    fn try_enter_biased(&self, me: usize) -> Entry {
        if self.biased.load(Ordering::Relaxed) != AWAY {
            return Entry::Within;
        }
        self.biased.store(me, Ordering::Relaxed);
        barrier::light();
        if self.bias.load(Ordering::Acquire) == me {
            return Entry::Entered;
        }
        self.enter_revoked(me)
    }

    /// The bias was revoked while this thread was entering. The revoking thread may have seen us inside.
    #[cold]
    fn enter_revoked(&self, me: usize) -> Entry {
        if self.take_back(me, &lock(&self.slow)) {
            return Entry::Entered;
        }
        self.biased.store(AWAY, Ordering::Relaxed);
        if self.state.load(Ordering::Relaxed) & !FLAGS == me {
            return Entry::Entered;
        }
        self.compete(me)
    }

    fn try_enter_unbiased(&self, me: usize, emits: bool) -> Entry {
        if self.bias.load(Ordering::Acquire) == REVOKED {
            return self.compete(me);
        }
        let mut slow = lock(&self.slow);
        if self.take_back(me, &slow) {
            self.biased.store(me, Ordering::Relaxed);
            return Entry::Entered;
        }
        if emits
            && self.bias.load(Ordering::Relaxed) == UNDECIDED
            && self.state.load(Ordering::Acquire) == 0
        {
            if barrier::is_available() {
                self.bias.store(me, Ordering::Relaxed);
                self.biased.store(me, Ordering::Relaxed);
                return Entry::Entered;
            }
            self.bias.store(REVOKED, Ordering::Release);
        }
        self.take_bias(me, &mut slow, REVOKED);
        self.compete(me)
    }

    #[inline(always)]
    fn compete(&self, me: usize) -> Entry {
        match self
            .state
            .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Entry::Entered,
            Err(state) if state & !FLAGS == me => Entry::Within,
            Err(_) => Entry::Occupied,
        }
    }

    /// Takes another thread's bias: for good, or as a loan (`REVOKED` or `LENT`). If that thread is inside, it is from
    /// now on as if it had entered without.
    fn take_bias(&self, me: usize, slow: &mut MutexGuard<'_, Slow<M>>, then: usize) {
        let owner = match self.bias.load(Ordering::Relaxed) {
            UNDECIDED | REVOKED => return,
            LENT if then == LENT || slow.lender == me => return,
            LENT => return self.bias.store(then, Ordering::Release),
            owner if owner == me => return,
            owner => owner,
        };
        self.bias.store(REVOKING, Ordering::Relaxed);
        // From here on either we see the owner inside, or it sees that the bias is revoked.
        barrier::heavy();
        if self.biased.load(Ordering::Acquire) != AWAY {
            let mail = if slow.mail.is_empty() { 0 } else { MAIL };
            self.state.store(owner | mail, Ordering::Relaxed);
        }
        slow.lender = owner;
        self.bias.store(then, Ordering::Release);
    }

    /// Gives the bias back to this thread, if it is lent and the monitor is free. No thread can be waiting: another
    /// than this one would have revoked the bias.
    fn take_back(&self, me: usize, slow: &MutexGuard<'_, Slow<M>>) -> bool {
        let is_free = self.bias.load(Ordering::Relaxed) == LENT
            && slow.lender == me
            && self.state.load(Ordering::Acquire) == 0;
        if is_free {
            self.bias.store(me, Ordering::Relaxed);
        }
        is_free
    }

    /// Enters if no thread is working inside, and keeps everybody from leaving mail, so that leaving needs nothing
    /// else. For reading only: a thread that posts meanwhile waits. The mutex is only ever held for a few instructions,
    /// which are waited for.
    ///
    /// If every thread that enters holds some lock of the host, the result stays the same as long as this thread holds
    /// that lock: a collector that looks twice sees the same.
    pub(crate) fn try_inspect(&self, me: usize) -> Option<Inspection<'_, M>> {
        let mut slow = lock(&self.slow);
        if slow.closed {
            return None;
        }
        if slow.reserved {
            return Some(Inspection {
                monitor: self,
                way: Way::Reserved,
                _slow: slow,
            });
        }
        // The thread may have ended, since it has not emitted for a long time.
        self.take_bias(me, &mut slow, REVOKED);
        let is_biased = self.bias.load(Ordering::Relaxed) == me;
        if is_biased {
            if self.biased.load(Ordering::Relaxed) != AWAY {
                return None;
            }
            // Under the mutex nobody revokes the bias.
            self.biased.store(me, Ordering::Relaxed);
        } else {
            self.state
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
                .ok()?;
        }
        let way = if is_biased {
            Way::Biased
        } else {
            Way::Unbiased
        };
        Some(Inspection {
            monitor: self,
            way,
            _slow: slow,
        })
    }

    /// Waits until the monitor is free and enters it, unless the host ends the wait; returns whether it has entered.
    /// The thread must not be inside any monitor.
    #[cold]
    pub(crate) fn enter_patiently(&self, me: usize) -> bool {
        let Some(patience) = patience() else {
            self.enter_waiting(me);
            return true;
        };
        let begin = Instant::now();
        let mut has_entered = blocking(|| self.reserve(me, Some(LOOK)));
        while !has_entered {
            if !patience(begin.elapsed()) {
                return false;
            }
            blocking(|| {
                waiting(|moment| {
                    has_entered = self.reserve(me, moment.or(Some(LOOK)));
                    has_entered
                });
            });
        }
        lock(&self.slow).reserved = false;
        true
    }

    /// Waits until the monitor is free and enters it. The thread must not be inside any monitor.
    #[cold]
    pub(crate) fn enter_waiting(&self, me: usize) {
        blocking(|| waiting(|limit| self.reserve(me, limit)));
        lock(&self.slow).reserved = false;
    }

    /// Waits for at most `limit`, if there is one; returns whether the monitor is this thread's.
    fn reserve(&self, me: usize, limit: Option<Duration>) -> bool {
        let mut slow = lock(&self.slow);
        self.take_bias(me, &mut slow, REVOKED);
        match self.bias.load(Ordering::Relaxed) {
            owner if owner == me => {
                self.biased.store(me, Ordering::Relaxed);
                slow.reserved = true;
                return true;
            }
            // Its own: nobody else takes it back.
            LENT => {}
            // Several threads come here: none is to be given the bias while this one waits.
            _ => self.bias.store(REVOKED, Ordering::Release),
        }
        slow.waiting += 1;
        let mut is_over = false;
        loop {
            match self
                .state
                .compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed)
            {
                Ok(_) => break,
                Err(state) if state & WAITING != 0 || self.flag(state, WAITING) => {
                    if is_over {
                        // The thread inside wakes another waiting one.
                        slow.waiting -= 1;
                        return false;
                    }
                    (slow, is_over) = wait(&self.left, slow, limit);
                }
                Err(_) => {}
            }
        }
        slow.waiting -= 1;
        slow.reserved = true;
        if slow.waiting > 0 {
            // The flag was cleared when the monitor was left; the others still wait for theirs.
            self.state.fetch_or(WAITING, Ordering::Relaxed);
        }
        true
    }

    /// Leaves mail for the thread inside, or enters if there is none.
    pub(crate) fn post(&self, me: usize, mail: M) -> Posted<M> {
        self.post_and(me, mail, REVOKED)
    }

    /// The same for a visitor: the owner of the bias gets it back. Each visit costs a barrier, so they should be rare.
    pub(crate) fn post_as_visitor(&self, me: usize, mail: M) -> Posted<M> {
        self.post_and(me, mail, LENT)
    }

    fn post_and(&self, me: usize, mail: M, then: usize) -> Posted<M> {
        let mut slow = lock(&self.slow);
        if slow.closed {
            return Posted::Closed(mail);
        }
        self.take_bias(me, &mut slow, then);
        if self.bias.load(Ordering::Relaxed) == me {
            if self.biased.load(Ordering::Relaxed) == AWAY {
                self.biased.store(me, Ordering::Relaxed);
                return Posted::Entered(mail);
            }
            self.biased.store(me | MAIL, Ordering::Relaxed);
            slow.mail.push_back(mail);
            return Posted::Left;
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

    /// Merges this monitor into `heir`, which gets the mail: the thread is inside both. `end` is called before anybody
    /// can see that this one accepts no more.
    pub(crate) fn close(&self, me: usize, heir: &Self, end: impl FnOnce()) {
        let mut slow = lock(&self.slow);
        slow.closed = true;
        let mut inherited = lock(&heir.slow);
        inherited.mail.append(&mut slow.mail);
        if !inherited.mail.is_empty() {
            if heir.biased.load(Ordering::Relaxed) & !FLAGS == me {
                heir.biased.store(me | MAIL, Ordering::Relaxed);
            } else {
                heir.state.fetch_or(MAIL, Ordering::Relaxed);
            }
        }
        end();
    }

    /// Leaves if there is no mail and nobody waits.
    #[inline(always)]
    pub(crate) fn leave_at_once(&self, me: usize) -> bool {
        let biased = self.biased.load(Ordering::Relaxed);
        if biased == me {
            self.biased.store(AWAY, Ordering::Release);
            barrier::light();
            return self.bias.load(Ordering::Acquire) == me || self.left_revoked(me);
        }
        biased != me | MAIL && self.release(me)
    }

    fn release(&self, me: usize) -> bool {
        self.state
            .compare_exchange(me, 0, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// The bias was revoked while this thread was inside. The revoking thread may have seen that.
    #[cold]
    fn left_revoked(&self, me: usize) -> bool {
        drop(lock(&self.slow));
        self.state.load(Ordering::Relaxed) & !FLAGS != me || self.release(me)
    }

    /// Leaves, unless mail has arrived: then this thread is still inside, runs the mail, and calls again.
    pub(crate) fn leave(&self, me: usize) -> Option<VecDeque<M>> {
        if self.leave_at_once(me) {
            return None;
        }
        let mut slow = lock(&self.slow);
        let is_biased = self.biased.load(Ordering::Relaxed) & !FLAGS == me;
        if is_biased {
            self.biased.store(me, Ordering::Relaxed);
        }
        if !slow.mail.is_empty() {
            self.state.fetch_and(!MAIL, Ordering::Relaxed);
            return Some(std::mem::take(&mut slow.mail));
        }
        if is_biased {
            drop(slow);
            return self.leave(me);
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
