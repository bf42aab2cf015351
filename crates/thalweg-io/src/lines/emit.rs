//! Emitting lines in batches.

use std::iter;

use thalweg::{BoxError, Element, Emitter, Stop};

use super::{LineBuffer, LineError};

impl<T: Element> LineBuffer<T> {
    /// Emits a line, and the complete lines buffered after it in batches, until an invalid line, which is reported as
    /// `fault` says, or until the source is stopped. The rest stays buffered.
    pub(crate) async fn emit_from(
        &mut self,
        first: T,
        out: &Emitter<T>,
        fault: impl FnOnce(LineError) -> BoxError + Send,
    ) -> Result<(), Stop> {
        out.emit_many(iter::once(first)).await?;
        let mut bad = None;
        let rest = iter::from_fn(|| self.next_line()?.map_err(|error| bad = Some(error)).ok());
        let emitted = out.emit_buffered(rest.fuse()).await;
        if let Some(error) = bad {
            out.report(fault(error));
        }
        emitted
    }
}
