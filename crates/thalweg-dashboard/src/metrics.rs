//! Metrics in the OpenMetrics format.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use thalweg::{Element, Stream};

use crate::families::{Family, Kind, Number, PREFIX, families};
use crate::observe::{Observe, Observed};
use crate::server::Snapshot;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics as OpenMetrics text.
///
/// # Errors
/// A metric could not be written.
pub(crate) fn text(snapshot: &Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Collected(families(snapshot))));
    let mut text = String::new();
    text::encode(&mut text, &registry)?;
    Ok(text)
}

/// The metrics of `/metrics` without a dashboard, for a program with its own endpoint.
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
///
/// By default it has only the pipelines passed to [`Metrics::watch`]:
///
/// ```
/// use thalweg::Stream;
///
/// let source = Stream::new().named("numbers");
/// source.sink(|_: i32| ());
/// let metrics = thalweg_dashboard::Metrics::default();
/// metrics.watch("mine", &source);
/// source.emit(1).wait()?;
/// assert!(metrics.text()?.contains("thalweg_elements_total{pipeline=\"mine\",node=\"numbers\""));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Metrics {
    observed: Observed,
    /// Kept, since a busy pipeline is reported as of its last snapshot.
    snapshot: Mutex<Snapshot>,
    #[cfg(feature = "metrics")]
    recorded: Mutex<crate::facade::Recorded>,
}

impl Metrics {
    /// Metrics of the pipelines and engines of `observed`.
    pub fn new(observed: impl Observe) -> Self {
        Self {
            observed: Observed::new(vec![Arc::new(observed)], 0),
            snapshot: Mutex::default(),
            #[cfg(feature = "metrics")]
            recorded: Mutex::default(),
        }
    }

    /// Adds the pipeline of a stream under a name, until the pipeline is dropped.
    pub fn watch<T: Element>(&self, name: impl Into<String>, stream: &Stream<T>) {
        self.observed.watch(name.into(), stream);
    }

    /// Takes a snapshot and returns all metrics in the OpenMetrics format. Waits for busy pipelines for a fraction of a
    /// second.
    ///
    /// # Errors
    /// A metric could not be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        self.refreshed(text)
    }

    /// Takes a snapshot and passes all metrics to the installed recorder of the crate `metrics`, under the names and
    /// labels of `/metrics`; does nothing without a recorder. Call it before the recorder is read, or every few
    /// seconds.
    ///
    /// The crate's counters are integers, so that `thalweg_waited_seconds_total` is a gauge there. Latencies are those
    /// measured since the last call, each as the middle of its bucket. A recorder keeps the metrics of nodes that are
    /// gone unless it has an idle timeout.
    ///
    /// ```
    /// use metrics::NoopRecorder;
    ///
    /// let ours = thalweg_dashboard::Metrics::default();
    /// ours.watch("mine", &thalweg::Stream::<i32>::new());
    /// // A program installs a recorder for all its threads by `metrics::set_global_recorder`.
    /// metrics::with_local_recorder(&NoopRecorder, || ours.record());
    /// ```
    #[cfg(feature = "metrics")]
    pub fn record(&self) {
        // Recorders have locks of their own: ours is not held while they run.
        let families = self.refreshed(families);
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latencies = std::mem::take(&mut *recorded);
        drop(recorded);
        crate::facade::record(&families, &mut latencies);
        *self.recorded.lock().unwrap_or_else(PoisonError::into_inner) = latencies;
    }

    /// Takes a snapshot, and applies a function to it.
    fn refreshed<R>(&self, of: impl FnOnce(&Snapshot) -> R) -> R {
        let (pipelines, engines) = self.observed.snapshot();
        let mut snapshot = self.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        snapshot.history.add(Instant::now(), pipelines);
        snapshot.engines = engines;
        of(&snapshot)
    }

    /// Names and descriptions of all metrics, without values.
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
        text(&Snapshot::default())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// All metrics of a snapshot.
#[derive(Debug)]
struct Collected(Vec<Family>);

impl Collector for Collected {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let unit = family.unit.as_ref();
            let mut encoder = encoder.encode_descriptor(family.name, family.help, unit, kind)?;
            for (labels, number) in &family.lines {
                let labels = labels.iter().map(|(name, value)| (*name, value.as_str()));
                let labels: Vec<(&str, &str)> = labels.collect();
                let mut encoder = encoder.encode_family(&labels)?;
                match number {
                    Number::Count(count) => ConstCounter::new(*count).encode(encoder)?,
                    Number::Seconds(seconds) => ConstCounter::new(*seconds).encode(encoder)?,
                    Number::Level(level) => {
                        let level = i64::try_from(*level).unwrap_or(i64::MAX);
                        ConstGauge::new(level).encode(encoder)?;
                    }
                    Number::Age(seconds) => ConstGauge::new(*seconds).encode(encoder)?,
                    Number::Latency(latency) => {
                        let buckets = latency.buckets();
                        let buckets: Vec<(f64, u64)> = buckets
                            .map(|(bound, count)| {
                                (bound.map_or(f64::INFINITY, |it| it.as_secs_f64()), count)
                            })
                            .collect();
                        let (sum, count) = (latency.sum().as_secs_f64(), latency.count());
                        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
                    }
                }
            }
        }
        Ok(())
    }
}
