//! Paths without a function of the user's up to where an element waits for the event loop or an engine. The emitting
//! thread takes an element along such a path itself: handing it to the loop's thread would cost more than all of the
//! rest.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;
use thalweg::Acks;

use super::{Node, Parts};
use crate::blueprint::Passage;
use crate::contention;
use crate::emission::{self, Emission};
use crate::event_loop::EventLoop;
use crate::pipeline::Mode;
use crate::run_on_loop;
use crate::value::Value;

/// Counts added edges in the process.
static EDGES: AtomicU64 = AtomicU64::new(1);

/// Records an added edge: a path may have functions from now on.
pub(super) fn note_edge() {
    EDGES.fetch_add(1, Ordering::Relaxed);
}

/// Cached result for a node, with the count of edges at that time.
#[derive(Default)]
pub(super) struct CallbackFree(AtomicU64);

impl Parts {
    /// Whether elements that this node sends wait for the event loop or an engine before any function is called on this
    /// side.
    ///
    /// # Errors
    /// A node has not been built.
    pub(crate) fn is_callback_free(&self, py: Python<'_>) -> PyResult<bool> {
        let now = EDGES.load(Ordering::Relaxed);
        let known = self.callback_free.0.load(Ordering::Relaxed);
        if known >> 1 == now {
            return Ok(known & 1 == 1);
        }
        let found = self.look_ahead(py)?;
        self.callback_free
            .0
            .store(now << 1 | u64::from(found), Ordering::Relaxed);
        Ok(found)
    }

    fn look_ahead(&self, py: Python<'_>) -> PyResult<bool> {
        let mut seen = Vec::new();
        let mut ids = self.out.downstream_ids();
        while let Some(id) = ids.pop() {
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            let found = self.pipeline().find(py, &[id]);
            let Some(node) = found.first().and_then(|node| node.cast::<Node>().ok()) else {
                return Ok(false);
            };
            let parts = node.get().parts_anywhere()?;
            match parts.passage {
                Passage::Functions => return Ok(false),
                Passage::NoFunctions => ids.extend(parts.out.downstream_ids()),
                Passage::Ends => {}
            }
        }
        Ok(true)
    }

    /// The event loop, if this thread may take an element along itself, since no function is on its path.
    ///
    /// # Errors
    /// A node has not been built, the event loop has been closed, or the interpreter is ending.
    pub(super) fn loop_to_bypass(&self, py: Python<'_>) -> PyResult<Option<&EventLoop>> {
        let pipeline = self.pipeline();
        let Some(event_loop) = pipeline.event_loop() else {
            return Ok(None);
        };
        if pipeline.mode() != Mode::Elsewhere
            || !self.is_callback_free(py)?
            || event_loop.is_driven()
            || thalweg::is_inside_pipeline()
        {
            return Ok(None);
        }
        crate::interpreter::check_running()?;
        event_loop.check_open(py)?;
        Ok(Some(event_loop))
    }

    /// Sends an element on this thread, and waits for it.
    pub(super) fn emit_past_loop(
        &self,
        x: Bound<'_, PyAny>,
        acks: Acks,
        event_loop: &EventLoop,
    ) -> PyResult<Py<PyAny>> {
        let py = x.py();
        let emit =
            contention::entering(event_loop, || self.out.emit_as_guest(Value::from(x), acks));
        if emit.is_ready() {
            emission::finished(py, emit)?;
            return Ok(py.None());
        }
        if event_loop.is_here(py) {
            return Emission::of(py, emit, Some(event_loop));
        }
        run_on_loop::wait_for_emit(py, event_loop, emit)?;
        Ok(py.None())
    }
}
