//! The metrics as received by a recorder of the crate `metrics`.
#![cfg(feature = "metrics")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use thalweg::{OnError, Stream, VirtualClock};
use thalweg_dashboard::{Engine, Metrics, Observe, Worker};

type Numbers = Arc<Mutex<BTreeMap<String, f64>>>;

/// Stores the last value of each metric, by name and labels as in `/metrics`.
#[derive(Default)]
struct Kept {
    numbers: Numbers,
    described: Mutex<BTreeMap<String, String>>,
    /// Count and sum of the values of each histogram.
    samples: Samples,
}

type Samples = Arc<Mutex<BTreeMap<String, (usize, f64)>>>;

struct Sampled {
    samples: Samples,
    name: String,
}

impl HistogramFn for Sampled {
    fn record(&self, number: f64) {
        let mut samples = self.samples.lock().expect("nobody panicked");
        let (count, sum) = samples.entry(self.name.clone()).or_default();
        *count += 1;
        *sum += number;
    }
}

struct Cell {
    numbers: Numbers,
    name: String,
}

impl Cell {
    fn put(&self, number: f64) {
        let mut numbers = self.numbers.lock().expect("nobody panicked");
        numbers.insert(self.name.clone(), number);
    }
}

impl CounterFn for Cell {
    fn increment(&self, _: u64) {
        panic!("counts are absolute");
    }

    fn absolute(&self, count: u64) {
        self.put(count as f64);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("levels are absolute");
    }

    fn decrement(&self, _: f64) {
        panic!("levels are absolute");
    }

    fn set(&self, level: f64) {
        self.put(level);
    }
}

impl Kept {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels = key.labels();
        let labels: Vec<String> = labels
            .map(|label| format!("{}=\"{}\"", label.key(), label.value()))
            .collect();
        Arc::new(Cell {
            numbers: self.numbers.clone(),
            name: format!("{}{{{}}}", key.name(), labels.join(",")),
        })
    }

    fn describe(&self, name: &KeyName, help: &SharedString) {
        let mut described = self.described.lock().expect("nobody panicked");
        described.insert(name.as_str().to_string(), help.to_string());
    }
}

impl Recorder for Kept {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
        self.describe(&name, &help);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::new(Sampled {
            samples: self.samples.clone(),
            name: self.cell(key).name.clone(),
        }))
    }
}

/// An engine with a value for every metric.
struct Busy;

impl Observe for Busy {
    fn engines(&self) -> Vec<Engine> {
        let worker = Worker {
            name: "worker 0".into(),
            memory: Some(4096),
            restarts: Some(2),
            ..Worker::default()
        };
        vec![Engine {
            name: "mine".into(),
            waiting: 3,
            running: 1,
            workers: vec![worker],
            time_limits: Some(5),
            deaths: vec![("signal".into(), 2)],
            ..Engine::default()
        }]
    }
}

/// The values in the text of `/metrics`.
fn written(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // A recorder gets these one by one.
    let lines = lines.filter(|line| !line.starts_with("thalweg_latency_seconds"));
    lines
        .map(|line| {
            let (name, number) = line.rsplit_once(' ').expect("a name and a number");
            (name.to_string(), number.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn a_recorder_gets_the_same_metrics_as_the_text() {
    let source = Stream::new().named("numbers");
    source
        .try_map(|x: &i32| if *x == 0 { Err("zero") } else { Ok(*x) })
        .named("checked")
        .on_error(OnError::Skip)
        .sink(drop);
    let ours = Metrics::new(Busy);
    ours.watch("orders", &source);
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        for elements in [vec![1, 0, 2], vec![3]] {
            source
                .emit_many(elements)
                .wait()
                .expect("failures are skipped");
            ours.record();
            let text = ours.text().expect("it is written");
            assert_eq!(*kept.numbers.lock().expect("no panic"), written(&text));
        }
    });
    let numbers = kept.numbers.lock().expect("no panic");
    let of = |start: &str, end: &str| {
        let mut found = numbers.iter();
        let found = found.find(|(name, _)| name.starts_with(start) && name.ends_with(end));
        *found.unwrap_or_else(|| panic!("{start} in {numbers:?}")).1
    };
    let checked = "{pipeline=\"orders\",node=\"checked\",";
    let elements = format!("thalweg_elements_total{checked}");
    assert_eq!(of(&elements, "direction=\"in\"}"), 4.0);
    assert_eq!(of(&elements, "direction=\"out\"}"), 3.0);
    assert_eq!(of(&format!("thalweg_failures_total{checked}"), "}"), 1.0);
    assert_eq!(of("thalweg_worker_memory_bytes{", "}"), 4096.0);
    let described = kept.described.lock().expect("no panic");
    for name in numbers.keys() {
        let (name, _) = name.split_once('{').expect("labels");
        assert!(described.contains_key(name), "{name}");
    }
}

#[test]
fn a_recorder_gets_each_latency_once() {
    let clock = VirtualClock::new();
    let source = Stream::on(&clock).named("numbers");
    source
        .shift("3s")
        .named("later")
        .sink(drop)
        .stream()
        .clone()
        .named("sink");
    let ours = Metrics::default();
    ours.watch("orders", &source);
    let kept = Kept::default();
    metrics::with_local_recorder(&kept, || {
        ours.record();
        for _ in 0..2 {
            source.emit(1).wait().expect("it is taken");
            clock.advance(Duration::from_secs(60));
            ours.record();
            ours.record();
        }
    });
    let samples = kept.samples.lock().expect("no panic");
    let of_sink = samples
        .iter()
        .find(|(name, _)| name.contains("node=\"sink\""));
    let (name, (count, sum)) = of_sink.expect("it has been timed");
    assert!(
        name.starts_with("thalweg_latency_seconds{pipeline=\"orders\","),
        "{name}"
    );
    // Accurate to the bucket, whose width is at most half of its lower bound.
    assert_eq!(*count, 2);
    assert!((sum / 2.0 - 3.0).abs() < 1.0, "{sum}");
    let described = kept.described.lock().expect("no panic");
    assert!(described.contains_key("thalweg_latency_seconds"));
}

#[test]
fn without_a_recorder_nothing_happens() {
    Metrics::new(Busy).record();
}
