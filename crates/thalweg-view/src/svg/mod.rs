//! SVG, without a graphics library.

mod card;
mod path;
mod style;
mod text;

use super::layout::{self, Drawing, Link, Size};
use super::{Connection, GraphView, label};
use card::{Card, draw_text};
use path::{paths, short};
use std::fmt::Write;
use style::SMALL_SIZE;

/// Margin around the picture, in pixels.
const MARGIN: f64 = 16.0;

/// Maximum length of an edge's label, in characters. Longer ones are cut.
const MAX_LABEL: usize = 24;

impl GraphView {
    /// The graph as a picture, with elements flowing from top to bottom and feedback dashed.
    ///
    /// The result is a complete SVG document that also works inside an HTML page. It has no background and follows
    /// the reader's preference for dark or light. The tooltip of a box shows its full name and exact counters.
    ///
    /// ```
    /// use thalweg_view::{EdgeView, GraphView, NodeView};
    ///
    /// let graph = GraphView::new(
    ///     vec![NodeView::new(1, "x < 3", "operator"), NodeView::new(2, "sink", "sink")],
    ///     vec![EdgeView::new(1, 2)],
    /// );
    /// let svg = graph.to_svg();
    /// assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    /// assert!(svg.contains(">x &lt; 3</text>"));
    /// ```
    pub fn to_svg(&self) -> String {
        self.draw(&style())
    }

    /// The same without the style sheet, for pages that include [`svg_style`] once.
    ///
    /// ```
    /// use thalweg_view::{GraphView, NodeView};
    ///
    /// let graph = GraphView::new(vec![NodeView::new(1, "map", "operator")], vec![]);
    /// assert!(!graph.to_bare_svg().contains("<style>"));
    /// ```
    pub fn to_bare_svg(&self) -> String {
        self.draw("")
    }

    fn draw(&self, style: &str) -> String {
        if self.nodes.is_empty() {
            return empty(style);
        }
        let connections = self.connections();
        let cards = self.cards(&connections);
        let labels: Vec<Option<String>> = connections.iter().map(edge_label).collect();
        let drawing = lay_out(&cards, &connections, &labels);

        let title = match self.nodes.len() {
            1 => "Pipeline of 1 node".to_owned(),
            count => format!("Pipeline of {count} nodes"),
        };
        let mut svg = open(
            drawing.width + 2.0 * MARGIN,
            drawing.height + 2.0 * MARGIN,
            &title,
            // Images have no links.
            if self.nodes.iter().any(|node| node.link.is_some()) {
                "group"
            } else {
                "img"
            },
            style,
        );
        let _ = writeln!(svg, "<g transform=\"translate({MARGIN} {MARGIN})\">");
        for (route, connection) in drawing.routes.iter().zip(&connections) {
            let class = if connection.edge.feedback {
                " thalweg-feedback"
            } else {
                ""
            };
            let (line, head) = paths(&route.shape);
            let _ = writeln!(svg, "<path class=\"thalweg-line{class}\" d=\"{line}\"/>");
            let _ = writeln!(svg, "<path class=\"thalweg-head{class}\" d=\"{head}\"/>");
        }
        for (card, rect) in cards.iter().zip(&drawing.boxes) {
            card.draw(&mut svg, rect);
        }
        for (route, text) in drawing.routes.iter().zip(&labels) {
            if let (Some(point), Some(text)) = (route.label, text) {
                draw_text(
                    &mut svg,
                    "thalweg-label",
                    text,
                    point.x,
                    point.y,
                    SMALL_SIZE,
                );
                svg.push('\n');
            }
        }
        svg.push_str("</g>\n</svg>\n");
        svg
    }

    fn cards(&self, connections: &[Connection<'_>]) -> Vec<Card> {
        let mut sent = vec![0; self.nodes.len()];
        let mut received = vec![0; self.nodes.len()];
        for connection in connections {
            sent[connection.from] += 1;
            received[connection.to] += 1;
        }
        let lines = sent
            .into_iter()
            .zip(received)
            .map(|(sent, received)| sent.max(received));
        let run = self.has_run();
        let nodes = self.nodes.iter().zip(self.roles());
        nodes
            .zip(lines)
            .map(|((node, role), lines)| Card::new(node, role, lines, run))
            .collect()
    }
}

/// The style sheet of pictures, to be included once in a page of several; see [`GraphView::to_bare_svg`].
///
/// ```
/// assert!(thalweg_view::svg_style().contains(".thalweg-source"));
/// ```
pub fn svg_style() -> String {
    style::sheet()
}

fn style() -> String {
    format!("<style>\n{}</style>\n", style::sheet())
}

fn empty(style: &str) -> String {
    let mut svg = open(120.0, 48.0, "Pipeline without nodes", "img", style);
    draw_text(
        &mut svg,
        "thalweg-label",
        "no nodes",
        36.0,
        24.0,
        SMALL_SIZE,
    );
    svg.push_str("\n</svg>\n");
    svg
}

/// The start tag of a document of this size in pixels.
fn open(width: f64, height: f64, title: &str, role: &str, style: &str) -> String {
    let (width, height) = (short(width.ceil()), short(height.ceil()));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"{role}\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif\">\n\
         <title>{title}</title>\n{style}"
    )
}

fn edge_label(connection: &Connection<'_>) -> Option<String> {
    let text = label::one_line(connection.edge.label.as_deref()?, MAX_LABEL);
    (!text.is_empty()).then_some(text)
}

fn lay_out(cards: &[Card], connections: &[Connection<'_>], labels: &[Option<String>]) -> Drawing {
    let sizes: Vec<Size> = cards.iter().map(|card| card.size).collect();
    let links: Vec<Link> = connections
        .iter()
        .zip(labels)
        .map(|(connection, label)| Link {
            from: connection.from,
            to: connection.to,
            feedback: connection.edge.feedback,
            label: label.as_deref().map(|label| text::width(label, SMALL_SIZE)),
        })
        .collect();
    layout::lay_out(&sizes, &links)
}
