//! The input side of a node of the engine, whatever its elements are.

use std::any::Any;

use thalweg::view::{Counters, Latency};
use thalweg::{Acks, Element, Emit, Error, InletKey, OnError, OpenJoin, Stream};

use crate::ops::join;
use crate::value::Value;

/// A node of the engine that may hold Python objects.
pub(crate) trait Traverse: Send + Sync {
    /// Visits the objects it holds; returns false if the node was busy.
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool;

    /// Number of elements in flight in it; `None` if a thread is inside the pipeline.
    fn in_flight(&self) -> Option<usize>;

    /// Number of elements that it keeps until others arrive; `None` if a thread is inside the pipeline.
    fn kept(&self) -> Option<usize>;

    /// Function that flushes a collecting node; `None` for other nodes.
    fn flush(&self) -> Option<Box<dyn FnOnce() -> Emit + Send>> {
        None
    }
}

impl<T: Element> Traverse for Stream<T> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        Stream::traverse(self, visit)
    }

    fn in_flight(&self) -> Option<usize> {
        Stream::in_flight(self)
    }

    fn kept(&self) -> Option<usize> {
        Stream::kept(self)
    }
}

impl<U: Element> Traverse for OpenJoin<Value, U> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        self.stream().traverse(visit)
    }

    fn in_flight(&self) -> Option<usize> {
        self.stream().in_flight()
    }

    fn kept(&self) -> Option<usize> {
        self.stream().kept()
    }
}

/// Input side of a node.
pub(crate) trait Inlet: Traverse {
    /// Id of the node in the engine.
    fn id(&self) -> u64;
    fn set_name(&self, name: String);
    fn set_policy(&self, policy: OnError);
    fn counters(&self) -> Counters;
    fn latency(&self) -> Option<Latency>;
    /// Adds an edge; returns the key of the new inlet, if the node has distinct inlets.
    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error>;
    /// Puts a constant in the place of an inlet, if the node has distinct inlets.
    fn attach_literal(&self, value: Value);
    /// Makes the node the first downstream of `from`.
    fn move_to_first(&self, from: &Stream<Value>) -> Result<(), Error>;
    fn detach(&self, from: &Stream<Value>) -> Result<(), Error>;
    /// The node of the engine, for downcasting.
    fn as_any(&self) -> &dyn Any;
    /// The waiting elements of each inlet of a join, in order; none for a literal.
    fn lanes(&self) -> Option<Vec<Option<Vec<Value>>>> {
        None
    }
    /// Passes an element to the node as an upstream does, at an inlet if the node has distinct ones; `None` if it has to
    /// be at one.
    fn receive(&self, at: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>>;
    /// Entry point for elements of an upstream that are passed by `update` instead of an edge.
    fn door(&self, _upstream: u64) -> Option<Stream<Value>> {
        None
    }
}

/// The methods of `Inlet` that do not concern edges, for the field `$stream`.
macro_rules! as_stream {
    ($self:ident => $stream:expr) => {
        fn id(&$self) -> u64 {
            $stream.node_id()
        }

        fn set_name(&$self, name: String) {
            drop($stream.clone().named(name));
        }

        fn set_policy(&$self, policy: OnError) {
            drop($stream.clone().on_error(policy));
        }

        fn counters(&$self) -> Counters {
            $stream.counters()
        }

        fn latency(&$self) -> Option<Latency> {
            $stream.latency()
        }

        fn move_to_first(&$self, from: &Stream<Value>) -> Result<(), Error> {
            from.move_to_first($stream)
        }

        fn detach(&$self, from: &Stream<Value>) -> Result<(), Error> {
            from.disconnect($stream)
        }
    };
}

/// Inlets of a node that does not distinguish them.
impl<T: Element> Inlet for Stream<T> {
    as_stream!(self => self);

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        from.connect(self).map(|()| None)
    }

    fn receive(&self, _: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>> {
        Some(Stream::receive(self, x, acks))
    }

    fn attach_literal(&self, _: Value) {}

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<U: Element> Inlet for OpenJoin<Value, U> {
    as_stream!(self => self.stream());

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        OpenJoin::attach(self, from).map(Some)
    }

    fn receive(&self, at: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>> {
        let needs_inlet = self.lanes().is_some();
        (at.is_some() || !needs_inlet).then(|| Ok(OpenJoin::receive(self, at, x, acks)))
    }

    fn attach_literal(&self, value: Value) {
        OpenJoin::attach_literal(self, value);
    }

    fn as_any(&self) -> &dyn Any {
        self.stream()
    }

    fn lanes(&self) -> Option<Vec<Option<Vec<Value>>>> {
        join::lanes(self.stream())
    }
}
