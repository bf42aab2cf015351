//! The handle of users: a stream of elements, the entry of its pipeline and the way to build on it.

mod emit;
mod errors;
mod fuse;
mod host_batches;
mod join;
mod latency;
mod lifecycle;
mod on_error;
mod open_join;
mod positions;
mod trace;
mod wiring;

use std::fmt;
use std::sync::{Arc, Weak};

pub use emit::EmitMany;
pub use host_batches::HostBatches;
pub use join::Join;
pub use on_error::{OnError, Retry};
pub use open_join::{Arrival, InletKey, OpenJoin};

use crate::debug::shows;
use crate::failure::{BuildError, Error};
use crate::graph::{
    AnyNode, Graph, Handle, Node, NodeId, NodeKind, OperatorNode, Outlet, Produce, Receive,
    TransformNode,
};
use crate::operator::{Element, IntoOperator, Never, Operator, OperatorError, Transform};
use crate::runtime::RuntimeHandle;

/// A stream of elements of type `T`: a handle of a node in a pipeline.
///
/// A stream is a cheap handle; clones are handles of the same node. Methods such as [`map`](Self::map) attach a new
/// node downstream and return the stream of its outputs. Elements enter with [`emit`](Self::emit), or from
/// [sources](crate::Source).
///
/// A pipeline lives while a handle of it exists, a source in it runs, or elements are in flight; after that everything
/// in it is freed. A node that leads to no sink is freed with its last handle.
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new();
/// let evens = source.filter(|x| x % 2 == 0).map(|x| x * 10).sink_to_list();
/// let sums = source.scan(0, |sum, x| sum + x).sink_to_list();
/// for x in 1..=4 {
///     source.emit(x).wait()?;
/// }
/// assert_eq!(evens.to_vec(), [20, 40]);
/// assert_eq!(sums.to_vec(), [1, 3, 6, 10]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Stream<T>(Arc<Inner<T>>);

struct Inner<T> {
    // Dropped before the handle: the graph must hold the last reference to a node that is still in it, so that elements
    // the node keeps are reported as undelivered.
    node: Outlet<T>,
    handle: Handle,
}

impl<T> Clone for Stream<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Element> Default for Stream<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Passes elements on: the node of a stream that users emit into.
struct Forward<T> {
    label: Option<String>,
    _element: std::marker::PhantomData<fn() -> T>,
}

impl<T> Forward<T> {
    fn new(label: Option<String>) -> Self {
        Self {
            label,
            _element: std::marker::PhantomData,
        }
    }
}

impl<T: Element> Transform for Forward<T> {
    type In = T;
    type Out = T;
    const KIND: &'static str = "stream";
    const CLOSES: bool = false;

    fn apply(&mut self, x: T) -> Result<Option<T>, OperatorError<T>> {
        Ok(Some(x))
    }

    fn label(&self) -> Option<String> {
        self.label.clone()
    }
}

/// Placeholder of an operator that could not be built.
struct Invalid<T, U>(std::marker::PhantomData<fn(T) -> U>);

impl<T: Element, U: Element> Transform for Invalid<T, U> {
    type In = T;
    type Out = U;
    const KIND: &'static str = "invalid";
    const CLOSES: bool = false;

    fn apply(&mut self, _: T) -> Result<Option<U>, OperatorError<T>> {
        Ok(None)
    }
}

/// A weak [`Stream`], from [`Stream::downgrade`].
pub struct WeakStream<T> {
    graph: Weak<Graph>,
    node: Weak<dyn Produce<T>>,
}

shows!([T] WeakStream<T> {});

impl<T: Element> WeakStream<T> {
    /// A new handle, unless the node is gone.
    pub fn upgrade(&self) -> Option<Stream<T>> {
        let (graph, node) = (self.graph.upgrade()?, self.node.upgrade()?);
        let counted: Arc<dyn AnyNode> = node.clone();
        graph.run_exclusive(Box::new(move |pass| {
            pass.graph().add_handle(&counted, pass)
        }));
        Some(Stream::from_parts(&graph, node))
    }

    /// The pipeline's runtime, which runs its futures and provides its clock. `None` if it has none yet, or is gone.
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::<i32>::on(&clock);
    /// assert!(source.downgrade().runtime().is_some());
    /// ```
    pub fn runtime(&self) -> Option<RuntimeHandle> {
        self.live_graph()?.root().runtime().cloned()
    }

    /// The node's graph, unless it is gone.
    fn live_graph(&self) -> Option<Arc<Graph>> {
        // Only the graph may drop the node last, so no reference to the node is taken.
        (self.node.strong_count() > 0).then(|| self.graph.upgrade())?
    }
}

impl<T: Element> Stream<T> {
    /// Creates a stream to emit into, on the tokio runtime of the caller, if there is one.
    ///
    /// Otherwise, the pipeline has no runtime until a node needs one; then it gets an event loop on a separate thread,
    /// which all such pipelines share.
    pub fn new() -> Self {
        Self::build(RuntimeHandle::current())
    }

    /// Creates a stream to emit into, on the given runtime: an event loop or a virtual clock.
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// source.rate_limit("1s").sink(|x: i32| println!("{x}"));
    /// ```
    pub fn on(runtime: impl Into<RuntimeHandle>) -> Self {
        Self::build(Some(runtime.into()))
    }

    /// Gives the pipeline a runtime, unless it has one: nodes attached from here on can wait for time and futures.
    ///
    /// ```
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let source = Stream::<i32>::new();
    /// let clock = VirtualClock::new();
    /// source.run_on(&clock)?;
    /// assert!(source.run_on(VirtualClock::new()).is_err());
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Errors
    /// It has another.
    pub fn run_on(&self, runtime: impl Into<RuntimeHandle>) -> Result<(), Error> {
        self.graph().run_on(runtime.into())
    }

    fn build(runtime: Option<RuntimeHandle>) -> Self {
        Self::forward("stream", &Graph::new(runtime))
    }

    /// The first node of a new graph.
    pub(crate) fn source_node(
        kind: &'static str,
        label: Option<String>,
        runtime: Option<RuntimeHandle>,
    ) -> Self {
        Self::labelled(kind, label, &Graph::new(runtime))
    }

    /// Adds a node that passes elements on to an existing graph.
    pub(crate) fn forward(kind: &'static str, graph: &Arc<Graph>) -> Self {
        Self::labelled(kind, None, graph)
    }

    fn labelled(kind: &'static str, label: Option<String>, graph: &Arc<Graph>) -> Self {
        let stream = Self::first(graph, Node::new(TransformNode(Forward::new(label))));
        stream.node().core().set_kind(kind);
        stream
    }

    /// Adds an edge to a node created by [`forward`](Self::forward).
    pub(crate) fn join_forward(&self, to: &Self) {
        let node: Arc<dyn AnyNode> = to.node().clone();
        let (inlet, _) = node.inlet();
        if let Ok(receiver) = inlet.downcast::<Arc<dyn Receive<T>>>() {
            self.link(to, *receiver);
        }
    }

    pub(super) fn first<B: NodeKind<Out = T>>(graph: &Arc<Graph>, node: Arc<Node<B>>) -> Self {
        let registered: Arc<dyn AnyNode> = node.clone();
        graph.run_exclusive(Box::new(move |pass| {
            pass.graph().register(registered, pass);
        }));
        Self::from_parts(graph, node)
    }

    fn from_parts(graph: &Arc<Graph>, node: Arc<dyn Produce<T>>) -> Self {
        let handle = Handle {
            graph: graph.clone(),
            id: node.core().id(),
        };
        Self(Arc::new(Inner {
            node: Outlet::new(node),
            handle,
        }))
    }

    /// Creates a weak handle.
    ///
    /// ```
    /// # use thalweg::Stream;
    /// let source: Stream<i32> = Stream::new();
    /// let weak = source.downgrade();
    /// assert!(weak.upgrade().is_some());
    /// drop(source);
    /// assert!(weak.upgrade().is_none());
    /// ```
    pub fn downgrade(&self) -> WeakStream<T> {
        WeakStream {
            graph: Arc::downgrade(self.graph()),
            node: Arc::downgrade(self.node()),
        }
    }

    pub(crate) fn graph(&self) -> &Arc<Graph> {
        &self.0.handle.graph
    }

    pub(crate) fn id(&self) -> NodeId {
        self.0.handle.id
    }

    pub(crate) fn node(&self) -> &Arc<dyn Produce<T>> {
        &self.0.node
    }

    #[inline(always)]
    pub(crate) fn outlet(&self) -> &Outlet<T> {
        &self.0.node
    }

    /// Attaches a [`Transform`] downstream: as `map`, `filter` and others do, and custom ones.
    pub fn transform<Tr: Transform<In = T>>(&self, transform: Tr) -> Stream<Tr::Out> {
        self.attach(TransformNode(transform))
    }

    /// The same with a transform whose arguments may be invalid.
    pub(crate) fn transform_checked<Tr: Transform<In = T>>(
        &self,
        transform: Result<Tr, BuildError>,
    ) -> Stream<Tr::Out> {
        self.attach_checked(transform.map(TransformNode))
    }

    /// Attaches an [`Operator`] downstream: as windows, buffers and joins do, and custom operators.
    ///
    /// Also takes options, and the result of a constructor, see [`IntoOperator`]. An invalid argument is a build error,
    /// see [`check`](Self::check).
    pub fn apply<Op: Operator<In = T>>(
        &self,
        operator: impl IntoOperator<Operator = Op>,
    ) -> Stream<Op::Out> {
        self.attach_checked(operator.into_operator().map(OperatorNode))
    }

    /// Attaches a node, or records the invalid argument; then the rest can be built, but nothing runs.
    fn attach_checked<B: NodeKind<In = T>>(&self, body: Result<B, BuildError>) -> Stream<B::Out> {
        match body {
            Ok(body) => self.attach(body),
            Err(build_error) => {
                self.build_error(build_error);
                self.transform(Invalid(std::marker::PhantomData))
            }
        }
    }

    fn attach<B: NodeKind<In = T>>(&self, body: B) -> Stream<B::Out> {
        let node = Node::new(body);
        let (upstream, downstream) = (self.node().clone(), node.clone());
        self.graph().run_exclusive(Box::new(move |pass| {
            let graph = pass.graph();
            graph.register(downstream.clone(), pass);
            let to: Arc<dyn AnyNode> = downstream.clone();
            graph.connect(
                upstream.output(),
                upstream.core().id(),
                &to,
                downstream,
                pass,
            );
        }));
        Stream::from_parts(self.graph(), node)
    }

    /// Names the node, for errors, counters and drawings.
    pub fn named(self, name: impl Into<String>) -> Self {
        self.0.node.core().set_name(name.into());
        self
    }

    /// Id of the node: unique in the process, and equal to [`NodeView::id`](crate::view::NodeView::id). Clones of a
    /// handle have the same.
    pub fn node_id(&self) -> u64 {
        self.id()
    }

    /// The node's name: the given one, or else one derived from its kind, its function and its position.
    pub fn name(&self) -> String {
        self.0.node.core().name()
    }
}

impl<T> fmt::Debug for Stream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream")
            .field(&self.0.node.core().name())
            .finish()
    }
}

/// The handle of a sink, the end of a branch. Dropping it leaves the sink in place.
#[derive(Clone)]
pub struct Sink(Stream<Never>);

impl Sink {
    pub(crate) fn new(stream: Stream<Never>) -> Self {
        Self(stream)
    }

    /// Names the sink, for errors, counters and drawings.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self(self.0.named(name))
    }

    /// Detaches the sink: it receives no more elements.
    pub fn destroy(&self) {
        self.0.destroy();
    }

    /// The sink's node, for all other methods of a node: policy, counters, drain.
    pub fn stream(&self) -> &Stream<Never> {
        &self.0
    }

    /// Sets the policy for elements that the sink's function fails on.
    pub fn on_error(self, policy: impl Into<OnError>) -> Self {
        Self(self.0.on_error(policy))
    }
}

/// The sink, for a node with [`Transform::SINK`] or [`Operator::SINK`].
impl From<Stream<Never>> for Sink {
    fn from(stream: Stream<Never>) -> Self {
        Self(stream)
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sink").field(&self.0.name()).finish()
    }
}
