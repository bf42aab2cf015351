//! Latency of elements.

use std::any::Any;

use thalweg_view::Latency;

use super::{Stream, WeakStream};
use crate::graph::Pass;
use crate::interval::{IntervalError, IntoInterval, wait};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Latency at this node: the time from an element's emission, by a source or by a user, to its arrival here; at a
    /// sink, to the end of the sink's work. Where it grows from one node to the next, elements wait, or a function is
    /// slow. For an element made of several, such as a window, the newest counts.
    ///
    /// The first call for any node of a pipeline begins the timing, by the pipeline's clock, of a sample: the next
    /// element, and then about a hundred a second, fewer in a pipeline of more than 12 nodes. Before that nothing is
    /// measured, and it costs nothing. `None` until an element has been timed here, and at nodes where elements are
    /// emitted.
    ///
    /// ```
    /// use std::time::Duration;
    /// use thalweg::{Stream, VirtualClock};
    ///
    /// let clock = VirtualClock::new();
    /// let source = Stream::on(&clock);
    /// let delayed = source.shift("2s");
    /// let sink = delayed.sink(drop);
    /// assert_eq!(sink.stream().latency(), None);
    /// source.emit(1).wait()?;
    /// clock.advance(Duration::from_secs(2));
    ///
    /// let latency = sink.stream().latency().expect("an element has come");
    /// assert_eq!(latency.quantile(0.5), Some(Duration::from_secs(2)));
    /// assert_eq!(delayed.latency().and_then(|latency| latency.quantile(0.5)), Some(Duration::ZERO));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    pub fn latency(&self) -> Option<Latency> {
        let node = self.node().clone();
        let found = self.graph().query(|pass| {
            pass.graph().measure_latency(None, pass);
            node.core().latency()
        });
        found.flatten().map(|latency| *latency)
    }

    /// Times elements for `limit`, in seconds or as text, from now on, by the pipeline's clock. The results are in
    /// [`graph_view`](Self::graph_view) and [`latency`](Self::latency). Does not block.
    ///
    /// # Errors
    /// `limit` is not a duration.
    ///
    /// ```
    /// use thalweg::Stream;
    ///
    /// let source = Stream::new();
    /// source.sink(|_: i32| ());
    /// source.measure_latency("1 min")?;
    /// source.emit(1).wait()?;
    /// let latency = source.graph_view().nodes[1].latency.clone();
    /// assert_eq!(latency.map(|latency| latency.count()), Some(1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn measure_latency(&self, limit: impl IntoInterval) -> Result<(), IntervalError> {
        let limit = Some(wait(limit)?);
        self.graph().post_as_visitor(Box::new(move |pass| {
            pass.graph().measure_latency(limit, pass)
        }));
        Ok(())
    }

    /// Makes each node of the pipeline keep the last `limit` [timed](Self::measure_latency) elements: nearly all of a
    /// slow stream, a sample of a fast one. They are dropped when the timing ends, or with a `limit` of 0. Does not
    /// block.
    ///
    /// ```
    /// use thalweg::Stream;
    ///
    /// let source = Stream::new();
    /// let texts = source.map(|x: i32| x.to_string());
    /// texts.sink(drop);
    /// source.measure_latency("1 min")?;
    /// source.keep_elements(1);
    /// source.emit(7).wait()?;
    /// let kept = source.kept_elements(texts.node_id());
    /// assert_eq!(kept[0].downcast_ref::<i32>(), Some(&7));
    /// source.keep_elements(0);
    /// assert!(source.kept_elements(texts.node_id()).is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_elements(&self, limit: usize) {
        self.graph().post_as_visitor(Box::new(move |pass| {
            pass.graph().keep_elements(limit, pass)
        }));
    }

    /// The elements that the node with an [id](Self::node_id) [keeps](Self::keep_elements), oldest first.
    pub fn kept_elements(&self, node: u64) -> Vec<Box<dyn Any + Send>> {
        let kept = self.graph().query(|pass| kept(node, pass));
        kept.unwrap_or_default()
    }

    /// Calls `f` with these elements: at once if no thread is inside the pipeline, and otherwise on the thread inside,
    /// when it leaves. Does not block; `f` must not touch any pipeline.
    pub fn send_kept_elements(
        &self,
        node: u64,
        f: impl FnOnce(Vec<Box<dyn Any + Send>>) + Send + 'static,
    ) {
        self.graph()
            .post_as_visitor(Box::new(move |pass| f(kept(node, pass))));
    }
}

/// Kept elements of a node.
fn kept(node: u64, pass: &Pass) -> Vec<Box<dyn Any + Send>> {
    let node = pass.graph().node(node, pass);
    node.map_or_else(Vec::new, |node| node.recent(pass))
}

impl<T: Element> WeakStream<T> {
    /// As [`Stream::keep_elements`]; no effect if the pipeline is gone.
    pub fn keep_elements(&self, limit: usize) {
        if let Some(graph) = self.live_graph() {
            graph.post_as_visitor(Box::new(move |pass| {
                pass.graph().keep_elements(limit, pass)
            }));
        }
    }

    /// As [`Stream::send_kept_elements`]; `f` is not called if the pipeline is gone.
    pub fn send_kept_elements(
        &self,
        node: u64,
        f: impl FnOnce(Vec<Box<dyn Any + Send>>) + Send + 'static,
    ) {
        if let Some(graph) = self.live_graph() {
            graph.post_as_visitor(Box::new(move |pass| f(kept(node, pass))));
        }
    }

    /// As [`Stream::measure_latency`]; no effect if the pipeline is gone.
    ///
    /// # Errors
    /// `limit` is not a duration.
    pub fn measure_latency(&self, limit: impl IntoInterval) -> Result<(), IntervalError> {
        let limit = Some(wait(limit)?);
        if let Some(graph) = self.live_graph() {
            graph.post_as_visitor(Box::new(move |pass| {
                pass.graph().measure_latency(limit, pass)
            }));
        }
        Ok(())
    }
}
