//! Tracing elements.

use std::sync::Arc;

use super::{Stream, WeakStream};
use crate::operator::Element;
use crate::trace::Tracer;

impl<T: Element> Stream<T> {
    /// Traces elements of the pipeline from now on: `tracer` is told of each node that they visit, until their last
    /// sink is done with them, also on engines. Elements that belong to a trace are traced if that is
    /// [sampled](crate::trace::TraceContext::is_sampled), and of the others one in `one_in`: 1 for all, 0 for none.
    /// Does not wait; applies to the whole pipeline, and replaces an earlier tracer.
    ///
    /// ```
    /// use std::any::Any;
    /// use std::sync::{Arc, Mutex};
    /// use thalweg::Stream;
    /// use thalweg::trace::{Span, TraceContext, TracedNode, Tracer};
    ///
    /// /// Records the nodes that elements visit.
    /// #[derive(Clone, Default)]
    /// struct Diary(Arc<Mutex<Vec<String>>>);
    ///
    /// impl Tracer for Diary {
    ///     fn begin(&self, node: &TracedNode<'_>, _: Option<&TraceContext>) -> Option<Arc<dyn Span>> {
    ///         self.0.lock().unwrap().push(format!("{} emits", node.name));
    ///         Some(Arc::new(self.clone()))
    ///     }
    /// }
    ///
    /// impl Span for Diary {
    ///     fn visit(&self, node: &TracedNode<'_>) -> Arc<dyn Span> {
    ///         self.0.lock().unwrap().push(format!("{} gets", node.name));
    ///         Arc::new(self.clone())
    ///     }
    ///
    ///     fn run(&self, _: &str) -> Arc<dyn Span> {
    ///         Arc::new(self.clone())
    ///     }
    ///
    ///     fn enter(&self) -> Box<dyn Any> {
    ///         Box::new(())
    ///     }
    ///
    ///     fn context(&self) -> Option<TraceContext> {
    ///         None
    ///     }
    ///
    ///     fn fail(&self, _: &str) {}
    /// }
    ///
    /// let source = Stream::new().named("numbers");
    /// source.map(|x: i32| x + 1).named("more").sink(drop).stream();
    /// let diary = Diary::default();
    /// source.trace(diary.clone(), 2);
    /// source.emit_many([1, 2, 3]).wait()?;
    /// let lines = diary.0.lock().unwrap();
    /// assert_eq!(lines.iter().filter(|line| *line == "numbers emits").count(), 2);
    /// assert_eq!(lines.iter().filter(|line| *line == "more gets").count(), 2);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn trace(&self, tracer: impl Tracer, one_in: u32) {
        let tracer: Arc<dyn Tracer> = Arc::new(tracer);
        self.graph().post_as_visitor(Box::new(move |pass| {
            pass.graph().trace(Some(tracer), one_in);
        }));
    }

    /// Stops tracing elements; those in flight are traced to their end.
    ///
    /// ```
    /// let source = thalweg::Stream::<i32>::new();
    /// source.untrace();
    /// ```
    pub fn untrace(&self) {
        self.graph()
            .post_as_visitor(Box::new(|pass| pass.graph().trace(None, 0)));
    }
}

impl<T: Element> WeakStream<T> {
    /// As [`Stream::trace`]; no effect if the pipeline is gone.
    pub fn trace(&self, tracer: impl Tracer, one_in: u32) {
        let tracer: Arc<dyn Tracer> = Arc::new(tracer);
        if let Some(graph) = self.live_graph() {
            graph.post_as_visitor(Box::new(move |pass| {
                pass.graph().trace(Some(tracer), one_in);
            }));
        }
    }
}
