//! Running a source, and its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Emitter, Source, Stop};
use crate::graph::{Control, Parked, caught};
use crate::runtime::RuntimeHandle;
use crate::stream::WeakStream;

/// A source that is not running, and its node.
struct Waiting<S: Source> {
    source: S,
    node: WeakStream<S::Item>,
    has_run: bool,
}

pub(super) fn park<S: Source>(source: S, node: WeakStream<S::Item>) -> Box<dyn Parked> {
    let has_run = false;
    Box::new(Waiting {
        source,
        node,
        has_run,
    })
}

impl<S: Source> Parked for Waiting<S> {
    fn launch(mut self: Box<Self>, control: &Arc<Control>, runtime: &RuntimeHandle) {
        let ended = control.clone();
        let Some(stream) = self.node.upgrade() else {
            control.ended(None, true, runtime);
            return;
        };
        let out = Emitter::new(stream, control.clone(), runtime.clone());
        self.has_run = true;
        runtime.spawn(Box::pin(async move {
            let is_exhausted = match caught(self.source.run(&out)).await {
                Ok(Err(Stop::Stopped)) => false,
                Ok(Ok(())) => true,
                Ok(Err(Stop::Failed(cause))) | Err(cause) => {
                    out.report_end(cause);
                    true
                }
            };
            let source = (!is_exhausted || S::CLOSES).then_some(self as Box<dyn Parked>);
            ended.ended(source, is_exhausted, out.runtime());
        }));
    }

    fn close(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if !S::CLOSES || !self.has_run {
                return;
            }
            let closed = caught(self.source.close()).await;
            if let Err(cause) = closed.unwrap_or_else(Err)
                && let Some(stream) = self.node.upgrade()
            {
                stream.report_source_failure(cause);
            }
        })
    }
}
