//! Nodes on the way that wait for values, and how long emitters wait for them.

use super::closures::ClosureSteps;
use crate::parallel::Part;
use crate::sync::lock;
use std::sync::{Arc, Mutex};
use thalweg::Stream;
use thalweg::ops::Settle;

/// A node that waits for the values of elements, because local nodes behind it need them.
///
/// Emitters wait for that as well, unless every way from here leads to a buffer: then as many elements as fit into it
/// may be on their way to this node, too.
struct Wait {
    node: Stream<Part<ClosureSteps>>,
    places: usize,
    behind: Mutex<Behind>,
}

/// What follows such a node.
#[derive(Default)]
struct Behind {
    /// Size of the largest buffer.
    buffer: usize,
    /// Whether a way leads to `gather` without a buffer.
    is_awaited: bool,
}

impl Wait {
    fn note(&self, note: impl FnOnce(&mut Behind)) {
        let mut behind = lock(&self.behind);
        note(&mut behind);
        let is_buffer = behind.buffer > 0 && !behind.is_awaited;
        let places = match is_buffer {
            true => self.places.max(behind.buffer),
            false => self.places,
        };
        if let Ok(settle) = Settle::<Part<ClosureSteps>>::ordered(places) {
            // It fails for nodes that could not be built, of which `check` tells.
            let _ = self.node.reconfigure(settle.buffering(is_buffer));
        }
    }
}

/// The nodes that wait for values between a stream and the `scatter`, or the buffers, above it.
#[derive(Clone, Default)]
pub(super) struct Waits(Arc<[Arc<Wait>]>);

impl Waits {
    /// These and another one, which takes this many elements.
    pub(super) fn and(&self, node: Stream<Part<ClosureSteps>>, places: usize) -> Self {
        let wait = Wait {
            node,
            places,
            behind: Mutex::default(),
        };
        Self(self.0.iter().cloned().chain([Arc::new(wait)]).collect())
    }

    /// Those of two streams.
    pub(super) fn with(&self, other: &Self) -> Self {
        let is_new = |wait: &&Arc<Wait>| !self.0.iter().any(|known| Arc::ptr_eq(known, wait));
        let new = other.0.iter().filter(is_new);
        Self(self.0.iter().chain(new).cloned().collect())
    }

    /// A buffer of this size follows.
    pub(super) fn lead_to_buffer(&self, size: usize) {
        for wait in &*self.0 {
            wait.note(|behind| behind.buffer = behind.buffer.max(size));
        }
    }

    /// The end of the elements' way follows.
    pub(super) fn lead_to_end(&self) {
        for wait in &*self.0 {
            wait.note(|behind| behind.is_awaited = true);
        }
    }
}
