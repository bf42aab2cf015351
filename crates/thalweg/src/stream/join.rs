use std::sync::Arc;

use super::Stream;
use crate::debug::shows;
use crate::graph::{Graph, Inlet, Node, OperatorNode};
use crate::operator::{Element, Operator};

/// Builder of a node with several inlets, such as `zip` and `combine_latest`, and custom joins.
///
/// The operator's input is an enum with a variant for each inlet, which wraps its elements in it. The joined pipelines
/// become one.
///
/// ```
/// use thalweg::{Context, EmitResult, Join, Never, Operator, Stream};
///
/// /// Subtracts the latest of the one from each of the other.
/// struct Minus(i32);
///
/// #[derive(Clone)]
/// enum In { Left(i32), Right(i32) }
///
/// impl Operator for Minus {
///     type In = In;
///     type Out = i32;
///     type Event = Never;
///     const KIND: &'static str = "minus";
///
///     fn update(&mut self, x: In, cx: &mut Context<'_, Self>) -> EmitResult {
///         match x {
///             In::Left(x) => cx.emit(x - self.0),
///             In::Right(x) => {
///                 self.0 = x;
///                 Ok(())
///             }
///         }
///     }
/// }
///
/// let (left, right) = (Stream::new(), Stream::new());
/// let differences = Join::new(Minus(0), &left)
///     .inlet(&left, In::Left)
///     .inlet(&right, In::Right)
///     .stream();
/// let list = differences.sink_to_list();
/// left.emit(5).wait()?;
/// right.emit(2).wait()?;
/// left.emit(5).wait()?;
/// assert_eq!(list.to_vec(), [5, 3]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub struct Join<Op: Operator> {
    node: Arc<Node<OperatorNode<Op>>>,
    stream: Stream<Op::Out>,
}

shows!([Op: Operator] Join<Op> {});

impl<Op: Operator> Join<Op> {
    /// Creates a node without inlets, in the pipeline of `first`.
    pub fn new<T: Element>(operator: Op, first: &Stream<T>) -> Self {
        Self::in_graph(operator, first.graph())
    }

    pub(crate) fn in_graph(operator: Op, graph: &Arc<Graph>) -> Self {
        let node = Node::new(OperatorNode(operator));
        let stream = Stream::first(graph, node.clone());
        Self { node, stream }
    }

    /// Adds an inlet: elements of `from` arrive wrapped by `wrap`.
    pub fn inlet<T: Element>(
        self,
        from: &Stream<T>,
        wrap: impl Fn(T) -> Op::In + Send + Sync + 'static,
    ) -> Self {
        let inlet = Arc::new(Inlet {
            node: self.node.clone(),
            wrap,
        });
        from.link(&self.stream, inlet);
        self
    }

    /// The stream of the node's outputs.
    pub fn stream(self) -> Stream<Op::Out> {
        self.stream
    }
}
