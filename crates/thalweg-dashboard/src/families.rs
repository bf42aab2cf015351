//! All metrics: names, descriptions and values.

use prometheus_client::registry::Unit;
use thalweg::view::{Counters, Latency, PositionView};

use crate::observe::{Engine, Worker};
use crate::server::Snapshot;

/// Prefix of all names.
pub(crate) const PREFIX: &str = "thalweg";

/// Type of a metric.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A value that only grows.
    Counter,
    /// A value that grows and shrinks.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

/// Value of a metric.
#[derive(Clone, Debug)]
pub(crate) enum Number {
    /// Counter.
    Count(u64),
    /// Counter of seconds.
    Seconds(f64),
    /// Gauge.
    Level(u64),
    /// Gauge of seconds.
    Age(f64),
    /// Histogram of seconds.
    Latency(Box<Latency>),
}

/// Labels as pairs of name and value.
pub(crate) type Labels = Vec<(&'static str, String)>;

/// One metric, with a value for each node, engine or worker.
#[derive(Debug)]
pub(crate) struct Family {
    /// Its name without prefix, unit and `total`.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
    pub(crate) unit: Option<Unit>,
    pub(crate) lines: Vec<(Labels, Number)>,
}

impl Family {
    fn new(
        name: &'static str,
        kind: Kind,
        help: &'static str,
        lines: impl Iterator<Item = (Labels, Number)>,
    ) -> Self {
        Self {
            name,
            kind,
            help,
            unit: None,
            lines: lines.collect(),
        }
    }

    fn in_unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }
}

/// All metrics of a snapshot.
pub(crate) fn families(snapshot: &Snapshot) -> Vec<Family> {
    let mut families = of_nodes(snapshot);
    families.extend(of_engines(&snapshot.engines));
    families
}

fn of_nodes(snapshot: &Snapshot) -> Vec<Family> {
    let mut nodes: Vec<(Labels, Counters, Vec<PositionView>)> = Vec::new();
    let mut latencies: Vec<(Labels, Number)> = Vec::new();
    for pipeline in snapshot.history.pipelines.values() {
        nodes.extend(pipeline.graph.nodes.iter().map(|node| {
            let labels = vec![
                ("pipeline", pipeline.name.clone()),
                ("node", node.name.clone()),
                ("id", node.id.to_string()),
            ];
            if let Some(latency) = &node.latency {
                latencies.push((labels.clone(), Number::Latency(latency.clone())));
            }
            (labels, node.counters, node.positions.clone())
        }));
    }
    let each = |of: fn(&Counters) -> Number| {
        let nodes = nodes.iter();
        nodes.map(move |(labels, counters, _)| (labels.clone(), of(counters)))
    };
    let positions: Vec<(Labels, PositionView)> = nodes
        .iter()
        .flat_map(|(labels, _, positions)| {
            positions.iter().map(|position| {
                let mut labels = labels.clone();
                labels.push(("position", position.name.clone()));
                (labels, position.clone())
            })
        })
        .collect();
    let of_positions = |of: fn(&PositionView) -> Option<Number>| {
        let positions = positions.iter();
        positions.filter_map(move |(labels, position)| Some((labels.clone(), of(position)?)))
    };
    let elements = nodes.iter().flat_map(|(labels, counters, _)| {
        [("in", counters.received), ("out", counters.sent)].map(|(direction, count)| {
            let mut labels = labels.clone();
            labels.push(("direction", direction.to_string()));
            (labels, Number::Count(count))
        })
    });
    vec![
        Family::new(
            "elements",
            Kind::Counter,
            "Elements that came to a node, and that it sent",
            elements,
        ),
        Family::new(
            "failures",
            Kind::Counter,
            "Elements that a node failed on",
            each(|counters| Number::Count(counters.failed)),
        ),
        Family::new(
            "held_elements",
            Kind::Gauge,
            "Elements in a node, in a buffer, a window or a call",
            each(|counters| Number::Level(counters.held)),
        ),
        Family::new(
            "waited",
            Kind::Counter,
            "The time elements were held in a node, summed over the elements",
            each(|counters| Number::Seconds(counters.waited.as_secs_f64())),
        )
        .in_unit(Unit::Seconds),
        Family::new(
            "latency",
            Kind::Histogram,
            "Time from when an element was emitted until it came to a node, or a sink was done with it, of those that were timed",
            latencies.into_iter(),
        )
        .in_unit(Unit::Seconds),
        Family::new(
            "acknowledged_offset",
            Kind::Gauge,
            "Offset of the last element of a source before which everything is acknowledged",
            of_positions(|position| position.offset().map(Number::Level)),
        ),
        Family::new(
            "unacknowledged_elements",
            Kind::Gauge,
            "Elements read by a source after its last acknowledged position",
            of_positions(|position| Some(Number::Level(position.unacknowledged))),
        ),
        Family::new(
            "oldest_unacknowledged",
            Kind::Gauge,
            "Time since the oldest unacknowledged element of a source was read",
            of_positions(|position| {
                let age = position.oldest.unwrap_or_default();
                Some(Number::Age(age.as_secs_f64()))
            }),
        )
        .in_unit(Unit::Seconds),
    ]
}

fn of_engines(engines: &[Engine]) -> Vec<Family> {
    let labels = |engine: &Engine, name: &'static str, value: &str| {
        vec![("engine", engine.name.clone()), (name, value.to_string())]
    };
    let tasks = engines.iter().flat_map(|engine| {
        [("waiting", engine.waiting), ("running", engine.running)]
            .map(|(state, count)| (labels(engine, "state", state), Number::Level(count)))
    });
    let limits = engines.iter().filter_map(|engine| {
        let labels = vec![("engine", engine.name.clone())];
        Some((labels, Number::Count(engine.time_limits?)))
    });
    let of_workers = |of: fn(&Worker) -> Option<Number>| {
        engines.iter().flat_map(move |engine| {
            let workers = engine.workers.iter();
            workers.filter_map(move |worker| {
                Some((labels(engine, "worker", &worker.name), of(worker)?))
            })
        })
    };
    let deaths = engines.iter().flat_map(|engine| {
        let deaths = engine.deaths.iter();
        deaths.map(|(cause, count)| (labels(engine, "cause", cause), Number::Count(*count)))
    });
    vec![
        Family::new("tasks", Kind::Gauge, "Tasks of an engine, by state", tasks),
        Family::new(
            "time_limits",
            Kind::Counter,
            "Tasks that were ended because they ran for longer than they may",
            limits,
        ),
        Family::new(
            "worker_memory",
            Kind::Gauge,
            "The memory that a worker process takes",
            of_workers(|worker| worker.memory.map(Number::Level)),
        )
        .in_unit(Unit::Bytes),
        Family::new(
            "worker_restarts",
            Kind::Counter,
            "How often the worker in a place was replaced because it died",
            of_workers(|worker| worker.restarts.map(Number::Count)),
        ),
        Family::new(
            "worker_deaths",
            Kind::Counter,
            "Workers that have died, by what they died of",
            deaths,
        ),
    ]
}
