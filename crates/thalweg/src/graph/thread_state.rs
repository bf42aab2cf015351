//! State of a thread: the monitors it is inside.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::completion::Completion;
use super::pass::Pass;

/// Aligned so that its address can be a thread id, with room for the flags.
#[repr(align(8))]
struct Thread {
    depth: Cell<usize>,
    /// Whether `WAITED` or `LATER` hold anything.
    flagged: Cell<bool>,
    /// Stack address of the outermost pass that has been measured.
    top: Cell<usize>,
}

/// How much of a thread's stack, in bytes, nested passes may use. Half of the smallest default, that of musl: what
/// functions need in addition is unknown.
const STEEP: usize = 64 * 1024;

thread_local! {
    static THREAD: Thread = const {
        Thread {
            depth: Cell::new(0),
            flagged: Cell::new(false),
            top: Cell::new(0),
        }
    };
    /// With the depth at which the waiting function was called.
    static WAITED: RefCell<Vec<(usize, Arc<Completion>)>> = const { RefCell::new(Vec::new()) };
    static LATER: RefCell<Vec<Box<dyn FnOnce()>>> = const { RefCell::new(Vec::new()) };
}

/// A number that only this thread has: an address, so that it is never zero.
#[inline(always)]
pub(super) fn thread_id() -> usize {
    THREAD.with(|thread| std::ptr::from_ref(thread).addr())
}

/// Counts another emission into a monitor, entered now or before.
#[inline(always)]
pub(super) fn enter() {
    THREAD.with(|thread| thread.depth.set(thread.depth.get() + 1));
}

/// Counts one monitor less; returns whether there is something in `LATER` to run now.
#[inline(always)]
pub(super) fn leave() -> bool {
    THREAD.with(|thread| {
        // After a fork the frames further up may leave what this process is not inside.
        thread.depth.set(thread.depth.get().saturating_sub(1));
        thread.flagged.get() && thread.depth.get() == 0
    })
}

/// Whether this thread is inside a monitor: it must not wait for anything.
pub(crate) fn is_inside() -> bool {
    THREAD.with(|thread| thread.depth.get() > 0)
}

/// Whether this thread was inside a monitor when it entered the latest one.
pub(super) fn is_nested() -> bool {
    THREAD.with(|thread| thread.depth.get() > 1)
}

/// Whether the nested calls of passes use much of this thread's stack.
pub(super) fn is_steep(pass: &Pass) -> bool {
    let (mark, pass) = (0_u8, std::ptr::from_ref(pass).addr());
    let here = std::ptr::from_ref(&mark).addr();
    THREAD.with(|thread| {
        if thread.depth.get() <= 1 || thread.top.get() < pass {
            thread.top.set(pass);
        }
        thread.top.get().saturating_sub(here) > STEEP
    })
}

/// Whether [`take_waited`] may return something.
#[inline(always)]
pub(super) fn is_flagged() -> bool {
    THREAD.with(|thread| thread.flagged.get())
}

/// Makes the current element wait for `done` as well.
pub(super) fn wait_for(done: Arc<Completion>) {
    let depth = THREAD.with(|thread| {
        thread.flagged.set(true);
        thread.depth.get()
    });
    WAITED.with_borrow_mut(|waited| waited.push((depth, done)));
}

/// Completions that functions at this depth wait for, without those further out.
pub(super) fn take_waited() -> Vec<Arc<Completion>> {
    let here = THREAD.with(|thread| thread.depth.get());
    WAITED.with_borrow_mut(|waited| {
        let outer = waited.partition_point(|(depth, _)| *depth < here);
        waited
            .split_off(outer)
            .into_iter()
            .map(|(_, done)| done)
            .collect()
    })
}

/// Runs `f` once this thread is outside of all monitors: at once, if it is now.
pub(super) fn later(f: impl FnOnce() + 'static) {
    if is_inside() {
        LATER.with_borrow_mut(|later| later.push(Box::new(f)));
        THREAD.with(|thread| thread.flagged.set(true));
    } else {
        f();
    }
}

/// Runs deferred work.
#[cold]
pub(super) fn run_later() {
    THREAD.with(|thread| thread.flagged.set(false));
    // An acknowledgement, or a handler, waited: there is no element that could wait in its place.
    take_waited().iter().for_each(|done| done.abandon());
    for f in LATER.with_borrow_mut(std::mem::take) {
        f();
    }
}

/// Forgets what this thread is inside, in a forked process: that goes on in the parent. Nothing is dropped, which would
/// be to let go of what the parent holds.
pub(crate) fn forget() {
    THREAD.with(|thread| {
        thread.depth.set(0);
        thread.flagged.set(false);
        thread.top.set(0);
    });
    let _ = WAITED.try_with(|waited| waited.try_borrow_mut().map(|mut it| forget_all(&mut it)));
    let _ = LATER.try_with(|later| later.try_borrow_mut().map(|mut it| forget_all(&mut it)));
}

fn forget_all<T>(items: &mut Vec<T>) {
    std::mem::forget(std::mem::take(items));
}
