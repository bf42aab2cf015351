//! A node as it is drawn: a rounded box with the name and, once the graph has run, a line of counters.

use super::super::layout::{Rect, Size};
use super::super::role::Role;
use super::super::{Counters, NodeView, label};
use super::path::short;
use super::style::{NAME_SIZE, SMALL_SIZE};
use super::text::{escape, width};
use std::fmt::Write;

/// Longer names are cut in the picture; the whole name is in the tool tip.
const MAX_NAME: usize = 40;

/// Sizes in pixels.
const PADDING: f64 = 14.0;
const MIN_WIDTH: f64 = 72.0;
const HEIGHT: f64 = 34.0;
const HEIGHT_WITH_COUNTERS: f64 = 46.0;
/// What a line at the top or bottom needs, and how much of a box's width at most is for the lines' sake.
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
    /// The card of a node with so many lines at its busier side.
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

/// Writes text whose vertical middle is at `y`. Attributes that would centre it are understood by few programs other
/// than browsers.
pub(super) fn draw_text(svg: &mut String, class: &str, text: &str, x: f64, y: f64, size: f64) {
    let baseline = y + 0.35 * size;
    let (x, y) = (short(x), short(baseline));
    let _ = write!(
        svg,
        "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>",
        escape(text)
    );
}

/// The text that shows while the pointer rests on a node: nothing cut, nothing rounded.
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
