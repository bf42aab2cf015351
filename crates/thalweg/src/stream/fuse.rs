use super::Stream;
use crate::graph::{Fused, FusedPart, Outlet, Pass};
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// Runs nodes of this pipeline as one: `body` receives the elements for the first of `parts`, instead of the nodes.
    /// For hosts that compile parts of pipelines.
    ///
    /// `parts` are the first node and its downstreams, depth first: the upstreams of the others are among them. Nodes with
    /// inlets of their own, such as [`zip`](Self::zip), may be as well, and what follows them: elements that `body` does
    /// not take all the way come to them by an exit. All other parts take elements of type `T`. `exits` are the edges that lead out of them, each as the index of a node
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
        self.fuse_at(None, &parts, &exits, body)
    }

    /// The same for the nodes behind this one, if it passes its elements to several: the first of `parts` stands for this
    /// node, which still receives, processes and counts its elements. Their way from here on is that of `body`.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    /// use thalweg::{EmitResult, Fused, FusedContext, FusedPart, Progress, Stream};
    ///
    /// /// Replaces two nodes: one doubles, the other adds one.
    /// #[derive(Default)]
    /// struct Both(AtomicU64);
    ///
    /// impl Fused<i32> for Both {
    ///     fn run(&self, x: i32, cx: &mut FusedContext<'_, i32>) -> EmitResult {
    ///         self.0.fetch_add(1, Relaxed);
    ///         cx.send(0, 2 * x)?;
    ///         cx.send_last(1, x + 1)
    ///     }
    ///
    ///     fn progress(&self) -> Vec<Progress> {
    ///         let count = self.0.load(Relaxed);
    ///         vec![Progress { received: count, made: count }; 3]
    ///     }
    /// }
    ///
    /// let source = Stream::new();
    /// let (double, next) = (source.map(|x| x * 2), source.map(|x| x + 1));
    /// let list = double.union(&next).sink_to_list();
    /// let union = double.downstream_ids()[0];
    /// let part = |node: &Stream<i32>| FusedPart {
    ///     id: node.node_id(),
    ///     downstream: node.downstream_ids(),
    ///     may_skip: false,
    /// };
    /// let parts = vec![part(&source), part(&double), part(&next)];
    /// assert!(source.fuse_behind(parts, vec![(1, union), (2, union)], Both::default()));
    /// source.emit_many([1, 5]).wait()?;
    /// assert_eq!(list.to_vec(), [2, 2, 10, 6]);
    /// assert_eq!((source.counters().sent, next.counters().sent), (2, 2));
    /// # Ok::<(), thalweg::Error>(())
    /// ```
    ///
    /// # Panics
    /// An exit belongs to a node that is not among the parts.
    pub fn fuse_behind(
        &self,
        parts: Vec<FusedPart>,
        exits: Vec<(usize, u64)>,
        body: impl Fused<T>,
    ) -> bool {
        self.fuse_at(Some(self.outlet()), &parts, &exits, body)
    }

    fn fuse_at(
        &self,
        fork: Option<&Outlet<T>>,
        parts: &[FusedPart],
        exits: &[(usize, u64)],
        body: impl Fused<T>,
    ) -> bool {
        assert!(
            exits.iter().all(|(from, _)| *from < parts.len()),
            "an exit of fused nodes is of one of the parts"
        );
        let fuse = |pass: &mut Pass| {
            pass.is_between() && !parts.is_empty() && {
                let body = Box::new(body);
                pass.graph().fuse::<T>(parts, exits, fork, body, pass)
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
