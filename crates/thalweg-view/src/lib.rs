//! Pictures of a pipeline: what its nodes are, how they are connected and what has passed through them.
//!
//! A [`GraphView`] is a snapshot. It draws itself as DOT for Graphviz, as Mermaid for Markdown pages, and as SVG
//! with no program but this one:
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
//! Every output is a function of the snapshot alone: the same graph gives the same text, byte for byte. Names may
//! hold any character; each format gets its own escapes.

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
/// Nodes are drawn in the order they are listed where nothing else decides. An edge that names a node which is not
/// listed is left out, and of two nodes with one id the first has the edges.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct GraphView {
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The edges, each from a node to one downstream of it.
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

    /// The edges whose ends both exist, with the positions of their ends in `nodes`.
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

    /// Whether anything has passed through the graph: before that, a picture of zeros would only be clutter.
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
    /// Identifier that edges refer to; unique in the graph.
    pub id: u64,
    /// The name the user gave it, or a derived one.
    pub name: String,
    /// What group of nodes it belongs to, which decides its colour: `"source"`, `"operator"`, `"time"` for what
    /// holds elements back or groups them by time, `"sink"`.
    ///
    /// With any other text the node's place decides, feedback aside: with nothing upstream it is a source, with nothing
    /// downstream a sink, and otherwise an operator.
    pub kind: &'static str,
    /// Counters of its elements.
    pub counters: Counters,
    /// How late its elements were, if that has been measured.
    pub latency: Option<Box<Latency>>,
    /// A word for how it is at the moment, made of letters: in SVG its box has the class `thalweg-is-WORD` as well, for
    /// a page's own style sheet.
    pub state: Option<&'static str>,
    /// Where its box leads to when it is clicked.
    pub link: Option<String>,
}

impl NodeView {
    /// A node that has seen no elements.
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
            state: None,
            link: None,
        }
    }

    /// The same node in a state.
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

    /// The same node, whose box leads somewhere.
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

    /// The same node with these counters.
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

    /// The same node, with how late its elements were.
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
}

/// An edge in a [`GraphView`]: elements go from one node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeView {
    /// The [`NodeView::id`] of the node that sends.
    pub from: u64,
    /// The [`NodeView::id`] of the node that receives.
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

    /// The same edge with this label.
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

    /// The same edge as one that closes a loop.
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

/// Counters of a node since it was made, in elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Elements that came in.
    pub received: u64,
    /// Elements that went out: what is sent to several downstream nodes counts once.
    pub sent: u64,
    /// Elements the node failed on, whatever was done about the failure.
    pub failed: u64,
    /// Elements in the node at the moment of the snapshot, in a buffer, a window or an unfinished future.
    pub held: u64,
    /// Those of them that are kept until others come, in a window, a group or a join: nothing holds them up.
    pub gathered: u64,
    /// The time elements were held in the node, summed over the elements: two that wait a second each make two seconds.
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
    fn an_empty_graph_draws_itself() {
        let empty = GraphView::default();
        assert!(roxmltree::Document::parse(&empty.to_svg()).is_ok());
        assert_eq!(empty.to_mermaid(), "flowchart TD\n");
        assert!(empty.to_dot().ends_with("}\n"));
    }

    #[test]
    fn counters_show_once_something_has_passed() {
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
    fn a_kind_that_is_no_group_is_coloured_by_place() {
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
        fn a_picture_is_xml_that_holds_every_name(graph in graph()) {
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
        fn every_node_and_edge_has_a_line_of_its_own(graph in graph()) {
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
