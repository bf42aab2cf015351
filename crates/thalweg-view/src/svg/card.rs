//! The drawing of a node: a rounded box with the name and, once the graph has run, a line of counters.

use super::super::layout::{Rect, Size};
use super::super::role::Role;
use super::super::{Counters, NodeView, label};
use super::path::short;
use super::style::{NAME_SIZE, SMALL_SIZE};
use super::text::{escape, width};
use std::fmt::Write;

/// Maximum length of a name, in characters. Longer ones are cut; the tooltip has the whole name.
const MAX_NAME: usize = 40;

/// Sizes in pixels.
const PADDING: f64 = 14.0;
const MIN_WIDTH: f64 = 72.0;
const HEIGHT: f64 = 34.0;
const HEIGHT_WITH_COUNTERS: f64 = 46.0;
/// Minimum width of a box per line at its top or bottom, and the maximum of that.
const WIDTH_PER_LINE: f64 = 10.0;
const MAX_WIDTH_FOR_LINES: f64 = 240.0;

pub(super) struct Card {
    pub(super) size: Size,
    role: Role,
    name: String,
    counters: Option<String>,
    failed: bool,
    tip: String,
    state: Option<&'static str>,
    link: Option<String>,
}

impl Card {
    /// The card of a node; `lines` is the number of lines at its busier side.
    pub(super) fn new(node: &NodeView, role: Role, lines: usize, run: bool) -> Self {
        let name = label::one_line(&node.name, MAX_NAME);
        let counters = run.then(|| label::counters(&node.counters, role));
        let name_width = width(&name, NAME_SIZE);
        let counters_width = counters
            .as_deref()
            .map_or(0.0, |line| width(line, SMALL_SIZE));
        let lines_width = (lines as f64 * WIDTH_PER_LINE).min(MAX_WIDTH_FOR_LINES);
        let size = Size {
            width: (name_width.max(counters_width).max(lines_width) + 2.0 * PADDING).max(MIN_WIDTH),
            height: if run { HEIGHT_WITH_COUNTERS } else { HEIGHT },
        };
        Self {
            size,
            role,
            name,
            counters,
            failed: node.counters.failed > 0,
            tip: tip(node),
            state: node.state,
            link: node.link.clone(),
        }
    }

    pub(super) fn draw(&self, svg: &mut String, rect: &Rect) {
        let Rect {
            x,
            y,
            width,
            height,
        } = rect;
        let middle = x + width / 2.0;
        if let Some(link) = &self.link {
            let _ = write!(svg, "<a href=\"{}\">", escape(link));
        }
        let state = match self.state {
            Some(state) => format!(" thalweg-is-{state}"),
            None => String::new(),
        };
        let _ = write!(
            svg,
            "<g><title>{}</title><rect class=\"thalweg-{}{state}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"8\"/>",
            escape(&self.tip),
            self.role.name(),
            short(*x),
            short(*y),
            short(*width),
            short(*height),
        );
        let name_at = if self.counters.is_some() { 0.33 } else { 0.5 };
        draw_text(
            svg,
            "thalweg-name",
            &self.name,
            middle,
            y + height * name_at,
            NAME_SIZE,
        );
        if let Some(line) = &self.counters {
            let class = if self.failed {
                "thalweg-counters thalweg-failed"
            } else {
                "thalweg-counters"
            };
            draw_text(svg, class, line, middle, y + height * 0.72, SMALL_SIZE);
        }
        svg.push_str("</g>");
        svg.push_str(if self.link.is_some() { "</a>\n" } else { "\n" });
    }
}

/// Writes text whose vertical middle is at `y`. It is computed here, since few programs other than browsers support the
/// attributes that centre text.
pub(super) fn draw_text(svg: &mut String, class: &str, text: &str, x: f64, y: f64, size: f64) {
    let baseline = y + 0.35 * size;
    let (x, y) = (short(x), short(baseline));
    let _ = write!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
        escape(text)
    );
}

/// The tooltip of a node, with the full name and exact counters.
fn tip(node: &NodeView) -> String {
    let Counters {
        received,
        sent,
        failed,
        held,
        waited,
        ..
    } = node.counters;
    format!(
        "{} ({})\nreceived {received}\nsent {sent}\nfailed {failed}\nheld {held}\nwaited {waited:?}",
        node.name, node.kind
    )
}
