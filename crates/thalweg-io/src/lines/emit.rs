//! Lines on their way into a pipeline.

use std::iter;

use thalweg::{BoxError, Element, Emitter, Stop};

use super::{LineBuffer, LineError};

impl<T: Element> LineBuffer<T> {
    /// Emits a line, and with it those that lie ready behind it: they go through the pipeline as a
    /// batch. It ends early at a line that is not as it should be, which is reported as `fault`
    /// says, and when the source is to stop. What is left stays here.
    pub(crate) async fn emit_from(
        &mut self,
        first: T,
        out: &Emitter<T>,
        fault: impl FnOnce(LineError) -> BoxError + Send,
    ) -> Result<(), Stop> {
        let mut bad = None;
        let rest = iter::from_fn(|| {
            if out.is_stopped() {
                return None;
            }
            self.next_line()?.map_err(|error| bad = Some(error)).ok()
        });
        let emitted = out.emit_many(iter::once(first).chain(rest.fuse())).await;
        if let Some(error) = bad {
            out.report(fault(error));
        }
        emitted
    }
}
