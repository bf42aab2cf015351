//! Counters as metrics, in the OpenMetrics format.

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
use crate::server::Seen;

pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text of all metrics.
///
/// # Errors
/// A metric could not be written.
pub(crate) fn text(seen: &Seen) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(Collected(families(seen))));
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
///
/// Without anything to observe, it has the pipelines that it is told to [watch](Metrics::watch):
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
    /// A pipeline that somebody is at work in is shown as it was.
    seen: Mutex<Seen>,
    #[cfg(feature = "metrics")]
    given: Mutex<crate::facade::Given>,
}

impl Metrics {
    /// Those of the pipelines and engines that `observed` knows.
    pub fn new(observed: impl Observe) -> Self {
        Self {
            observed: Observed::new(vec![Arc::new(observed)], 0),
            seen: Mutex::default(),
            #[cfg(feature = "metrics")]
            given: Mutex::default(),
        }
    }

    /// Has the pipeline that a stream belongs to as well, under a name, for as long as it lives.
    pub fn watch<T: Element>(&self, name: impl Into<String>, stream: &Stream<T>) {
        self.observed.watch(name.into(), stream);
    }

    /// Looks, and returns all metrics in the OpenMetrics format. It waits a little for pipelines that somebody is at
    /// work in, as [`Observe::pipelines`] does.
    ///
    /// # Errors
    /// A metric could not be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        self.look(text)
    }

    /// Looks, and gives all metrics to the recorder of the crate `metrics` that the program has installed, under the
    /// names and labels of `/metrics`; nothing happens if there is none. Call it when the recorder is to be read, or every
    /// few seconds. The crate's counters are whole numbers, so that `thalweg_waited_seconds_total` is a gauge there; of
    /// latencies it gets those that have been timed since the last call, each as the middle of its bucket; and a recorder keeps what it has of a node that is gone until it is told to forget what does not change.
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
        // What is recorded may be read by the recorder's own locks: ours is not held then.
        let families = self.look(families);
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let mut latencies = std::mem::take(&mut *given);
        drop(given);
        crate::facade::record(&families, &mut latencies);
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = latencies;
    }

    /// Looks, waiting a little for pipelines that somebody is at work in.
    fn look<R>(&self, of: impl FnOnce(&Seen) -> R) -> R {
        let (pipelines, engines) = self.observed.look();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.history.add(Instant::now(), pipelines);
        seen.engines = engines;
        of(&seen)
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

/// Everything as it was at the last look.
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
