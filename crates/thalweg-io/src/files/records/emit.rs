//! Emitting records of chunks.

use thalweg::{BoxError, Element, Emitter, Stop};

use super::{RecordBuffer, RecordError};
use crate::Position;

/// Maximum records per batch.
const BATCH: usize = 1024;

/// Emits records as their bytes arrive.
pub(crate) struct EmitRecords<T> {
    pub(crate) buffer: RecordBuffer<T>,
    /// Whether all chunks have been read; then only the last record is left.
    pub(crate) has_ended: bool,
}

impl<T> EmitRecords<T> {
    pub(crate) fn new(buffer: RecordBuffer<T>) -> Self {
        Self {
            buffer,
            has_ended: false,
        }
    }

    fn next(&mut self) -> Option<Result<T, RecordError>> {
        match self.has_ended {
            true => self.buffer.finish(),
            false => self.buffer.next_record(),
        }
    }
}

impl<T: Element> EmitRecords<T> {
    /// Emits complete records: with a position one by one, each with its offset, otherwise in batches. Reports invalid
    /// ones, converted by `name`.
    pub(crate) async fn emit<E: Into<BoxError>>(
        &mut self,
        position: Option<&Position>,
        out: &Emitter<T>,
        name: impl Fn(RecordError) -> E + Send + Sync,
    ) -> Result<(), Stop> {
        match position {
            Some(position) => self.emit_each(position, out, name).await,
            None => self.emit_together(out, name).await,
        }
    }

    async fn emit_together<E: Into<BoxError>>(
        &mut self,
        out: &Emitter<T>,
        name: impl Fn(RecordError) -> E + Send + Sync,
    ) -> Result<(), Stop> {
        loop {
            let (mut bad, mut count) = (None, 0);
            let batch = std::iter::from_fn(|| {
                if count == BATCH {
                    return None;
                }
                count += 1;
                self.next()?.map_err(|error| bad = Some(error)).ok()
            });
            out.emit_buffered(batch.fuse()).await?;
            match bad {
                Some(error) => out.report(name(error)),
                None if count < BATCH => return Ok(()),
                None => {}
            }
            out.yield_now().await?;
        }
    }

    async fn emit_each<E: Into<BoxError>>(
        &mut self,
        position: &Position,
        out: &Emitter<T>,
        name: impl Fn(RecordError) -> E + Send + Sync,
    ) -> Result<(), Stop> {
        loop {
            out.or_stop(position.room()).await??;
            match self.next() {
                Some(Ok(record)) => {
                    let ack = position.ack(self.buffer.offset(), out.now());
                    out.emit_with(record, ack).await?;
                }
                Some(Err(error)) => {
                    out.report(name(error));
                    out.yield_now().await?;
                }
                None => return Ok(()),
            }
        }
    }
}
