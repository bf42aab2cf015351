//! DOT, the language of Graphviz.

use super::GraphView;
use super::label;
use std::fmt::Write;

impl GraphView {
    /// The graph in DOT, to be drawn by Graphviz or read by a graph library.
    ///
    /// Names and counters are the labels; feedback edges are dashed and do not take part in the ranking.
    ///
    /// ```
    /// use thalweg_view::{EdgeView, GraphView, NodeView};
    ///
    /// let graph = GraphView::new(
    ///     vec![NodeView::new(1, "a \"quoted\" name", "source"), NodeView::new(2, "sink", "sink")],
    ///     vec![EdgeView::new(1, 2).with_label("left")],
    /// );
    /// let dot = graph.to_dot();
    /// assert!(dot.contains(r#"n1 [label="a \"quoted\" name"#));
    /// assert!(dot.contains(r#"n1 -> n2 [label="left"]"#));
    /// ```
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(
            "digraph thalweg {\n  node [shape=box style=\"rounded,filled\" fontname=\"sans-serif\"]\n  \
             edge [fontname=\"sans-serif\" fontsize=10]\n",
        );
        let run = self.has_run();
        for (node, role) in self.nodes.iter().zip(self.roles()) {
            let mut text = escape(&node.name);
            if run {
                text += r"\n";
                text += &escape(&label::counters(&node.counters, role));
            }
            let (fill, line) = role.colours();
            let _ = writeln!(
                dot,
                "  n{} [label=\"{text}\" fillcolor=\"{fill}\" color=\"{line}\"]",
                node.id
            );
        }
        for connection in self.connections() {
            let edge = connection.edge;
            let mut attributes = Vec::new();
            if let Some(text) = &edge.label {
                attributes.push(format!("label=\"{}\"", escape(text)));
            }
            if edge.feedback {
                attributes.push("style=dashed constraint=false".to_owned());
            }
            let _ = match attributes.is_empty() {
                true => writeln!(dot, "  n{} -> n{}", edge.from, edge.to),
                false => writeln!(
                    dot,
                    "  n{} -> n{} [{}]",
                    edge.from,
                    edge.to,
                    attributes.join(" ")
                ),
            };
        }
        dot.push_str("}\n");
        dot
    }
}

/// Escapes text for use between double quotes, where Graphviz interprets backslash escapes and HTML entities.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars().map(label::printable) {
        match c {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str(r"\\"),
            '\n' => escaped.push_str(r"\n"),
            '&' => escaped.push_str("&amp;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::{EdgeView, NodeView};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_characters_of_graphviz_are_escaped() {
        assert_eq!(escape(r#"say "hi""#), r#"say \"hi\""#);
        assert_eq!(escape(r"C:\new"), r"C:\\new");
        assert_eq!(escape("two\nlines\r\u{0}"), "two\\nlines\u{fffd}\u{fffd}");
        assert_eq!(escape("&lt; <b>"), "&amp;lt; <b>");
    }

    #[test]
    fn feedback_is_dashed() {
        let graph = GraphView::new(
            vec![
                NodeView::new(1, "a", "source"),
                NodeView::new(2, "b", "sink"),
            ],
            vec![
                EdgeView::new(2, 1).as_feedback().with_label("again"),
                EdgeView::new(2, 9),
            ],
        );
        let dot = graph.to_dot();
        assert!(
            dot.contains("  n2 -> n1 [label=\"again\" style=dashed constraint=false]\n"),
            "{dot}"
        );
        assert!(!dot.contains("n9"), "an edge to nowhere is left out: {dot}");
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in "[^\\p{C}]*") {
            let escaped = escape(&text);
            let mut unescaped = String::new();
            let mut rest = escaped.chars();
            while let Some(c) = rest.next() {
                prop_assert_ne!(c, '"', "a quotation mark would end the string");
                unescaped.extend(if c == '\\' { rest.next() } else { Some(c) });
            }
            prop_assert_eq!(unescaped.replace("&amp;", "&"), text);
        }
    }
}
