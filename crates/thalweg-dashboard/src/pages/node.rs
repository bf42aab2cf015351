//! One node: counters, a chart of ten minutes, last elements and failures.

use std::fmt::Write;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};
use thalweg::view::{Counters, Latency, PositionView};

use super::failures;
use super::status::badge;
use crate::clock::{duration, rate};
use crate::history::NodeHistory;
use crate::server::App;

/// Size of the chart in SVG units.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 120.0;

/// Period that the chart shows, in seconds.
const SPAN: f64 = 600.0;

pub(super) fn content(app: &App, pipeline_id: u64, id: u64) -> Markup {
    let snapshot = app.snapshot();
    let pipeline = snapshot.history.pipelines.get(&pipeline_id);
    let view = pipeline.and_then(|pipeline| pipeline.graph.nodes.iter().find(|node| node.id == id));
    let (Some(pipeline), Some(view)) = (pipeline, view) else {
        return html! { p.empty { "This node is gone." } };
    };
    let counters = &view.counters;
    let failures: Vec<_> = app
        .failures
        .newest()
        .into_iter()
        .filter(|failure| failure.node_id == id)
        .collect();
    html! {
        h2 { (view.name) " " (badge(pipeline.state(id))) }
        p { "In " a #back href="/status" { (pipeline.name) } "." }
        dl {
            dt { "Elements in" } dd { (counters.received) }
            dt { "Elements out" } dd { (counters.sent) }
            dt { "Failed" } dd { (counters.failed) }
            dt { "Held now" } dd { (counters.held) }
            dt { "Time waited, summed over elements" } dd { (duration(counters.waited)) }
            dt { "Mean wait of an element, recently" }
            dd {
                @if let Some(wait) = pipeline.node(id).and_then(NodeHistory::mean_wait) { (duration(wait)) } @else { "–" }
            }
        }
        (latencies(pipeline.node(id).and_then(NodeHistory::latency).as_ref()))
        @if !view.positions.is_empty() {
            h3 { "Acknowledged" }
            (positions(&view.positions))
        }
        @if let Some(history) = pipeline.node(id) {
            (chart(history))
        }
        @if let Some(elements) = &app.elements {
            h3 { "Last elements" }
            (last_elements(elements.texts(id)))
        }
        h3 { "Last failures" }
        (failures::content(&failures))
    }
}

/// The last elements, newest first.
fn last_elements(texts: Option<Vec<String>>) -> Markup {
    html! {
        @match texts {
            None => { p.empty { "Being fetched." } }
            Some(texts) if texts.is_empty() => { p.empty { "No elements yet." } }
            Some(texts) => { ol.elements { @for text in texts { li { code { (text) } } } } }
        }
    }
}

/// How far the elements of a source have been acknowledged.
fn positions(positions: &[PositionView]) -> Markup {
    html! {
        div.scrolls tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "Position" }
                        th scope="col" { "Acknowledged up to" }
                        th.number scope="col" { "Unacknowledged" }
                        th.number scope="col" { "Oldest" }
                    }
                }
                tbody {
                    @for position in positions {
                        tr {
                            th scope="row" { (position.name) }
                            td { (position.value.as_deref().unwrap_or("–")) }
                            td.number { (position.unacknowledged) }
                            td.number { @if let Some(age) = position.oldest { (duration(age)) } @else { "–" } }
                        }
                    }
                }
            }
        }
    }
}

/// Latencies of the last minute.
fn latencies(latency: Option<&Latency>) -> Markup {
    let shown = |time: Option<Duration>| time.map_or_else(|| "–".to_string(), duration);
    html! {
        h3 { "Latency in the last minute" }
        dl {
            @for (name, share) in [("Half of the elements within", 0.5), ("99 % within", 0.99)] {
                dt { (name) } dd { (shown(latency.and_then(|latency| latency.quantile(share)))) }
            }
            dt { "The latest" } dd { (shown(latency.map(Latency::max))) }
            dt { "Elements timed" } dd { (latency.map_or(0, Latency::count)) }
        }
    }
}

/// Elements received in each second of the last ten minutes; at a source, elements sent.
fn chart(history: &NodeHistory) -> Markup {
    let samples: Vec<_> = history.samples().collect();
    let Some(last) = samples.last() else {
        return html! {};
    };
    let (of, direction): (fn(&Counters) -> u64, &str) = match last.counters.received {
        0 => (|counters| counters.sent, "out"),
        _ => (|counters| counters.received, "in"),
    };
    let points: Vec<(f64, f64)> = samples
        .windows(2)
        .map(|pair| {
            let seconds = (pair[1].at - pair[0].at).as_secs_f64().max(f64::EPSILON);
            let elements = of(&pair[1].counters).saturating_sub(of(&pair[0].counters));
            let per_second = elements as f64 / seconds;
            ((last.at - pair[1].at).as_secs_f64(), per_second)
        })
        .collect();
    let most = points.iter().map(|(_, y)| *y).fold(1.0, f64::max);
    let mut line = String::new();
    for (ago, per_second) in &points {
        let x = WIDTH * (1.0 - (ago / SPAN).min(1.0));
        let y = HEIGHT * (1.0 - per_second / most);
        let _ = write!(line, "{x:.1},{y:.1} ");
    }
    let svg = format!(
        "<svg class=\"chart\" role=\"img\" viewBox=\"0 -4 {WIDTH} {}\" preserveAspectRatio=\"none\">\
         <title>Elements {direction} per second in the last ten minutes, {} at most</title>\
         <polyline points=\"{}\"/></svg>",
        HEIGHT + 8.0,
        rate(most),
        line.trim_end(),
    );
    html! {
        figure {
            (PreEscaped(svg))
            figcaption { "Elements " (direction) " per second in the last ten minutes; " (rate(most)) " at most." }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use thalweg::view::{GraphView, NodeView};

    use super::*;
    use crate::history::History;
    use crate::observe::Pipeline;

    #[test]
    fn the_chart_of_a_source_shows_what_it_sends() {
        let mut history = History::default();
        let begin = Instant::now();
        for second in 0..3 {
            let mut counters = Counters::default();
            counters.sent = 200 * second;
            let node = NodeView::new(1, "orders", "source").with_counters(counters);
            let pipeline = Pipeline {
                id: 7,
                name: "orders".into(),
                graph: Some(GraphView::new(vec![node], vec![])),
            };
            history.add(begin + Duration::from_secs(second), vec![pipeline]);
        }
        let node = history.pipelines[&7].node(1).expect("it was seen");
        let shown = chart(node).into_string();
        assert!(
            shown.contains("Elements out per second in the last ten minutes; 200 at most."),
            "{shown}"
        );
    }
}
