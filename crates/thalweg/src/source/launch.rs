//! How a source runs.

use super::{Emitter, Source, Stop};
use crate::graph::Launch;
use crate::stream::WeakStream;

/// How to run `source`, and how to go on after it was stopped.
pub(super) fn launch<S: Source>(mut source: S, node: WeakStream<S::Item>) -> Launch {
    Box::new(move |control, runtime| {
        let ended = control.clone();
        let Some(stream) = node.upgrade() else {
            control.ended(None, runtime);
            return;
        };
        let out = Emitter::new(stream, control.clone(), runtime.clone());
        runtime.spawn(Box::pin(async move {
            let result = crate::graph::caught(source.run(&out)).await;
            let rest = match result {
                Ok(Err(Stop::Stopped)) => Some(launch(source, node)),
                Ok(Ok(())) => None,
                Ok(Err(Stop::Failed(cause))) | Err(cause) => {
                    out.report_end(cause);
                    None
                }
            };
            ended.ended(rest, out.runtime());
        }));
    })
}
