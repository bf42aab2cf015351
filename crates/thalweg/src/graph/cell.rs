//! State that belongs to a graph's monitor, and calls along its edges: all the `unsafe` there is.
//!
//! Measured on ten `map` nodes, an edge of two words (a node and a function) costs 1 ns per node;
//! the safe ways to do the same, a trait object behind a reference count and a lock or a borrow
//! flag around every node, cost 3 to 7 ns.
//!
//! Everything here rests on one invariant, upheld by `Graph::enter`: **a [`Pass`] exists only
//! while its thread is inside the monitor of the pass's graph, and a node is reached only with a
//! pass of the graph it belongs to.** Hence whoever holds a `&Pass` is the only thread that
//! touches the cells of that graph. What the same thread may do while it is already using a
//! cell is checked at run time, by the flags of [`OpCell`] and the `RefCell` in [`Slot`]; and
//! edges ([`Links`]) change only between passes.
#![allow(unsafe_code)]

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut, UnsafeCell};
use std::ptr::NonNull;
use std::sync::Arc;

use smallvec::SmallVec;

use super::Graph;
use super::node::{NodeId, Produce};
use super::output::Output;
use super::pass::Pass;
use crate::operator::{Element, EmitResult};

/// Cold state of a graph or a node: a `RefCell` for the thread inside the monitor.
pub(crate) struct Slot<T>(RefCell<T>);

// SAFETY: only the thread inside the monitor gets at the `RefCell` (it takes a `&Pass`), and the
// monitor hands its state from thread to thread with acquire and release.
unsafe impl<T: Send> Sync for Slot<T> {}

impl<T> Slot<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    /// Borrows the value, while no user code runs.
    #[inline]
    pub(crate) fn get(&self, _inside: &Pass) -> RefMut<'_, T> {
        self.0.borrow_mut()
    }
}

/// Reasons why an element cannot pass a node directly. No flag set is the fast path.
pub(crate) mod gate {
    /// The node's function is running, or an operator is delivering.
    pub(crate) const BUSY: u64 = 1;
    /// The node is on a cycle, and passes an element until all nodes downstream are done.
    pub(crate) const PASSING: u64 = 2;
    /// Elements wait in the node's backlog.
    pub(crate) const QUEUED: u64 = 4;
    /// The node is on a cycle.
    pub(crate) const LOOPED: u64 = 8;
    /// A policy needs panics caught and elements kept.
    pub(crate) const GUARDED: u64 = 16;
    /// A failed element waits for its next attempt.
    pub(crate) const RETRYING: u64 = 32;
    /// The backlog is being drained, further up the stack.
    pub(crate) const WORKING: u64 = 64;
    /// Elements stop here if the calls so far fill much of the stack.
    pub(crate) const STEEP: u64 = 128;
    /// The node is fused with others: elements take a way around it.
    pub(crate) const FUSED: u64 = 256;
    /// Some elements in flight are timed.
    pub(crate) const TIMED: u64 = 512;
    /// All flags.
    pub(super) const FLAGS: u64 = 1023;
    /// Above the flags: number of elements received.
    pub(super) const ONE: u64 = 1024;
}

/// A node's operator, its gate, and the number of elements received.
#[repr(C)]
pub(crate) struct OpCell<B> {
    /// Flags and count in one word: a passing element costs one store.
    gate: Cell<u64>,
    body: UnsafeCell<B>,
}

// SAFETY: as for `Slot`; every access takes a `&Pass`.
unsafe impl<B: Send> Sync for OpCell<B> {}

/// Clears the busy flag and reports it if the function unwinds.
struct Unwinding<'a, F: FnMut()> {
    gate: &'a Cell<u64>,
    unwound: F,
}

impl<F: FnMut()> Drop for Unwinding<'_, F> {
    #[cold]
    fn drop(&mut self) {
        self.gate.set(self.gate.get() & !gate::BUSY);
        (self.unwound)();
    }
}

impl<B> OpCell<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self {
            gate: Cell::new(0),
            body: UnsafeCell::new(body),
        }
    }

    #[inline(always)]
    pub(crate) fn gate(&self, _inside: &Pass) -> u64 {
        self.gate.get() & gate::FLAGS
    }

    pub(crate) fn open_gate(&self, flags: u64, _inside: &Pass) {
        self.gate.set(self.gate.get() & !flags);
    }

    pub(crate) fn close_gate(&self, flags: u64, _inside: &Pass) {
        self.gate.set(self.gate.get() | flags);
    }

    /// Counts received elements. `--cfg thalweg_uncounted` omits it, to measure its cost.
    #[inline(always)]
    pub(crate) fn count(&self, elements: u64, _inside: &Pass) {
        if cfg!(thalweg_uncounted) {
            return;
        }
        self.gate.set(self.gate.get() + elements * gate::ONE);
    }

    /// Number of elements received.
    pub(crate) fn counted(&self, _inside: &Pass) -> u64 {
        self.gate.get() / gate::ONE
    }

    /// Runs `f` with the operator, or returns `None` if it is in use further up the stack. `unwound` is called if `f`
    /// panics.
    #[inline(always)]
    pub(crate) fn run<'a, R>(
        &self,
        pass: &'a mut Pass,
        unwound: impl FnMut(),
        f: impl FnOnce(&mut B, &'a mut Pass) -> R,
    ) -> Option<R> {
        if self.gate.get() & gate::BUSY != 0 {
            return None;
        }
        self.gate.set(self.gate.get() | gate::BUSY);
        let unwinding = Unwinding {
            gate: &self.gate,
            unwound,
        };
        // SAFETY: the pass proves that no other thread is here; the busy flag, clear until just
        // now, that this thread is not either. It is cleared when `f` is done with the reference.
        let result = f(unsafe { &mut *self.body.get() }, pass);
        std::mem::forget(unwinding);
        self.gate.set(self.gate.get() & !gate::BUSY);
        Some(result)
    }
}

impl<B> OpCell<B> {
    /// Reads the operator with `f`, or returns `None` if it is in use further up the stack.
    pub(crate) fn peek<R>(&self, _inside: &Pass, f: impl FnOnce(&B) -> R) -> Option<R> {
        if self.gate.get() & gate::BUSY != 0 {
            return None;
        }
        self.gate.set(self.gate.get() | gate::BUSY);
        // Clears the flag either way.
        let _looking = Unwinding {
            gate: &self.gate,
            unwound: || (),
        };
        // SAFETY: as in `run`.
        Some(f(unsafe { &*self.body.get() }))
    }
}

/// A receiver of elements of type `T`.
pub(crate) trait Receive<T>: Send + Sync {
    /// Processes one element.
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult;

    /// Processes all elements of a batch, in order; records failures in the pass and continues.
    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass);

    /// Whether it accepts a host batch right now.
    fn takes(&self, _batch: &dyn Any, _: &Pass) -> bool {
        false
    }

    /// Processes such a batch, like [`receive_many`](Self::receive_many); returns the number of elements at its end
    /// that are left for later.
    fn receive_host_batch(&self, _batch: &mut dyn Any, _: &mut Pass) -> usize {
        0
    }

    /// The receiver as a link.
    fn link(&self) -> Link<T>;

    /// Whether it is one of several inlets of its node, each of which receives every element.
    fn is_distinct(&self) -> bool {
        false
    }

    /// Its edge is being removed, while both nodes stay.
    fn parted(&self, _: &Pass) {}
}

/// An edge for the hot path: a receiver and its functions, without a vtable in between.
pub(crate) struct Link<T> {
    to: NonNull<()>,
    one: unsafe fn(NonNull<()>, T, &mut Pass) -> EmitResult,
    many: unsafe fn(NonNull<()>, &mut Vec<T>, &mut Pass),
}

impl<T> Clone for Link<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Link<T> {}

// SAFETY: a link is a `&R` of an `R: Receive<T>`, which is `Send + Sync`.
unsafe impl<T> Send for Link<T> {}
// SAFETY: the same.
unsafe impl<T> Sync for Link<T> {}

impl<T> Link<T> {
    /// Creates a link to `receiver`, which has to outlive every call.
    pub(crate) fn to<R: Receive<T>>(receiver: &R) -> Self {
        unsafe fn one<T, R: Receive<T>>(to: NonNull<()>, x: T, pass: &mut Pass) -> EmitResult {
            // SAFETY: `to` was made from a `&R` below, and whoever calls keeps it alive.
            unsafe { to.cast::<R>().as_ref() }.receive(x, pass)
        }
        unsafe fn many<T, R: Receive<T>>(to: NonNull<()>, xs: &mut Vec<T>, pass: &mut Pass) {
            // SAFETY: the same.
            unsafe { to.cast::<R>().as_ref() }.receive_many(xs, pass)
        }
        Self {
            to: NonNull::from(receiver).cast(),
            one: one::<T, R>,
            many: many::<T, R>,
        }
    }

    /// Sends one element to the receiver, which is alive: a link is kept only as long as the edge that owns it.
    #[inline(always)]
    pub(crate) fn send(&self, x: T, pass: &mut Pass) -> EmitResult {
        // SAFETY: the receiver is alive, see above; the pass proves that only this thread is there.
        unsafe { (self.one)(self.to, x, pass) }
    }

    /// Sends a batch to the receiver, as [`send`](Self::send) does.
    pub(crate) fn send_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        // SAFETY: as in `send`.
        unsafe { (self.many)(self.to, xs, pass) }
    }

    fn is_nowhere(&self) -> bool {
        self.to == NonNull::dangling()
    }

    /// A link that leads nowhere.
    pub(crate) fn nowhere() -> Self {
        Self {
            to: NonNull::dangling(),
            one: |_, _, _| Ok(()),
            many: |_, xs, _| xs.clear(),
        }
    }
}

/// The outgoing links of a node.
pub(crate) struct Links<T>(UnsafeCell<Fan<T>>);

#[repr(C)]
struct Fan<T> {
    /// Destination of elements: nowhere, the only receiver, or the fan-out over `all`.
    first: Link<T>,
    /// Removed edges are links that lead nowhere; the last one leads somewhere.
    all: SmallVec<[Link<T>; 1]>,
}

impl<T> Fan<T> {
    fn aim(&mut self, fan: Link<T>) {
        while self.all.last().is_some_and(Link::is_nowhere) {
            self.all.pop();
        }
        self.first = match self.all.as_slice() {
            [] => Link::nowhere(),
            [only] => *only,
            _ => fan,
        };
    }
}

// SAFETY: as for `Slot`; every access takes a `&Pass`.
unsafe impl<T> Sync for Links<T> {}

impl<T> Links<T> {
    pub(crate) fn new() -> Self {
        Self(UnsafeCell::new(Fan {
            first: Link::nowhere(),
            all: SmallVec::new(),
        }))
    }

    /// Sends one element.
    ///
    /// The receivers are alive: a link is in here only while the edge that owns its receiver is in the node's list
    /// (`Output::relink`), and edges are removed only between passes.
    #[inline(always)]
    pub(crate) fn send(&self, x: T, pass: &mut Pass) -> EmitResult {
        // SAFETY: the pass proves that only this thread reads, and nobody writes during a pass.
        let Link { to, one, .. } = unsafe { (*self.0.get()).first };
        // SAFETY: the receiver is alive, see above.
        unsafe { one(to, x, pass) }
    }

    /// Sends a batch.
    pub(crate) fn send_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        // SAFETY: as in `send`.
        let Link { to, many, .. } = unsafe { (*self.0.get()).first };
        // SAFETY: as in `send`.
        unsafe { many(to, xs, pass) }
    }

    /// Sends each receiver its copy in turn, the last one the element itself.
    pub(crate) fn send_each(&self, x: T, pass: &mut Pass) -> EmitResult
    where
        T: Clone,
    {
        // SAFETY: as in `send`.
        let all = unsafe { &(&(*self.0.get())).all };
        let Some((last, others)) = all.split_last() else {
            return Ok(());
        };
        for link in others.iter().filter(|link| !link.is_nowhere()) {
            // SAFETY: as in `send`.
            unsafe { (link.one)(link.to, x.clone(), pass) }?;
        }
        // SAFETY: as in `send`.
        unsafe { (last.one)(last.to, x, pass) }
    }

    /// Changes the links. `fan` is the link to [`Links::send_each`].
    pub(crate) fn change(
        &self,
        fan: Link<T>,
        pass: &Pass,
        change: impl FnOnce(&mut SmallVec<[Link<T>; 1]>),
    ) {
        assert!(pass.is_between(), "edges change between passes only");
        // SAFETY: the pass proves that no other thread is here, and being between passes that no
        // reference from `send_each` is on this thread's stack. `change` runs no code of others.
        let links = unsafe { &mut *self.0.get() };
        change(&mut links.all);
        links.aim(fan);
    }
}

/// A node as the start of an emission, with its resolved output.
pub(crate) struct Outlet<T> {
    output: NonNull<Output<T>>,
    node: Arc<dyn Produce<T>>,
}

// SAFETY: it is an `Arc<dyn Produce<T>>`, which is `Send + Sync`, and a reference into it.
unsafe impl<T> Send for Outlet<T> {}
// SAFETY: the same.
unsafe impl<T> Sync for Outlet<T> {}

impl<T> Clone for Outlet<T> {
    fn clone(&self) -> Self {
        Self {
            output: self.output,
            node: self.node.clone(),
        }
    }
}

impl<T> Outlet<T> {
    pub(crate) fn new(node: Arc<dyn Produce<T>>) -> Self {
        Self {
            output: NonNull::from(node.output()),
            node,
        }
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.core().id()
    }

    #[inline(always)]
    pub(crate) fn output(&self) -> &Output<T> {
        // SAFETY: the output is part of the node, which `node` keeps alive and in place.
        unsafe { self.output.as_ref() }
    }
}

impl<T> std::ops::Deref for Outlet<T> {
    type Target = Arc<dyn Produce<T>>;

    fn deref(&self) -> &Self::Target {
        &self.node
    }
}

/// Where an element enters a graph.
pub(crate) trait Start<T>: Clone + Send + 'static {
    /// The node.
    fn id(&self) -> NodeId;

    /// Sends an element from there, or passes it to the node.
    fn send(&self, x: T, pass: &mut Pass) -> EmitResult;
}

impl<T: Element> Start<T> for Outlet<T> {
    fn id(&self) -> NodeId {
        Outlet::id(self)
    }

    #[inline(always)]
    fn send(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.output().send(x, pass)
    }
}

/// A node that an element is passed to, as if by an upstream.
pub(crate) struct Entrance<T> {
    receiver: Arc<dyn Receive<T>>,
    id: NodeId,
}

impl<T> Clone for Entrance<T> {
    fn clone(&self) -> Self {
        Self::new(self.receiver.clone(), self.id)
    }
}

impl<T> Entrance<T> {
    pub(crate) fn new(receiver: Arc<dyn Receive<T>>, id: NodeId) -> Self {
        Self { receiver, id }
    }
}

impl<T: Element> Start<T> for Entrance<T> {
    fn id(&self) -> NodeId {
        self.id
    }

    fn send(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.receiver.receive(x, pass)
    }
}

/// The graph of a pass. A reference without its lifetime, which would otherwise be in the signature of every operator.
#[derive(Clone, Copy)]
pub(crate) struct GraphRef(NonNull<Graph>);

impl GraphRef {
    pub(crate) fn new(graph: &Graph) -> Self {
        Self(NonNull::from(graph))
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> &Graph {
        // SAFETY: `GraphRef`s are made for a `Pass` and not kept for longer than it lives, and
        // whoever makes a pass borrows the graph for longer than that.
        unsafe { self.0.as_ref() }
    }
}

/// Exercises the `unsafe` code above through the public API: run these under valgrind.
#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use crate::{OnError, Stream};

    #[test]
    fn cell_owned_elements_reach_all_sinks_or_none() {
        let source = Stream::new();
        source.emit("to nobody".to_string()).wait().expect("taken");
        let lists: Vec<_> = (0..3)
            .map(|_| source.map(|text: String| text + "!").sink_to_list())
            .collect();
        source.emit("a".to_string()).wait().expect("taken");
        source
            .emit_many(["b".to_string(), "c".to_string()])
            .wait()
            .expect("taken");
        for list in lists {
            assert_eq!(list.to_vec(), ["a!", "b!", "c!"]);
        }
    }

    #[test]
    fn cell_a_panic_reopens_the_gate() {
        let source = Stream::new();
        let list = source
            .map(|text: String| {
                assert_ne!(text, "bad", "on purpose");
                text
            })
            .sink_to_list();
        for text in ["good", "bad", "good", "bad"] {
            let emitted = source.emit(text.to_string()).wait();
            assert_eq!(emitted.is_err(), text == "bad");
        }
        let batch = ["bad", "good"].map(str::to_string);
        assert!(source.emit_many(batch).wait().is_err());
        assert_eq!(list.to_vec(), ["good"; 3]);
    }

    #[test]
    fn cell_a_reentrant_emit_is_queued() {
        let source = Stream::<String>::new();
        let again = source.clone();
        let lengths = source.map(move |text| {
            if text.len() < 4 {
                again.emit(text.clone() + "x").wait().expect("taken");
            }
            text.len()
        });
        let list = lengths.sink_to_list();
        source.emit(String::new()).wait().expect("taken");
        assert_eq!(list.to_vec(), [0, 1, 2, 3, 4]);
        lengths.destroy();
    }

    #[test]
    fn cell_edges_change_only_between_passes() {
        let source = Stream::<String>::new();
        let slot: Arc<Mutex<Option<Stream<String>>>> = Arc::default();
        let victim = slot.clone();
        source.sink(move |_| {
            if let Some(stream) = victim.lock().expect("not poisoned").take() {
                stream.destroy();
            }
        });
        let branch = source.map(|text| text + "?");
        let list = branch.sink_to_list();
        *slot.lock().expect("not poisoned") = Some(branch);
        for _ in 0..2 {
            source.emit("a".to_string()).wait().expect("taken");
        }
        // The element that removed the branch still passed through it.
        assert_eq!(list.to_vec(), ["a?"]);
    }

    #[test]
    fn cell_loops_policies_and_dropped_pipelines() {
        let source = Stream::<Vec<u8>>::new();
        source
            .try_filter(|bytes| match bytes.len() {
                0 => Err("empty"),
                n => Ok(n < 50),
            })
            .on_error(OnError::Skip)
            .map(|mut bytes| {
                bytes.push(0);
                bytes
            })
            .connect(&source)
            .expect("the types fit");
        let list = source.map(|bytes| bytes.len()).sink_to_list();
        source.emit(vec![0]).wait().expect("taken");
        source.emit(Vec::new()).wait().expect("skipped");
        assert_eq!(list.len(), 51);
        let end = source.buffer(3).partition(100);
        source.emit(vec![0; 60]).wait().expect("taken");
        drop(source);
        drop(end);
    }
}
