use super::Stream;
use crate::graph::{Fused, FusedPart};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Runs nodes of this pipeline as one: `body` receives the elements for the first of `parts`, instead of the nodes.
    /// For hosts that compile parts of pipelines.
    ///
    /// `parts` are the first node and its downstreams, depth first: each of the others has one upstream, which is among
    /// them. All take elements of type `T`. `exits` are the edges that lead out of them, each as the index of a node
    /// and the [id](Self::node_id) of its downstream. They lead to what is there now: fuse nodes downstream first.
    ///
    /// It ends as soon as an edge or a policy changes anywhere in the pipeline. Until then the nodes still accept
    /// elements by other ways; see [`Fused`] for the duties of `body`. Returns false, without an effect, if the nodes
    /// are not as described, if one of them retries failed elements, or if the pipeline has a cycle.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use thalweg::{EmitResult, Fused, FusedContext, FusedPart, Progress, Stream};
    ///
    /// /// Replaces two nodes, each of which adds one.
    /// #[derive(Default)]
    /// struct AddTwo(AtomicU64);
    ///
    /// impl Fused<i32> for AddTwo {
    ///     fn run(&self, x: i32, cx: &mut FusedContext<'_, i32>) -> EmitResult {
    ///         self.0.fetch_add(1, Relaxed);
    ///         cx.send_last(0, x + 2)
    ///     }
    ///
    ///     fn progress(&self) -> Vec<Progress> {
    ///         let count = self.0.load(Relaxed);
    ///         vec![Progress { received: count, made: count }; 2]
    ///     }
    /// }
    ///
    /// let source = Stream::new();
    /// let first = source.map(|x| x + 1);
    /// let second = first.map(|x| x + 1);
    /// let list = second.sink_to_list();
    /// let sink = second.downstream_ids()[0];
    /// let part = |node: &Stream<i32>| FusedPart {
    ///     id: node.node_id(),
    ///     downstream: node.downstream_ids(),
    ///     may_skip: true,
    /// };
    /// let parts = vec![part(&first), part(&second)];
    /// assert!(source.fuse(parts, vec![(1, sink)], AddTwo::default()));
    /// source.emit_many([1, 2]).wait()?;
    /// assert_eq!(list.to_vec(), [3, 4]);
    /// assert_eq!(second.counters().sent, 2);
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Panics
    /// An exit belongs to a node that is not among the parts.
    pub fn fuse(
        &self,
        parts: Vec<FusedPart>,
        exits: Vec<(usize, u64)>,
        body: impl Fused<T>,
    ) -> bool {
        assert!(
            exits.iter().all(|(from, _)| *from < parts.len()),
            "fuse: an exit is of one of the parts"
        );
        let fuse = |pass: &mut crate::graph::Pass| {
            pass.is_between() && !parts.is_empty() && {
                pass.graph().fuse::<T>(&parts, &exits, Box::new(body), pass)
            }
        };
        self.graph().query(fuse) == Some(true)
    }

    /// Runs all nodes of the pipeline separately again, once no element is in flight: for hosts that have
    /// [fused](Self::fuse) some.
    ///
    /// ```
    /// let source = thalweg::Stream::<i32>::new();
    /// source.unfuse();
    /// ```
    pub fn unfuse(&self) {
        self.graph()
            .run_exclusive(Box::new(|pass| pass.graph().unfuse(pass)));
    }
}
