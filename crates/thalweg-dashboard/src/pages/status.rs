//! All pipelines: drawings, and tables of their nodes.

use maud::{Markup, PreEscaped, html};
use thalweg::view::{Counters, GraphView, NodeView};

use crate::clock::{duration, rate, time_of_day};
use crate::control::{Action, Controls};
use crate::history::{NodeHistory, PipelineHistory, State};
use crate::server::App;

pub(super) fn content(app: &App, has_tables: bool) -> Markup {
    let snapshot = app.snapshot();
    let pipelines = &snapshot.history.pipelines;
    html! {
        @if pipelines.is_empty() {
            p.empty { "There is no pipeline." }
        }
        @for (id, pipeline) in pipelines {
            section aria-labelledby={ "pipeline-" (id) } {
                h2 #{ "pipeline-" (id) } {
                    (pipeline.name) " " (badge(pipeline.worst()))
                }
                (notices(pipeline))
                div.drawing tabindex="0" {
                    (PreEscaped(drawing(*id, pipeline).to_bare_svg()))
                }
                @if has_tables {
                    @if let Some(controls) = &app.controls {
                        (buttons(*id, &pipeline.name, controls))
                    }
                    (table(*id, pipeline))
                }
            }
        }
    }
}

/// A coloured label with a state.
pub(super) fn badge(state: State) -> Markup {
    html! { span class={ "badge is-" (state.as_str()) } { (state.as_str()) } }
}

/// The field for the token. Outside the updated content, so that it keeps its text.
pub(super) fn token_form() -> Markup {
    html! {
        form #control method="post" action="/control" {
            label for="token" { "Token for the buttons" }
            input #token type="password" name="token" autocomplete="off" required;
        }
    }
}

/// Control buttons, and the result of the last action.
fn buttons(id: u64, name: &str, controls: &Controls) -> Markup {
    html! {
        p.buttons {
            @for action in Action::ALL {
                button #{ (action.as_str()) "-" (id) } form="control" name="do" value={ (id) " " (action.as_str()) }
                    aria-label={ (action.as_str()) " " (name) } { (action.as_str()) }
            }
            @if let Some(report) = controls.report(id) {
                " "
                span.report role="status" {
                    (time_of_day(report.at)) " "
                    @match &report.result {
                        None => { (report.action.as_str()) ": under way" }
                        Some(Ok(done)) => { (done) }
                        Some(Err(error)) => { (report.action.as_str()) " failed: " (error) }
                    }
                }
            }
        }
    }
}

fn notices(pipeline: &PipelineHistory) -> Markup {
    let bottleneck = pipeline.bottleneck();
    let slow = pipeline
        .graph
        .nodes
        .iter()
        .find(|node| Some(node.id) == bottleneck);
    html! {
        @if let Some(node) = slow {
            p.remark {
                "Elements wait in " strong { (node.name) }
                @for (place, below) in pipeline.below(node.id).enumerate() {
                    @if place == 0 { ", before " } @else { " and " }
                    strong { (below.name) }
                }
                "."
            }
        }
        @if let Some(since) = pipeline.busy_since {
            p.remark {
                "Busy in a function for " (duration(since.elapsed())) "; the counters are from before."
            }
        }
    }
}

/// The pipeline's drawing, with rates on edges, and states and links on nodes.
fn drawing(id: u64, pipeline: &PipelineHistory) -> GraphView {
    let mut graph = pipeline.graph.clone();
    let bottleneck = pipeline.bottleneck();
    let sent = |node: u64| {
        let sent = |counters: &Counters| counters.sent as f64;
        pipeline.node(node).map_or(0.0, |node| node.rate(sent))
    };
    for edge in &mut graph.edges {
        let per_second = sent(edge.from);
        if per_second > 0.0 {
            edge.label = Some(format!("{}/s", rate(per_second)));
        }
    }
    for node in &mut graph.nodes {
        node.state = Some(match pipeline.state(node.id) {
            State::Failing => State::Failing.as_str(),
            _ if bottleneck == Some(node.id) => "slow",
            state => state.as_str(),
        });
        node.link = Some(format!("/node/{id}/{}", node.id));
    }
    graph
}

fn table(id: u64, pipeline: &PipelineHistory) -> Markup {
    html! {
        div.scrolls tabindex="0" {
            table {
                thead {
                    tr {
                        th scope="col" { "Node" }
                        th scope="col" { "State" }
                        th.number scope="col" { "In per second" }
                        th.number scope="col" { "In" }
                        th.number scope="col" { "Out" }
                        th.number scope="col" { "Failed" }
                        th.number scope="col" { "Held" }
                        th.number scope="col" { "Waited" }
                        th.number scope="col" { "Mean wait" }
                        th.number scope="col" { "Latency p50" }
                        th.number scope="col" { "p99" }
                    }
                }
                tbody {
                    @for node in &pipeline.graph.nodes {
                        (row(id, pipeline, node))
                    }
                }
            }
        }
    }
}

fn row(id: u64, pipeline: &PipelineHistory, node: &NodeView) -> Markup {
    let received = |counters: &Counters| counters.received as f64;
    let per_second = pipeline
        .node(node.id)
        .map_or(0.0, |node| node.rate(received));
    let mean_wait = pipeline.node(node.id).and_then(NodeHistory::mean_wait);
    let latency = pipeline.node(node.id).and_then(NodeHistory::latency);
    let counters = &node.counters;
    html! {
        tr {
            th scope="row" {
                a #{ "node-" (id) "-" (node.id) } href={ "/node/" (id) "/" (node.id) } { (node.name) }
            }
            td { (badge(pipeline.state(node.id))) }
            td.number { (rate(per_second)) }
            td.number { (counters.received) }
            td.number { (counters.sent) }
            td.number { (counters.failed) }
            td.number { (counters.held) }
            td.number { (duration(counters.waited)) }
            td.number {
                @if let Some(wait) = mean_wait { (duration(wait)) } @else { "–" }
            }
            @for share in [0.5, 0.99] {
                td.number {
                    @if let Some(time) = latency.as_ref().and_then(|latency| latency.quantile(share)) {
                        (duration(time))
                    } @else { "–" }
                }
            }
        }
    }
}
