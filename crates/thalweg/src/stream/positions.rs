//! Positions of sources.

use std::time::Duration;

use thalweg_view::PositionView;

use super::Stream;
use crate::operator::Element;

impl<T: Element> Stream<T> {
    /// How far the elements of a source have been acknowledged: a position for each partition, file or query that it
    /// reads. Empty for other nodes, and for sources without positions.
    ///
    /// They are also in [`graph_view`](Self::graph_view), and in dashboards and metrics. See
    /// [`Emitter::show_positions`](crate::Emitter::show_positions) for sources that have them.
    ///
    /// ```
    /// let source = thalweg::Stream::<i32>::new();
    /// assert!(source.positions().is_empty());
    /// ```
    pub fn positions(&self) -> Vec<PositionView> {
        self.node().core().positions(self.graph().now())
    }

    /// Sets the function that returns the [positions](Self::positions), for bindings whose sources run elsewhere;
    /// others call [`Emitter::show_positions`](crate::Emitter::show_positions).
    ///
    /// ```
    /// use thalweg::{Stream, view::PositionView};
    ///
    /// let source = Stream::<i32>::new();
    /// source.show_positions(|_now| vec![PositionView::new("orders/0")]);
    /// assert_eq!(source.positions()[0].name, "orders/0");
    /// ```
    pub fn show_positions(
        &self,
        positions: impl Fn(Duration) -> Vec<PositionView> + Send + 'static,
    ) {
        self.node().core().show_positions(Box::new(positions));
    }
}
