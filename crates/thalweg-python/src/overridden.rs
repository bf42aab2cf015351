//! Operators whose `update` a Python subclass overrides.

use std::any::Any;
use std::sync::Mutex;

use thalweg::view::{Counters, Latency};
use thalweg::{Acks, Emit, Error, InletKey, OnError, OpenJoin, Stream};

use crate::blueprint::{Blueprint, BuildContext, Facts, Made, Passage, UpstreamRefs};
use crate::inlet::{Inlet, Traverse};
use crate::lock::lock;
use crate::ops::custom;
use crate::value::Value;

/// Two nodes: one that calls the subclass's `update`, followed by the operator, which gets what `super().update()`
/// passes on.
pub(crate) struct Overridden {
    front: OpenJoin<Value, Value>,
    inner: Box<dyn Inlet>,
    /// Whether the operator has distinct inlets, each with an entry of its own.
    joins: bool,
    doors: Mutex<Vec<Door>>,
    /// Whether nothing follows the operator.
    inner_is_out: bool,
}

/// An entry into the operator for elements of one upstream, by the upstream's id.
struct Door {
    upstream: u64,
    stream: Stream<Value>,
}

/// Builds both nodes; returns them, and the entry into the operator if there is only one.
///
/// # Errors
/// The pipeline has been drained.
pub(crate) fn build(
    blueprint: Blueprint,
    context: BuildContext,
) -> Result<(Made, Facts, Option<Stream<Value>>), Error> {
    let callers = UpstreamRefs::default();
    let front = custom::front(&context, &callers);
    let door = Stream::new();
    // No element passes along this edge: it tells the engine the order of the two nodes.
    front.stream().connect(&door)?;
    let (made, facts) = blueprint.build(BuildContext {
        upstream: door.clone(),
        ..context
    });
    let Made {
        inlet,
        between,
        out,
    } = made;
    let overridden = Overridden {
        front,
        inner_is_out: inlet.id() == out.node_id(),
        inner: inlet,
        joins: facts.joins,
        doors: Mutex::default(),
    };
    let made = Made {
        inlet: Box::new(overridden),
        between,
        out,
    };
    let door = (!facts.joins).then_some(door);
    let facts = Facts {
        callers,
        passage: Passage::Functions,
        ..facts
    };
    Ok((made, facts, door))
}

impl Traverse for Overridden {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        if !self.inner_is_out {
            self.inner.traverse(visit);
        }
        if let Ok(doors) = self.doors.try_lock() {
            for door in &*doors {
                door.stream.traverse(visit);
            }
        }
        self.front.traverse(visit)
    }

    fn in_flight(&self) -> Option<usize> {
        let inner = if self.inner_is_out {
            0
        } else {
            self.inner.in_flight()?
        };
        Some(self.front.stream().in_flight()? + inner)
    }

    fn kept(&self) -> Option<usize> {
        let inner = if self.inner_is_out {
            0
        } else {
            self.inner.kept()?
        };
        Some(self.front.stream().kept()? + inner)
    }
}

impl Inlet for Overridden {
    fn id(&self) -> u64 {
        self.front.stream().node_id()
    }

    fn set_name(&self, name: String) {
        drop(self.front.stream().clone().named(name.clone()));
        self.inner.set_name(name);
    }

    fn set_policy(&self, policy: OnError) {
        // The operator retries by itself, and has given up when `update` is told.
        if !matches!(policy, OnError::Retry(_)) {
            drop(self.front.stream().clone().on_error(policy.clone()));
        }
        self.inner.set_policy(policy);
    }

    fn counters(&self) -> Counters {
        let mut counters = self.inner.counters();
        let front = self.front.stream().counters();
        counters.received = front.received;
        counters.held += front.held;
        counters
    }

    fn latency(&self) -> Option<Latency> {
        self.front.stream().latency()
    }

    fn attach(&self, from: &Stream<Value>) -> Result<Option<InletKey>, Error> {
        let key = self.front.attach(from)?;
        if self.joins {
            let stream = Stream::new();
            self.front.stream().connect(&stream)?;
            self.inner.attach(&stream)?;
            let upstream = from.node_id();
            lock(&self.doors).push(Door { upstream, stream });
        }
        Ok(Some(key))
    }

    fn receive(&self, at: Option<InletKey>, x: Value, acks: Acks) -> Option<Result<Emit, Error>> {
        match self.joins {
            // The upstream has a door.
            true => None,
            false => self.inner.receive(at, x, acks),
        }
    }

    fn attach_literal(&self, value: Value) {
        self.inner.attach_literal(value);
    }

    fn move_to_first(&self, from: &Stream<Value>) -> Result<(), Error> {
        from.move_to_first(self.front.stream())
    }

    fn detach(&self, from: &Stream<Value>) -> Result<(), Error> {
        from.disconnect(self.front.stream())?;
        let mut doors = lock(&self.doors);
        let place = doors
            .iter()
            .position(|door| door.upstream == from.node_id());
        let gone = place.map(|place| doors.remove(place));
        drop(doors);
        gone.map_or(Ok(()), |door| self.inner.detach(&door.stream))
    }

    fn as_any(&self) -> &dyn Any {
        self.inner.as_any()
    }

    fn lanes(&self) -> Option<Vec<Option<Vec<Value>>>> {
        self.inner.lanes()
    }

    fn door(&self, upstream: u64) -> Option<Stream<Value>> {
        let doors = lock(&self.doors);
        let door = doors.iter().find(|door| door.upstream == upstream)?;
        Some(door.stream.clone())
    }
}
