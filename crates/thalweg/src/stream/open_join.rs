use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::Stream;
use crate::ack::Acks;
use crate::failure::Error;
use crate::graph::{
    AnyNode, Emit, Entrance, Graph, Lease, Link, Node, OperatorNode, Origin, Pass, Receive,
    receive_each,
};
use crate::operator::{Element, EmitResult, Operator};

/// A node with several inlets that may be added and removed while it runs; for a fixed number, also of different types,
/// see [`Join`](crate::Join).
///
/// It is a handle, and keeps alive what a [`Stream`] does. The operator's input is [`Arrival`]: elements with the key
/// of their inlet, and changes of the inlets. Those of [`zip`](crate::ops::Zip),
/// [`combine_latest`](crate::ops::CombineLatest) and [`zip_latest`](crate::ops::ZipLatest) are built on
/// [`OpenLanes`](crate::ops::OpenLanes):
///
/// ```
/// use thalweg::ops::{OpenLanes, Zip};
/// use thalweg::{OpenJoin, Stream};
///
/// let (a, b, c) = (Stream::new(), Stream::new(), Stream::new());
/// let join = OpenJoin::new(Zip::new(OpenLanes::new(), 10)?, &a);
/// join.attach(&a)?;
/// join.attach_literal(0);
/// join.attach(&b)?;
/// let rows = join.stream().sink_to_list();
/// a.emit(1).wait()?;
/// b.emit(2).wait()?;
/// assert_eq!(rows.take(), [[1, 0, 2]]);
///
/// join.attach(&c)?;
/// join.detach(&a)?;
/// b.emit(3).wait()?;
/// assert!(rows.is_empty());
/// c.emit(4).wait()?;
/// assert_eq!(rows.take(), [[0, 3, 4]]);
/// # Ok::<(), thalweg::Error>(())
/// ```
///
/// So is a custom operator:
///
/// ```
/// use thalweg::{Arrival, Context, EmitResult, Never, OpenJoin, Operator, Stream};
///
/// /// Writes down by which inlet an element came.
/// struct Log;
///
/// impl Operator for Log {
///     type In = Arrival<char>;
///     type Out = String;
///     type Event = Never;
///     const KIND: &'static str = "log";
///
///     fn update(&mut self, x: Arrival<char>, cx: &mut Context<'_, Self>) -> EmitResult {
///         cx.emit(match x {
///             Arrival::Element(key, x) => format!("{}: {x}", key.number()),
///             Arrival::Joined(key) | Arrival::Literal(key, _) => format!("{} came", key.number()),
///             Arrival::Left(key) => format!("{} went", key.number()),
///         })
///     }
/// }
///
/// let (a, b) = (Stream::new(), Stream::new());
/// let join = OpenJoin::new(Log, &a);
/// let list = join.stream().sink_to_list();
/// join.attach(&a)?;
/// join.attach(&b)?;
/// b.emit('x').wait()?;
/// join.detach(&a)?;
/// assert_eq!(list.to_vec(), ["0 came", "1 came", "1: x", "0 went"]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct OpenJoin<T, U> {
    node: Arc<dyn Open<T>>,
    /// Number of inlets so far.
    inlets: Arc<AtomicUsize>,
    // Dropped after the node, see `Stream`.
    stream: Stream<U>,
}

impl<T, U> Clone for OpenJoin<T, U> {
    fn clone(&self) -> Self {
        Self {
            node: self.node.clone(),
            inlets: self.inlets.clone(),
            stream: self.stream.clone(),
        }
    }
}

impl<T, U> std::fmt::Debug for OpenJoin<T, U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OpenJoin").field(&self.stream).finish()
    }
}

/// Key of an inlet of an [`OpenJoin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InletKey(usize);

impl InletKey {
    /// 0-based position among the inlets of its join, counting literals and removed inlets.
    pub fn number(self) -> usize {
        self.0
    }
}

/// Input of the operator of an [`OpenJoin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival<T> {
    /// An element, and the inlet it arrived at.
    Element(InletKey, T),
    /// A new inlet, the last one.
    Joined(InletKey),
    /// A constant in place of an inlet.
    Literal(InletKey, T),
    /// A removed inlet; nothing arrives there any more, except elements that wait at this node for their turn.
    Left(InletKey),
}

impl<T: Element, U: Element> OpenJoin<T, U> {
    /// Creates a node without inlets, in the pipeline of `first`.
    pub fn new<Op, V>(operator: Op, first: &Stream<V>) -> Self
    where
        Op: Operator<In = Arrival<T>, Out = U>,
        V: Element,
    {
        let node = Node::new(OperatorNode(operator));
        Self {
            stream: Stream::first(first.graph(), node.clone()),
            inlets: Arc::default(),
            node,
        }
    }

    /// Adds an inlet for `from` after the existing ones. A stream that is attached twice has two inlets, each of which
    /// receives every element.
    ///
    /// The joined pipelines become one. Called by a function inside one, it takes effect after the current element.
    ///
    /// # Errors
    /// The two pipelines run on different event loops.
    pub fn attach(&self, from: &Stream<T>) -> Result<InletKey, Error> {
        Graph::check_join(from.graph(), self.stream.graph())?;
        let key = self.next_key();
        // Handles, because this may be deferred, and the nodes have to exist until then.
        let (from, to) = (from.clone(), self.clone());
        let graphs = (from.graph().clone(), to.stream.graph().clone());
        Graph::join(&graphs.0, &graphs.1, move |pass| {
            let node: Arc<dyn AnyNode> = to.stream.node().clone();
            let inlet = to.node.clone().inlet(key);
            let output = from.node().output();
            pass.graph().connect(output, from.id(), &node, inlet, pass);
            to.node.tell(Arrival::Joined(key), pass);
        });
        Ok(key)
    }

    /// Adds a constant in place of an inlet, after the existing ones.
    pub fn attach_literal(&self, value: T) -> InletKey {
        let (key, to) = (self.next_key(), self.clone());
        self.stream.graph().run_exclusive(Box::new(move |pass| {
            to.node.tell(Arrival::Literal(key, value), pass);
        }));
        key
    }

    /// Passes an element to an inlet, as its upstream does; without one, as the element of an inlet that has not been
    /// added. See [`Stream::receive`].
    ///
    /// ```
    /// # use thalweg::ops::{OpenLanes, Zip};
    /// # use thalweg::{Acks, OpenJoin, Stream};
    /// let (a, b) = (Stream::new(), Stream::new());
    /// let join = OpenJoin::new(Zip::new(OpenLanes::new(), 10)?, &a);
    /// let (left, right) = (join.attach(&a)?, join.attach(&b)?);
    /// let rows = join.stream().sink_to_list();
    /// join.receive(Some(left), 1, Acks::none()).wait()?;
    /// join.receive(Some(right), 2, Acks::none()).wait()?;
    /// assert_eq!(rows.take(), [[1, 2]]);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn receive(&self, inlet: Option<InletKey>, x: T, acks: Acks) -> Emit {
        let key = inlet.unwrap_or_else(|| self.next_key());
        let entrance = Entrance::new(self.node.clone().inlet(key), self.stream.id());
        let lease = Lease::accepted(acks);
        let graph = self.stream.graph();
        graph.emit(&entrance, x, lease, Origin::Source)
    }

    /// Removes the inlets for `from`, and elements that wait there. The same as
    /// [`from.disconnect(join.stream())`](Stream::disconnect).
    ///
    /// # Errors
    /// There are none.
    pub fn detach(&self, from: &Stream<T>) -> Result<(), Error> {
        from.disconnect(&self.stream)
    }

    /// The stream of the node's outputs.
    pub fn stream(&self) -> &Stream<U> {
        &self.stream
    }

    fn next_key(&self) -> InletKey {
        InletKey(self.inlets.fetch_add(1, Ordering::Relaxed))
    }
}

/// A node that takes [`Arrival`]s.
trait Open<T>: Send + Sync {
    fn inlet(self: Arc<Self>, key: InletKey) -> Arc<dyn Receive<T>>;
    fn tell(&self, x: Arrival<T>, pass: &mut Pass);
}

impl<T: Element, Op: Operator<In = Arrival<T>>> Open<T> for Node<OperatorNode<Op>> {
    fn inlet(self: Arc<Self>, key: InletKey) -> Arc<dyn Receive<T>> {
        Arc::new(OpenInlet { node: self, key })
    }

    fn tell(&self, x: Arrival<T>, pass: &mut Pass) {
        Node::tell(self, x, pass);
    }
}

struct OpenInlet<Op: Operator> {
    node: Arc<Node<OperatorNode<Op>>>,
    key: InletKey,
}

impl<T: Element, Op: Operator<In = Arrival<T>>> Receive<T> for OpenInlet<Op> {
    #[inline]
    fn receive(&self, x: T, pass: &mut Pass) -> EmitResult {
        self.node.receive(Arrival::Element(self.key, x), pass)
    }

    fn receive_many(&self, xs: &mut Vec<T>, pass: &mut Pass) {
        receive_each(self, xs, pass);
    }

    fn link(&self) -> Link<T> {
        Link::to(self)
    }

    fn is_distinct(&self) -> bool {
        true
    }

    fn parted(&self, pass: &Pass) {
        let (node, key): (Weak<_>, _) = (Arc::downgrade(&self.node), self.key);
        if let Some(graph) = pass.strong_graph() {
            graph.post(Box::new(move |pass| {
                if let Some(node) = node.upgrade()
                    && pass.graph().node(node.id(), pass).is_some()
                {
                    node.tell(Arrival::Left(key), pass);
                }
            }));
        }
    }
}
