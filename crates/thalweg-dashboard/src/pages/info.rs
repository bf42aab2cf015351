//! `/info`: the status as JSON, for programs.

use serde_json::{Map, Value, json};
use thalweg::view::{Counters, PositionView};

use crate::history::PipelineHistory;
use crate::observe::Engine;
use crate::server::App;

pub(crate) fn info(app: &App) -> Value {
    let snapshot = app.snapshot();
    let pipelines = snapshot.history.pipelines.iter();
    let pipelines: Vec<Value> = pipelines.map(|(id, one)| pipeline(*id, one)).collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "process": std::process::id(),
        "dashboard_seconds": app.began.elapsed().as_secs(),
        "pipelines": pipelines,
        "engines": snapshot.engines.iter().map(engine).collect::<Vec<_>>(),
        "failures": app.failures.newest().len(),
    })
}

fn pipeline(id: u64, pipeline: &PipelineHistory) -> Value {
    let nodes = pipeline.graph.nodes.iter().map(|node| {
        let rate =
            |of: fn(&Counters) -> f64| pipeline.node(node.id).map_or(0.0, |node| node.rate(of));
        let mean_wait = pipeline.node(node.id).and_then(|node| node.mean_wait());
        let latency = pipeline.node(node.id).and_then(|node| node.latency());
        let quantile = |share: f64| {
            let time = latency.as_ref().and_then(|latency| latency.quantile(share));
            time.map(|time| time.as_secs_f64())
        };
        json!({
            "id": node.id,
            "name": node.name,
            "kind": node.kind,
            "state": pipeline.state(node.id).as_str(),
            "received": node.counters.received,
            "sent": node.counters.sent,
            "failed": node.counters.failed,
            "held": node.counters.held,
            "waited_seconds": node.counters.waited.as_secs_f64(),
            "mean_wait_seconds": mean_wait.map(|wait| wait.as_secs_f64()),
            "positions": node.positions.iter().map(position).collect::<Vec<_>>(),
            "latency_p50_seconds": quantile(0.5),
            "latency_p99_seconds": quantile(0.99),
            "received_per_second": rate(|counters| counters.received as f64),
        })
    });
    let edges = pipeline.graph.edges.iter();
    let edges =
        edges.map(|edge| json!({"from": edge.from, "to": edge.to, "feedback": edge.feedback}));
    json!({
        "id": id,
        "name": pipeline.name,
        "state": pipeline.worst().as_str(),
        "bottleneck": pipeline.bottleneck(),
        "busy": pipeline.busy_since.is_some(),
        "nodes": nodes.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
    })
}

fn position(position: &PositionView) -> Value {
    json!({
        "name": position.name,
        "value": position.value,
        "unacknowledged": position.unacknowledged,
        "oldest_seconds": position.oldest.map(|age| age.as_secs_f64()),
    })
}

fn engine(engine: &Engine) -> Value {
    let workers = engine.workers.iter().map(|worker| {
        let tasks = worker.tasks.iter().map(|task| {
            json!({"name": task.name, "seconds": task.ran_for.map(|time| time.as_secs_f64())})
        });
        let runs = worker.runs.iter().map(|run| {
            json!({
                "name": run.name,
                "lane": run.lane,
                "began_seconds_ago": run.began.as_secs_f64(),
                "seconds": run.took.as_secs_f64(),
                "tasks": run.tasks,
                "outcome": run.outcome.as_str(),
            })
        });
        json!({
            "name": worker.name,
            "process": worker.process,
            "memory": worker.memory,
            "restarts": worker.restarts,
            "tasks": tasks.collect::<Vec<_>>(),
            "runs": runs.collect::<Vec<_>>(),
        })
    });
    let deaths = engine.deaths.iter();
    let deaths: Map<String, Value> = deaths
        .map(|(cause, count)| (cause.clone(), (*count).into()))
        .collect();
    json!({
        "name": engine.name,
        "kind": engine.kind,
        "waiting": engine.waiting,
        "running": engine.running,
        "time_limits": engine.time_limits,
        "deaths": deaths,
        "workers": workers.collect::<Vec<_>>(),
    })
}
