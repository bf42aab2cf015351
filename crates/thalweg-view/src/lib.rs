//! Pictures of a pipeline: its nodes, edges and counters.
//!
//! A [`GraphView`] is a snapshot. It can be drawn as DOT for Graphviz, as Mermaid for Markdown pages, and as SVG, which
//! needs no other program:
//!
//! ```
//! use thalweg_view::{EdgeView, GraphView, NodeView};
//!
//! let graph = GraphView::new(
//!     vec![NodeView::new(1, "readings", "source"), NodeView::new(2, "map parse", "operator")],
//!     vec![EdgeView::new(1, 2)],
//! );
//! assert!(graph.to_dot().contains("n1 -> n2"));
//! assert!(graph.to_mermaid().contains("n1 --> n2"));
//! assert!(graph.to_svg().starts_with("<svg"));
//! ```
//!
//! Output depends on the snapshot only: the same graph gives the same text, byte for byte. Names may contain any
//! character; each format has its escapes.

mod dot;
mod label;
mod latency;
mod layout;
mod mermaid;
#[cfg(feature = "png")]
mod png;
mod role;
mod svg;

pub use latency::Latency;
pub use svg::svg_style;

use std::collections::HashMap;
use std::time::Duration;

/// A snapshot of a pipeline graph.
///
/// Where the edges leave a choice, nodes are drawn in the order of the list. Edges with unknown ids are left out; if two
/// nodes have the same id, the first has the edges.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GraphView {
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The edges.
    pub edges: Vec<EdgeView>,
}

impl GraphView {
    /// A graph of these nodes and edges.
    ///
    /// ```
    /// use thalweg_view::{GraphView, NodeView};
    ///
    /// let graph = GraphView::new(vec![NodeView::new(1, "numbers", "source")], vec![]);
    /// assert_eq!(graph.nodes[0].name, "numbers");
    /// ```
    pub fn new(nodes: Vec<NodeView>, edges: Vec<EdgeView>) -> Self {
        Self { nodes, edges }
    }

    /// The edges between existing nodes, with the indices of their ends in `nodes`.
    fn connections(&self) -> Vec<Connection<'_>> {
        let mut positions = HashMap::with_capacity(self.nodes.len());
        for (position, node) in self.nodes.iter().enumerate() {
            positions.entry(node.id).or_insert(position);
        }
        let find = |id: &u64| positions.get(id).copied();
        self.edges
            .iter()
            .filter_map(|edge| {
                Some(Connection {
                    from: find(&edge.from)?,
                    to: find(&edge.to)?,
                    edge,
                })
            })
            .collect()
    }

    /// Whether the graph has run; counters are drawn only then.
    fn has_run(&self) -> bool {
        self.nodes
            .iter()
            .any(|node| node.counters != Counters::default())
    }
}

struct Connection<'a> {
    from: usize,
    to: usize,
    edge: &'a EdgeView,
}

/// A node in a [`GraphView`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeView {
    /// Unique identifier, used by edges.
    pub id: u64,
    /// Name given by the user, or derived.
    pub name: String,
    /// Kind of the node, which decides its colour: `"source"`, `"operator"`, `"sink"`, or `"time"` for operators that
    /// delay elements or group them by time.
    ///
    /// With any other text, a node without upstream nodes is a source, one without downstream nodes a sink, and others
    /// are operators. Feedback edges do not count.
    pub kind: &'static str,
    /// Counters of its elements.
    pub counters: Counters,
    /// Latencies of its elements, if measured.
    pub latency: Option<Box<Latency>>,
    /// Positions of a source: one for each partition, file or query that it reads.
    pub positions: Vec<PositionView>,
    /// Current state, a word of letters: in SVG the box has the additional class `thalweg-is-WORD`, for the style sheet
    /// of a page.
    pub state: Option<&'static str>,
    /// Target of the link on its box.
    pub link: Option<String>,
}

impl NodeView {
    /// A node with counters of zero.
    ///
    /// ```
    /// use thalweg_view::{Counters, NodeView};
    ///
    /// let node = NodeView::new(7, "rate_limit 500ms", "time");
    /// assert_eq!((node.id, node.kind), (7, "time"));
    /// assert_eq!(node.counters, Counters::default());
    /// ```
    pub fn new(id: u64, name: impl Into<String>, kind: &'static str) -> Self {
        Self {
            id,
            name: name.into(),
            kind,
            counters: Counters::default(),
            latency: None,
            positions: Vec::new(),
            state: None,
            link: None,
        }
    }

    /// Sets the state.
    ///
    /// ```
    /// use thalweg_view::{GraphView, NodeView};
    ///
    /// let node = NodeView::new(1, "map", "operator").with_state("idle");
    /// assert!(GraphView::new(vec![node], vec![]).to_svg().contains("thalweg-is-idle"));
    /// ```
    #[must_use]
    pub fn with_state(self, state: &'static str) -> Self {
        Self {
            state: Some(state),
            ..self
        }
    }

    /// Sets the link on the box.
    ///
    /// ```
    /// use thalweg_view::{GraphView, NodeView};
    ///
    /// let node = NodeView::new(1, "map", "operator").with_link("/node/1?a=b&c=d");
    /// assert!(GraphView::new(vec![node], vec![]).to_svg().contains("<a href=\"/node/1?a=b&amp;c=d\""));
    /// ```
    #[must_use]
    pub fn with_link(self, link: impl Into<String>) -> Self {
        Self {
            link: Some(link.into()),
            ..self
        }
    }

    /// Sets the counters.
    ///
    /// ```
    /// use thalweg_view::{Counters, NodeView};
    ///
    /// let mut counters = Counters::default();
    /// counters.received = 3;
    /// assert_eq!(NodeView::new(1, "map", "operator").with_counters(counters).counters.received, 3);
    /// ```
    #[must_use]
    pub fn with_counters(self, counters: Counters) -> Self {
        Self { counters, ..self }
    }

    /// Sets the latencies.
    ///
    /// ```
    /// use thalweg_view::{Latency, NodeView};
    ///
    /// let node = NodeView::new(1, "map", "operator").with_latency(Some(Box::default()));
    /// assert_eq!(node.latency, Some(Box::new(Latency::default())));
    /// ```
    #[must_use]
    pub fn with_latency(self, latency: Option<Box<Latency>>) -> Self {
        Self { latency, ..self }
    }

    /// Sets the positions of a source.
    ///
    /// ```
    /// use thalweg_view::{NodeView, PositionView};
    ///
    /// let position = PositionView::new("orders/0");
    /// let node = NodeView::new(1, "from_kafka orders", "source").with_positions(vec![position]);
    /// assert_eq!(node.positions[0].name, "orders/0");
    /// ```
    #[must_use]
    pub fn with_positions(self, positions: Vec<PositionView>) -> Self {
        Self { positions, ..self }
    }
}

/// How far the elements of a source have been acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PositionView {
    /// Name of what is read: a partition, or the name under which the position is stored.
    pub name: String,
    /// Offset or id of the last element before which everything is acknowledged; `None` before the first.
    pub value: Option<String>,
    /// Number of elements read after that one.
    pub unacknowledged: u64,
    /// Age of the oldest unacknowledged element, from when it was read; `None` if all are acknowledged.
    pub oldest: Option<Duration>,
}

impl PositionView {
    /// A position before the first element.
    ///
    /// ```
    /// use thalweg_view::PositionView;
    ///
    /// let position = PositionView::new("orders/0");
    /// assert_eq!((position.value, position.unacknowledged), (None, 0));
    /// ```
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// The value as an offset, if it is one.
    ///
    /// ```
    /// use thalweg_view::PositionView;
    ///
    /// let mut position = PositionView::new("orders/0");
    /// position.value = Some("41".into());
    /// assert_eq!(position.offset(), Some(41));
    /// position.value = Some("event-41".into());
    /// assert_eq!(position.offset(), None);
    /// ```
    pub fn offset(&self) -> Option<u64> {
        self.value.as_ref()?.parse().ok()
    }
}

/// An edge in a [`GraphView`]: elements go from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeView {
    /// [`NodeView::id`] of the upstream node.
    pub from: u64,
    /// [`NodeView::id`] of the downstream node.
    pub to: u64,
    /// Label beside the edge.
    pub label: Option<String>,
    /// Whether the edge closes a loop. Drawn dashed, against the direction of the others.
    pub feedback: bool,
}

impl EdgeView {
    /// A forward edge without a label.
    ///
    /// ```
    /// use thalweg_view::EdgeView;
    ///
    /// let edge = EdgeView::new(1, 2);
    /// assert_eq!((edge.from, edge.to, edge.label, edge.feedback), (1, 2, None, false));
    /// ```
    pub fn new(from: u64, to: u64) -> Self {
        Self {
            from,
            to,
            label: None,
            feedback: false,
        }
    }

    /// Sets the label.
    ///
    /// ```
    /// use thalweg_view::EdgeView;
    ///
    /// assert_eq!(EdgeView::new(1, 2).with_label("errors").label.as_deref(), Some("errors"));
    /// ```
    #[must_use]
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self {
            label: Some(label.into()),
            ..self
        }
    }

    /// Marks the edge as one that closes a loop.
    ///
    /// ```
    /// use thalweg_view::EdgeView;
    ///
    /// assert!(EdgeView::new(2, 1).as_feedback().feedback);
    /// ```
    #[must_use]
    pub fn as_feedback(self) -> Self {
        Self {
            feedback: true,
            ..self
        }
    }
}

/// Counters of a node since its creation, in elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Elements received.
    pub received: u64,
    /// Elements emitted; an element sent to several downstream nodes counts once.
    pub sent: u64,
    /// Elements on which the node failed, whatever its policy.
    pub failed: u64,
    /// Elements in the node at the time of the snapshot: in a buffer, a window or an unfinished future.
    pub held: u64,
    /// Those of them that wait for other elements, in a window, a group or a join: nothing holds them up.
    pub gathered: u64,
    /// Time that elements were held in the node, summed over the elements: two that wait a second each make two seconds.
    pub waited: Duration,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counters() -> impl Strategy<Value = Counters> {
        (any::<[u64; 4]>(), any::<Duration>()).prop_map(
            |([received, sent, failed, held], waited)| Counters {
                received,
                sent,
                failed,
                held,
                gathered: 0,
                waited,
            },
        )
    }

    fn node() -> impl Strategy<Value = NodeView> {
        let kind = prop::sample::select(vec!["source", "operator", "time", "sink", "other"]);
        (
            0_u64..12,
            any::<String>(),
            kind,
            prop::option::of(counters()),
        )
            .prop_map(|(id, name, kind, counters)| {
                NodeView::new(id, name, kind).with_counters(counters.unwrap_or_default())
            })
    }

    fn edge() -> impl Strategy<Value = EdgeView> {
        (
            0_u64..12,
            0_u64..12,
            prop::option::of(any::<String>()),
            any::<bool>(),
        )
            .prop_map(|(from, to, label, feedback)| EdgeView {
                from,
                to,
                label,
                feedback,
            })
    }

    fn graph() -> impl Strategy<Value = GraphView> {
        (
            prop::collection::vec(node(), 0..12),
            prop::collection::vec(edge(), 0..24),
        )
            .prop_map(|(nodes, edges)| GraphView::new(nodes, edges))
    }

    #[test]
    fn an_empty_graph_can_be_drawn() {
        let empty = GraphView::default();
        assert!(roxmltree::Document::parse(&empty.to_svg()).is_ok());
        assert_eq!(empty.to_mermaid(), "flowchart TD\n");
        assert!(empty.to_dot().ends_with("}\n"));
    }

    #[test]
    fn counters_are_shown_once_elements_have_passed() {
        let nodes = vec![
            NodeView::new(1, "a", "source"),
            NodeView::new(2, "b", "sink"),
        ];
        let mut graph = GraphView::new(nodes, vec![EdgeView::new(1, 2)]);
        for text in [graph.to_dot(), graph.to_mermaid()] {
            assert!(!text.contains(" out"), "{text}");
        }
        graph.nodes[0].counters.sent = 12_345;
        for text in [graph.to_dot(), graph.to_mermaid(), graph.to_svg()] {
            assert!(
                text.contains("12.3k out") && text.contains("0 in"),
                "{text}"
            );
        }
        assert!(graph.to_svg().contains("sent 12345\n"));
    }

    #[test]
    fn an_unknown_kind_is_coloured_by_position() {
        let nodes = (1..=3).map(|id| NodeView::new(id, "x", "x")).collect();
        let graph = GraphView::new(
            nodes,
            vec![
                EdgeView::new(1, 2),
                EdgeView::new(2, 3),
                EdgeView::new(3, 1).as_feedback(),
            ],
        );
        let mermaid = graph.to_mermaid();
        assert!(mermaid.contains("n1[\"x\"]:::source\n"), "{mermaid}");
        assert!(mermaid.contains("n2[\"x\"]:::operator\n"), "{mermaid}");
        assert!(mermaid.contains("n3[\"x\"]:::sink\n"), "{mermaid}");
    }

    #[test]
    fn a_long_chain_fits_on_the_stack() {
        let nodes = (0..3_000)
            .map(|id| NodeView::new(id, "map", "operator"))
            .collect();
        let edges = (1..3_000).map(|id| EdgeView::new(id - 1, id)).collect();
        assert_eq!(
            GraphView::new(nodes, edges)
                .to_svg()
                .matches("<rect ")
                .count(),
            3_000
        );
    }

    proptest! {
        #[test]
        fn a_picture_is_valid_xml_with_every_name(graph in graph()) {
            let svg = graph.to_svg();
            let document = roxmltree::Document::parse(&svg)?;
            let boxes = document.descendants().filter(|node| node.has_tag_name("rect")).count();
            prop_assert_eq!(boxes, graph.nodes.len());
            let tips: Vec<&str> = document
                .descendants()
                .filter(|node| node.has_tag_name("title") && node.parent_element() != Some(document.root_element()))
                .filter_map(|node| node.text())
                .collect();
            for (node, tip) in graph.nodes.iter().zip(tips) {
                let name: String = node.name.chars().map(label::printable).collect();
                prop_assert!(tip.starts_with(&format!("{name} ({})", node.kind)), "{:?} is not {:?}", tip, name);
            }
            let lines = document.descendants().filter(|node| node.attribute("class").is_some_and(|class| class.starts_with("thalweg-line")));
            prop_assert_eq!(lines.count(), graph.connections().len());
        }

        #[test]
        fn every_node_and_edge_has_its_own_line(graph in graph()) {
            let connections = graph.connections().len();
            prop_assert_eq!(graph.to_dot().lines().count(), 4 + graph.nodes.len() + connections);
            let mermaid = graph.to_mermaid();
            let lines = mermaid.lines().filter(|line| !line.starts_with("  classDef "));
            prop_assert_eq!(lines.count(), 1 + graph.nodes.len() + connections);
        }

        #[test]
        fn the_same_graph_gives_the_same_text(graph in graph()) {
            let again = graph.clone();
            prop_assert_eq!(graph.to_svg(), again.to_svg());
            prop_assert_eq!(graph.to_dot(), again.to_dot());
            prop_assert_eq!(graph.to_mermaid(), again.to_mermaid());
        }
    }
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
