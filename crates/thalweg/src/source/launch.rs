//! Running a source, and its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::{Emitter, Source, Stop};
use crate::Element;
use crate::failure::BoxError;
use crate::graph::{Control, Parked, caught};
use crate::runtime::RuntimeHandle;
use crate::stream::WeakStream;

/// A source that is not running, and its node.
struct Waiting<S: Source> {
    source: S,
    node: WeakStream<S::Item>,
    has_run: bool,
}

/// A source's run. If its event loop ends, so does the source, and says so.
struct Run<T: Element> {
    out: Emitter<T>,
    control: Arc<Control>,
    is_over: bool,
}

impl<T: Element> Run<T> {
    fn end(mut self, source: Option<Box<dyn Parked>>, is_exhausted: bool) {
        self.is_over = true;
        self.control.ended(source, is_exhausted, self.out.runtime());
    }
}

impl<T: Element> Drop for Run<T> {
    fn drop(&mut self) {
        if !self.is_over {
            self.out.report_end("the event loop has ended".into());
            self.control.ended(None, true, self.out.runtime());
        }
    }
}

/// The closing of a source. If the drain ends before it, the source says so.
struct Closing<'a, T: Element>(&'a WeakStream<T>);

impl<T: Element> Closing<'_, T> {
    fn report(&self, cause: BoxError) {
        if let Some(stream) = self.0.upgrade() {
            stream.report_source_failure(cause);
        }
    }
}

impl<T: Element> Drop for Closing<'_, T> {
    fn drop(&mut self) {
        self.report("it was not closed in time".into());
    }
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
        let Some(stream) = self.node.upgrade() else {
            control.ended(None, true, runtime);
            return;
        };
        let run = Run {
            out: Emitter::new(stream, control.clone(), runtime.clone()),
            control: control.clone(),
            is_over: false,
        };
        self.has_run = true;
        runtime.spawn(Box::pin(async move {
            let is_exhausted = match caught(self.source.run(&run.out)).await {
                Ok(Err(Stop::Stopped)) => false,
                Ok(Ok(())) => true,
                Ok(Err(Stop::Failed(cause))) | Err(cause) => {
                    run.out.report_end(cause);
                    true
                }
            };
            let source = (!is_exhausted || S::CLOSES).then_some(self as Box<dyn Parked>);
            run.end(source, is_exhausted);
        }));
    }

    fn close(mut self: Box<Self>) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            if !S::CLOSES || !self.has_run {
                return;
            }
            let closing = Closing(&self.node);
            let closed = caught(self.source.close()).await;
            if let Err(cause) = closed.unwrap_or_else(Err) {
                closing.report(cause);
            }
            std::mem::forget(closing);
        })
    }
}
