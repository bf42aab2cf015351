//! Inputs of joins: tuples of streams and literals, or a slice of streams.

use std::sync::Arc;

use super::lane::{Item1, Item2, Item3, Item4, Item5, Item6, Item7, Item8, Lane, Lanes};
use crate::graph::Graph;
use crate::{Element, Join, Operator, Stream};

/// A constant in every row of a join; see [`literal`].
#[derive(Clone, Debug)]
pub struct Literal<T>(T);

/// Wraps a constant as an input of a join.
///
/// ```
/// use thalweg::ops::{literal, zip};
/// use thalweg::Stream;
///
/// let names = Stream::new();
/// let list = zip((literal("hello"), &names)).sink_to_list();
/// names.emit("world").wait()?;
/// assert_eq!(list.to_vec(), [("hello", "world")]);
/// # Ok::<(), thalweg::Error>(())
/// ```
pub fn literal<T: Element>(value: T) -> Literal<T> {
    Literal(value)
}

/// An input of a join: a `&Stream` or a [`Literal`].
pub trait Input {
    /// Type of its elements.
    type Item: Element;

    /// Type of the queue of its elements.
    fn lane(&self) -> Lane<Self::Item>;

    /// The stream, if it is one.
    fn stream(&self) -> Option<&Stream<Self::Item>>;
}

impl<T: Element> Input for &Stream<T> {
    type Item = T;

    fn lane(&self) -> Lane<T> {
        Lane::new()
    }

    fn stream(&self) -> Option<&Stream<T>> {
        Some(self)
    }
}

impl<T: Element> Input for Literal<T> {
    type Item = T;

    fn lane(&self) -> Lane<T> {
        Lane::literal(self.0.clone())
    }

    fn stream(&self) -> Option<&Stream<T>> {
        None
    }
}

/// The inputs of a join: a tuple of up to eight streams and literals, or a slice of streams of one type.
pub trait Inputs {
    /// Type of the queues of their elements.
    type Lanes: Lanes;

    /// Creates empty lanes.
    fn lanes(&self) -> Self::Lanes;

    /// Creates the node, with an inlet for each stream.
    fn join<Op>(&self, operator: Op) -> Stream<Op::Out>
    where
        Op: Operator<In = <Self::Lanes as Lanes>::Item>;
}

fn graph_or_new(graph: Option<&Arc<Graph>>) -> Arc<Graph> {
    graph.cloned().unwrap_or_else(|| Graph::new(None))
}

macro_rules! inputs {
    ($item:ident: $($T:ident $i:tt),+) => {
        impl<$($T: Input),+> Inputs for ($($T,)+) {
            type Lanes = ($(Lane<$T::Item>,)+);

            fn lanes(&self) -> Self::Lanes {
                ($(self.$i.lane(),)+)
            }

            fn join<Op>(&self, operator: Op) -> Stream<Op::Out>
            where
                Op: Operator<In = <Self::Lanes as Lanes>::Item>,
            {
                let graphs = [$(self.$i.stream().map(Stream::graph)),+];
                let graph = graph_or_new(graphs.into_iter().flatten().next());
                let join = Join::in_graph(operator, &graph);
                $(
                    let join = match self.$i.stream() {
                        Some(stream) => join.inlet(stream, $item::$T),
                        None => join,
                    };
                )+
                join.stream()
            }
        }
    };
}

inputs!(Item1: A 0);
inputs!(Item2: A 0, B 1);
inputs!(Item3: A 0, B 1, C 2);
inputs!(Item4: A 0, B 1, C 2, D 3);
inputs!(Item5: A 0, B 1, C 2, D 3, E 4);
inputs!(Item6: A 0, B 1, C 2, D 3, E 4, F 5);
inputs!(Item7: A 0, B 1, C 2, D 3, E 4, F 5, G 6);
inputs!(Item8: A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

impl<T: Element> Inputs for &[Stream<T>] {
    type Lanes = Vec<Lane<T>>;

    fn lanes(&self) -> Self::Lanes {
        self.iter().map(|_| Lane::new()).collect()
    }

    fn join<Op>(&self, operator: Op) -> Stream<Op::Out>
    where
        Op: Operator<In = (usize, T)>,
    {
        let graph = graph_or_new(self.first().map(Stream::graph));
        self.iter()
            .enumerate()
            .fold(Join::in_graph(operator, &graph), |join, (lane, stream)| {
                join.inlet(stream, move |x| (lane, x))
            })
            .stream()
    }
}
