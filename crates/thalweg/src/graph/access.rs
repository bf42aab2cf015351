//! Running code inside a graph's monitor, and mail for the thread inside.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::monitor::{Entry, Monitor, Posted};
use super::pass::{Lease, Pass};
use super::{Graph, Mail, thread_state};
use crate::runtime::RuntimeHandle;
use crate::sync::lock;

/// Reasons why an emitter cannot enter directly.
pub(super) mod detour {
    /// Elements from outside are refused.
    pub(in crate::graph) const REFUSES: u8 = 1;
    /// Mail has been deferred, and comes first.
    pub(in crate::graph) const DEFERRED: u8 = 2;
    /// Elements are timed or traced now and then.
    pub(in crate::graph) const TIMED: u8 = 4;
    /// Some elements are traced.
    pub(in crate::graph) const TRACED: u8 = 8;
}

/// Elements that arrive during a drain and later.
pub(super) mod late {
    /// They are accepted.
    pub(in crate::graph) const IS_TAKEN: u8 = 1;
    /// Some have arrived since the last check by a drain.
    pub(in crate::graph) const HAS_COME: u8 = 2;
}

/// How a thread has entered a graph.
pub(super) enum Access<'a> {
    /// It was inside already.
    Within(&'a Arc<Graph>),
    /// Another thread is inside, and this one is inside another monitor, where it must not wait.
    Occupied(&'a Arc<Graph>),
    /// It has entered, and has to leave.
    Entered(&'a Arc<Graph>),
    /// Another thread is inside, and the host does not wait for it.
    GivenUp(&'a Arc<Graph>),
}

impl Graph {
    /// Enters the monitor, waiting if necessary. `emits`: this thread may be given the bias.
    pub(super) fn access(self: &Arc<Self>, me: usize, emits: bool) -> Access<'_> {
        loop {
            let root = self.root();
            let entry = match emits {
                true => root.monitor.try_enter(me),
                false => root.monitor.try_enter_once(me),
            };
            match entry {
                Entry::Within => return Access::Within(root),
                Entry::Occupied if thread_state::is_inside() => return Access::Occupied(root),
                Entry::Occupied if !root.monitor.enter_patiently(me) => {
                    return Access::GivenUp(root);
                }
                Entry::Occupied | Entry::Entered => {}
            }
            thread_state::enter();
            if root.merged.get().is_none() {
                return Access::Entered(root);
            }
            root.leave(me, false);
        }
    }

    /// Runs `mail` inside the monitor, between passes: at once if that is possible without waiting, otherwise by the
    /// thread inside, before it leaves.
    pub(crate) fn post(self: &Arc<Self>, mail: Mail) {
        self.post_by(mail, Monitor::post);
    }

    /// The same for a rare look from outside, after which the graph's own thread emits as fast as before.
    pub(crate) fn post_as_visitor(self: &Arc<Self>, mail: Mail) {
        self.post_by(mail, Monitor::post_as_visitor);
    }

    fn post_by(
        self: &Arc<Self>,
        mut mail: Mail,
        post: fn(&Monitor<Mail>, usize, Mail) -> Posted<Mail>,
    ) {
        let me = thread_state::thread_id();
        loop {
            let root = self.root();
            match post(&root.monitor, me, mail) {
                Posted::Left => return,
                Posted::Closed(back) => mail = back,
                Posted::Entered(mail) => {
                    thread_state::enter();
                    let _inside = Inside::new(root, me);
                    root.run_deferred();
                    root.run_mail(mail);
                    return;
                }
            }
        }
    }

    /// Runs something inside the monitor, between passes, and waits for it if the thread may wait: this holds up a
    /// thread that builds faster than others leave. Inside a monitor it is deferred as with [`post`](Self::post).
    pub(crate) fn run_exclusive(self: &Arc<Self>, mail: Mail) {
        let me = thread_state::thread_id();
        if !thread_state::is_inside()
            && let Access::Entered(root) = self.access(me, false)
        {
            let _inside = Inside::new(root, me);
            root.run_deferred();
            root.run_mail(mail);
        } else {
            self.post(mail);
        }
    }

    /// The same by the runtime, which waits only where mail is deferred: a deferring thread leaves soon, and would
    /// defer this too.
    pub(super) fn deliver(self: &Arc<Self>, mail: Mail) {
        if self.root().defers.load(Ordering::Relaxed) {
            self.run_exclusive(mail);
        } else {
            self.post(mail);
        }
    }

    /// Reads something inside; `None` if that would mean waiting inside another monitor, or longer than the host
    /// allows.
    pub(crate) fn query<R>(self: &Arc<Self>, f: impl FnOnce(&mut Pass) -> R) -> Option<R> {
        let me = thread_state::thread_id();
        match self.access(me, false) {
            Access::Within(root) => Some(f(&mut Pass::new(root, Lease::default(), false))),
            Access::Occupied(_) | Access::GivenUp(_) => None,
            Access::Entered(root) => {
                let _inside = Inside::new(root, me);
                root.run_deferred();
                let result = f(&mut Pass::new(root, Lease::default(), true));
                root.run_agenda();
                Some(result)
            }
        }
    }

    /// Runs a letter.
    fn run_mail(&self, mail: Mail) {
        let mut pass = Pass::new(self, Lease::default(), true);
        let result = pass.catch(|pass| {
            mail(pass);
            Ok(())
        });
        if result.is_err()
            && let Some(failure) = pass.take_failure()
        {
            self.unhandled(failure, &pass);
        }
        self.run_agenda();
    }

    /// Leaves the monitor, once there is no more mail. A guest, and a thread that must not call functions here, defers
    /// the mail.
    pub(super) fn leave(&self, me: usize, is_guest: bool) {
        while let Some(mail) = self.monitor.leave(me) {
            if let Some(runtime) = self.elsewhere(is_guest) {
                self.defer(mail, runtime);
            } else {
                self.run_deferred();
                mail.into_iter().for_each(|letter| self.run_mail(letter));
            }
        }
        if thread_state::leave() {
            thread_state::run_later();
        }
    }

    /// Where mail is to be run, if not on this thread.
    fn elsewhere(&self, is_guest: bool) -> Option<&RuntimeHandle> {
        let must_wait =
            |runtime: &&RuntimeHandle| is_guest || runtime.is_exclusive() && !runtime.is_current();
        self.runtime().filter(must_wait)
    }

    /// Keeps mail for the runtime's own thread, which runs it before anything else here.
    fn defer(&self, mail: impl IntoIterator<Item = Mail>, runtime: &RuntimeHandle) {
        lock(&self.deferred).extend(mail);
        self.defers.store(true, Ordering::Relaxed);
        self.detours.fetch_or(detour::DEFERRED, Ordering::Relaxed);
        if let Some(me) = self.me.upgrade() {
            runtime.spawn(Box::pin(async move { me.run_exclusive(Box::new(|_| ())) }));
        }
    }

    /// Whether there is mail for the runtime.
    pub(super) fn has_deferred(&self) -> bool {
        self.detours.load(Ordering::Relaxed) & detour::DEFERRED != 0
    }

    /// Runs the mail that has been deferred, if this thread may.
    pub(super) fn run_deferred(&self) {
        if !self.has_deferred() || self.elsewhere(false).is_some() {
            return;
        }
        self.detours.fetch_and(!detour::DEFERRED, Ordering::Relaxed);
        let mail = std::mem::take(&mut *lock(&self.deferred));
        mail.into_iter().for_each(|letter| self.run_mail(letter));
    }

    /// Takes over another graph's deferred mail. Both monitors are held.
    pub(super) fn absorb_deferred(&self, other: &Graph) {
        lock(&self.deferred).append(&mut lock(&other.deferred));
        let detours = other.detours.load(Ordering::Relaxed);
        self.detours.fetch_or(detours, Ordering::Relaxed);
        let late = other.late.load(Ordering::Relaxed);
        self.late.fetch_or(late, Ordering::Relaxed);
        if let Some(from) = other.late_from.get() {
            let _ = self.late_from.set(*from);
        }
        let defers = other.defers.load(Ordering::Relaxed);
        self.defers.fetch_or(defers, Ordering::Relaxed);
    }

    /// Whether the thread inside leaves everything except its element to the runtime.
    pub(crate) fn has_guest(&self) -> bool {
        self.guest.load(Ordering::Relaxed)
    }
}

/// Holds a graph's monitor; leaves it on drop, also by an unexpected panic.
pub(super) struct Inside<'a> {
    graph: &'a Graph,
    me: usize,
    is_guest: bool,
}

impl<'a> Inside<'a> {
    pub(super) fn new(graph: &'a Graph, me: usize) -> Self {
        Self {
            graph,
            me,
            is_guest: false,
        }
    }

    /// Enters as a guest, who runs no mail.
    pub(super) fn as_guest(graph: &'a Graph, me: usize) -> Self {
        graph.guest.store(true, Ordering::Relaxed);
        graph.defers.store(true, Ordering::Relaxed);
        Self {
            graph,
            me,
            is_guest: true,
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        if self.is_guest {
            self.graph.guest.store(false, Ordering::Relaxed);
        }
        self.graph.leave(self.me, self.is_guest);
    }
}
