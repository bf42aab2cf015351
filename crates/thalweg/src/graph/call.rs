//! Calls of asynchronous functions: the one that this thread is polling, and where its emissions lead.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::completion::{Completion, Ticket};
use super::node::{Core, NodeId};
use super::{Graph, Pass};
use crate::sync::lock;

/// Where an element was emitted: the pipeline and the node.
pub(super) type Start = (Weak<Graph>, NodeId);

/// A node with asynchronous functions, and where they have emitted.
pub(crate) struct CallSite {
    node: NodeId,
    emits_at: Mutex<Vec<Start>>,
}

/// A running call of an asynchronous function.
///
/// A function that awaits an [`emit`](crate::Stream::emit) whose element leads back to it would wait for itself. So
/// such an element counts as accepted as soon as it is queued; the element that the function is working on counts as
/// accepted only when both are. The engine knows which call awaits an `emit` while the function's own future polls it.
/// Code that polls on its behalf, such as a task it has spawned, must do so in the call's [`scope`](Self::scope).
///
/// ```
/// use thalweg::{CurrentCall, Stream, VirtualClock};
///
/// let clock = VirtualClock::new();
/// let source = Stream::on(&clock);
/// let again = source.clone();
/// let sink = source.sink_async(move |x: u32| {
///     let again = again.clone();
///     async move {
///         assert!(CurrentCall::get().is_some());
///         if x < 3 {
///             again.emit(x + 1).await.unwrap();
///         }
///     }
/// });
/// clock.block_on(source.emit(0))?;
/// assert_eq!(source.counters().sent, 4);
/// # sink.destroy();
/// # Ok::<(), thalweg::Error>(())
/// ```
#[derive(Clone)]
pub struct CurrentCall(Arc<Call>);

impl fmt::Debug for CurrentCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let node = self.0.site.node;
        f.debug_struct("CurrentCall").field("node", &node).finish()
    }
}

struct Call {
    site: Arc<CallSite>,
    /// `None` once it has ended.
    element: Mutex<Option<Held>>,
    /// Whether the function runs outside of the pipeline, for a node that has already emitted its element.
    is_outside: bool,
}

/// A share in the function's element, if somebody waits for that.
struct Held(Option<Ticket>);

thread_local! {
    static CURRENT: RefCell<Option<CurrentCall>> = const { RefCell::new(None) };
}

/// Forgets the call that this thread is polling, in a forked process: it goes on in the parent.
pub(crate) fn forget() {
    let _ = CURRENT.try_with(|current| {
        let current = current.try_borrow_mut();
        current.map(|mut current| std::mem::forget(current.take()))
    });
}

impl CallSite {
    pub(super) fn new(node: NodeId) -> Arc<Self> {
        Arc::new(Self {
            node,
            emits_at: Mutex::default(),
        })
    }

    /// Records that a function of this node emits somewhere.
    fn note(&self, starts: &[Start]) {
        let mut known = lock(&self.emits_at);
        known.retain(|(graph, _)| graph.strong_count() > 0);
        for (graph, node) in starts {
            if !known.iter().any(|(_, other)| other == node) {
                known.push((graph.clone(), *node));
            }
        }
    }
}

impl CurrentCall {
    /// The call for the current element of a pass.
    pub(super) fn begin(site: Arc<CallSite>, pass: &Pass) -> Self {
        let mut ticket = pass.lease.done.clone();
        if let Some(ticket) = &mut ticket {
            // The node that keeps this element says whether there is room for another.
            ticket.admit();
        }
        let held = Held(ticket);
        Self(Arc::new(Call {
            site,
            element: Mutex::new(Some(held)),
            is_outside: false,
        }))
    }

    /// A call of a node's function outside of the pipeline: see [`Stream::outside_call`](crate::Stream::outside_call).
    pub(crate) fn outside(node: &Core) -> Self {
        Self(Arc::new(Call {
            site: node.begin_to_call().clone(),
            element: Mutex::new(Some(Held(None))),
            is_outside: true,
        }))
    }

    /// The call whose future this thread is polling.
    pub fn get() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }

    /// Wraps a future that is polled on behalf of this call.
    pub fn scope<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        Scope { future, call: self }
    }

    /// Runs code on behalf of this call: its function, or code that polls its future.
    pub fn enter<R>(&self, run: impl FnOnce() -> R) -> R {
        struct Restore(Option<CurrentCall>);

        impl Drop for Restore {
            fn drop(&mut self) {
                let inner =
                    CURRENT.with_borrow_mut(|current| std::mem::replace(current, self.0.take()));
                drop(inner);
            }
        }

        let before = CURRENT.with_borrow_mut(|current| current.replace(self.clone()));
        let _restore = Restore(before);
        run()
    }

    /// Ends the call: emissions in its name are from now on waited for like any others.
    pub(super) fn end(&self) {
        let held = lock(&self.0.element).take();
        drop(held);
    }

    /// Makes the function's element wait for `done` in the function's place, if the function would wait for itself;
    /// returns whether it does.
    pub(super) fn takes_over(&self, done: &Arc<Completion>) -> bool {
        let starts = done.starts();
        self.0.site.note(&starts);
        if lock(&self.0.element).is_none() || !self.comes_back(starts) {
            return false;
        }
        let waiting = match &*lock(&self.0.element) {
            // Behind a buffer nobody waits for the function's element, and its slot must not wait either: the returning
            // element may need it.
            Some(Held(Some(ticket))) if ticket.done().is_awaited() => ticket.done().waiting(),
            Some(Held(_)) => Vec::new(),
            None => return false,
        };
        if waiting.is_empty() {
            done.abandon();
        }
        for ticket in waiting {
            ticket.done().waits_for(done);
            done.release_after(ticket);
        }
        true
    }
}

impl CurrentCall {
    /// Whether elements emitted somewhere can come back to the call's node, or downstream of its emitted element.
    fn comes_back(&self, starts: Vec<Start>) -> bool {
        let node = self.0.site.node;
        let is_below = |(graph, start): &Start| {
            *start == node || leads_to(vec![(graph.clone(), node)], *start)
        };
        self.0.is_outside && starts.iter().any(is_below) || leads_to(starts, node)
    }
}

/// Whether an element that a function has emitted downstream of a node can come back to the node.
pub(super) fn leads_back(done: &Arc<Completion>, node: &Core) -> bool {
    let starts = done.starts();
    node.begin_to_call().note(&starts);
    leads_to(starts, node.id())
}

/// Whether elements emitted somewhere can reach a node: along edges, and through asynchronous functions that emit.
fn leads_to(starts: Vec<Start>, goal: NodeId) -> bool {
    let (mut starts, mut seen) = (starts, HashSet::new());
    while let Some((graph, start)) = starts.pop() {
        let Some(graph) = graph.upgrade().filter(|_| seen.insert(start)) else {
            continue;
        };
        let mut sites = Vec::new();
        let found = graph.query(|pass| pass.graph().comes_to(start, goal, &mut sites, pass));
        if found == Some(true) {
            return true;
        }
        for site in sites {
            starts.extend(lock(&site.emits_at).iter().cloned());
        }
    }
    false
}

pin_project! {
    struct Scope<F> {
        #[pin]
        future: F,
        call: CurrentCall,
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.call.enter(|| this.future.poll(cx))
    }
}
