//! Counters as metrics, in the OpenMetrics format.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use thalweg::view::Counters;

use crate::observe::{Engine, Observe};
use crate::server::Seen;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of all metrics.
///
/// # Errors
/// A metric could not be written.
pub(crate) fn text(seen: &Seen) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("thalweg");
    registry.register_collector(Box::new(Collected::of(seen)));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The metrics of `/metrics` without a dashboard: for a program that has an endpoint of its own.
///
/// ```
/// use thalweg_dashboard::{Engine, Metrics, Observe};
///
/// struct Mine;
///
/// impl Observe for Mine {
///     fn engines(&self) -> Vec<Engine> {
///         vec![Engine { name: "mine".into(), waiting: 3, ..Engine::default() }]
///     }
/// }
///
/// let text = Metrics::new(Mine).text()?;
/// assert!(text.contains("thalweg_tasks{engine=\"mine\",state=\"waiting\"} 3\n"));
/// assert!(text.ends_with("# EOF\n"));
/// # Ok::<(), std::fmt::Error>(())
/// ```
pub struct Metrics {
    observed: Box<dyn Observe>,
    /// A pipeline that somebody is at work in is shown as it was.
    seen: Mutex<Seen>,
}

impl Metrics {
    /// Those of the pipelines and engines that `observed` knows.
    pub fn new(observed: impl Observe) -> Self {
        Self {
            observed: Box::new(observed),
            seen: Mutex::default(),
        }
    }

    /// Looks, and returns all metrics in the OpenMetrics format. It waits a little for pipelines that somebody is at
    /// work in, as [`Observe::pipelines`] does.
    ///
    /// # Errors
    /// A metric could not be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let (pipelines, engines) = (self.observed.pipelines(), self.observed.engines());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.history.add(Instant::now(), pipelines);
        seen.engines = engines;
        text(&seen)
    }

    /// The same without looking: what each metric is, and no numbers.
    ///
    /// ```
    /// let text = thalweg_dashboard::Metrics::descriptions()?;
    /// assert!(text.contains("# TYPE thalweg_elements counter\n"));
    /// # Ok::<(), std::fmt::Error>(())
    /// ```
    ///
    /// # Errors
    /// A metric could not be written.
    pub fn descriptions() -> Result<String, fmt::Error> {
        text(&Seen::default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// A node with its labels.
#[derive(Debug)]
struct Node {
    pipeline: String,
    name: String,
    id: String,
    counters: Counters,
}

/// Everything as it was at the last look.
#[derive(Debug)]
struct Collected {
    nodes: Vec<Node>,
    engines: Vec<Engine>,
}

impl Collected {
    fn of(seen: &Seen) -> Self {
        let mut nodes = Vec::new();
        for pipeline in seen.history.pipelines.values() {
            nodes.extend(pipeline.graph.nodes.iter().map(|node| Node {
                pipeline: pipeline.name.clone(),
                name: node.name.clone(),
                id: node.id.to_string(),
                counters: node.counters,
            }));
        }
        Self {
            nodes,
            engines: seen.engines.clone(),
        }
    }
}

type Labels<'a> = Vec<(&'static str, &'a str)>;

/// Writes one metric: what it is, were it without lines, and the lines.
fn family<M: EncodeMetric>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, kind, help, unit): (&str, MetricType, &str, Option<&Unit>),
    lines: impl Iterator<Item = (Vec<(&'static str, String)>, M)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
    for (labels, metric) in lines {
        let labels: Labels<'_> = labels
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        metric.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let encoder = &mut encoder;
        let labels = |node: &Node| {
            vec![
                ("pipeline", node.pipeline.clone()),
                ("node", node.name.clone()),
                ("id", node.id.clone()),
            ]
        };
        let directed = |direction: &str, node: &Node| {
            let mut labels = labels(node);
            labels.push(("direction", direction.to_string()));
            labels
        };
        let elements = self.nodes.iter().flat_map(|node| {
            [
                (
                    directed("in", node),
                    ConstCounter::new(node.counters.received),
                ),
                (directed("out", node), ConstCounter::new(node.counters.sent)),
            ]
        });
        let help = "Elements that came to a node, and that it sent";
        family(
            encoder,
            ("elements", MetricType::Counter, help, None),
            elements,
        )?;
        let failures = self.nodes.iter();
        let failures = failures.map(|node| (labels(node), ConstCounter::new(node.counters.failed)));
        let help = "Elements that a node failed on";
        family(
            encoder,
            ("failures", MetricType::Counter, help, None),
            failures,
        )?;
        let held = self.nodes.iter();
        let held = held.map(|node| (labels(node), ConstGauge::new(gauge(node.counters.held))));
        let help = "Elements in a node, in a buffer, a window or a call";
        family(
            encoder,
            ("held_elements", MetricType::Gauge, help, None),
            held,
        )?;
        let waited = self.nodes.iter();
        let waited = waited.map(|node| {
            let seconds = node.counters.waited.as_secs_f64();
            (labels(node), ConstCounter::new(seconds))
        });
        let help = "The time elements were held in a node, summed over the elements";
        family(
            encoder,
            ("waited", MetricType::Counter, help, Some(&Unit::Seconds)),
            waited,
        )?;
        let tasks = self.engines.iter().flat_map(|engine| {
            [("waiting", engine.waiting), ("running", engine.running)].map(|(state, count)| {
                let labels = vec![
                    ("engine", engine.name.clone()),
                    ("state", state.to_string()),
                ];
                (labels, ConstGauge::new(gauge(count)))
            })
        });
        let help = "Tasks of an engine, by state";
        family(encoder, ("tasks", MetricType::Gauge, help, None), tasks)?;
        let limits = self.engines.iter().filter_map(|engine| {
            let labels = vec![("engine", engine.name.clone())];
            Some((labels, ConstCounter::new(engine.time_limits?)))
        });
        let help = "Tasks that were ended because they ran for longer than they may";
        let about = ("time_limits", MetricType::Counter, help, None);
        family(encoder, about, limits)?;
        let workers = || {
            let engines = self.engines.iter();
            engines.flat_map(|engine| engine.workers.iter().map(move |worker| (engine, worker)))
        };
        let of = |engine: &Engine, worker: &str| {
            vec![
                ("engine", engine.name.clone()),
                ("worker", worker.to_string()),
            ]
        };
        let memory = workers().filter_map(|(engine, worker)| {
            let memory = worker.memory?;
            Some((of(engine, &worker.name), ConstGauge::new(gauge(memory))))
        });
        let help = "The memory that a worker process takes";
        family(
            encoder,
            ("worker_memory", MetricType::Gauge, help, Some(&Unit::Bytes)),
            memory,
        )?;
        let restarts = workers().filter_map(|(engine, worker)| {
            let restarts = worker.restarts?;
            Some((of(engine, &worker.name), ConstCounter::new(restarts)))
        });
        let help = "How often the worker in a place was replaced because it died";
        let about = ("worker_restarts", MetricType::Counter, help, None);
        family(encoder, about, restarts)?;
        let deaths = self.engines.iter().flat_map(|engine| {
            engine.deaths.iter().map(|(cause, count)| {
                let labels = vec![("engine", engine.name.clone()), ("cause", cause.clone())];
                (labels, ConstCounter::new(*count))
            })
        });
        let help = "Workers that have died, by what they died of";
        let about = ("worker_deaths", MetricType::Counter, help, None);
        family(encoder, about, deaths)
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
