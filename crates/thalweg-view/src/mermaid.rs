//! Mermaid, which GitHub, GitLab, Jupyter and many documentation tools render inside Markdown.

use super::GraphView;
use super::label;
use super::role::Role;
use std::fmt::Write;

impl GraphView {
    /// The graph as a Mermaid flow chart.
    ///
    /// ```
    /// use thalweg_view::{EdgeView, GraphView, NodeView};
    ///
    /// let graph = GraphView::new(
    ///     vec![NodeView::new(1, "source[0]", "source"), NodeView::new(2, "sink", "sink")],
    ///     vec![EdgeView::new(1, 2), EdgeView::new(2, 1).as_feedback()],
    /// );
    /// let mermaid = graph.to_mermaid();
    /// assert!(mermaid.starts_with("flowchart TD\n"));
    /// assert!(mermaid.contains(r#"n1["source#91;0#93;"]:::source"#));
    /// assert!(mermaid.contains("n2 -.-> n1"));
    /// ```
    pub fn to_mermaid(&self) -> String {
        let mut mermaid = String::from("flowchart TD\n");
        let run = self.has_run();
        let roles = self.roles();
        for (node, role) in self.nodes.iter().zip(&roles) {
            let mut text = escape(&node.name);
            if run {
                text += "<br>";
                text += &escape(&label::counters(&node.counters, *role));
            }
            let _ = writeln!(mermaid, "  n{}[\"{text}\"]:::{}", node.id, role.name());
        }
        for connection in self.connections() {
            let edge = connection.edge;
            let arrow = if edge.feedback { "-.->" } else { "-->" };
            let _ = match &edge.label {
                Some(text) => writeln!(
                    mermaid,
                    "  n{} {arrow}|\"{}\"| n{}",
                    edge.from,
                    escape(text),
                    edge.to
                ),
                None => writeln!(mermaid, "  n{} {arrow} n{}", edge.from, edge.to),
            };
        }
        for role in Role::ALL.into_iter().filter(|role| roles.contains(role)) {
            let (fill, line) = role.colours();
            let _ = writeln!(
                mermaid,
                "  classDef {} fill:{fill},stroke:{line},color:#1f2328",
                role.name()
            );
        }
        mermaid
    }
}

/// Escapes text for use between double quotes.
///
/// Mermaid interprets brackets, quotes, `#`, backticks, `<`, some words and Markdown, differently in each release. So
/// everything but letters, digits and plain punctuation inside a word becomes a numbered entity.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut in_word = false;
    let mut rest = text.chars().map(label::printable).peekable();
    while let Some(c) = rest.next() {
        let inside = in_word && rest.peek().is_some_and(|next| next.is_alphanumeric());
        in_word = c.is_alphanumeric();
        match c {
            '\n' => escaped.push_str("<br>"),
            ' ' | '·' => escaped.push(c),
            '_' | '.' | ',' if inside => escaped.push(c),
            c if in_word => escaped.push(c),
            c => {
                let _ = write!(escaped, "#{};", u32::from(c));
            }
        }
    }
    // A blank label is a syntax error in some releases.
    if escaped.trim().is_empty() {
        "#160;".to_owned()
    } else {
        escaped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn special_characters_of_mermaid_and_markdown_are_entities() {
        assert_eq!(escape("map_async 1.5"), "map_async 1.5");
        assert_eq!(escape(r#"a["b"]"#), "a#91;#34;b#34;#93;");
        assert_eq!(escape("`x` #35; <b>"), "#96;x#96; #35;35#59; #60;b#62;");
        assert_eq!(escape("1. _x_"), "1#46; #95;x#95;");
        assert_eq!(escape("two\nlines\r\u{0}"), "two<br>lines#65533;#65533;");
        assert_eq!(escape(" "), "#160;");
        assert_eq!(escape("naïve 数据"), "naïve 数据");
    }

    proptest! {
        #[test]
        fn any_text_round_trips(text in "[^\\p{C}]*") {
            prop_assume!(!text.trim().is_empty());
            let escaped = escape(&text);
            let special = |c: char| r#""[]`|(){}<>&\"#.contains(c);
            prop_assert!(!escaped.contains(special));
            prop_assert_eq!(unescape(&escaped), text);
        }
    }

    fn unescape(escaped: &str) -> String {
        let mut parts = escaped.split('#');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (code, rest) = part.split_once(';').expect("an entity ends in a semicolon");
            let code: u32 = code.parse().expect("an entity is a number");
            text.push(char::from_u32(code).expect("an entity is a character"));
            text.push_str(rest);
        }
        text
    }
}
