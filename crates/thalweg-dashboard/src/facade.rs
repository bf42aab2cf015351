//! Export of the metrics through the facade crate `metrics`.

use std::collections::HashMap;
use std::time::Duration;

use ::metrics::{
    Label, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use prometheus_client::registry::Unit as Named;
use thalweg::view::Latency;

use crate::families::{Family, Kind, Labels, Number, PREFIX};

/// Latencies already recorded: a recorder takes increments.
pub(crate) type Recorded = HashMap<Labels, Box<Latency>>;

/// Passes all values to the installed recorder.
pub(crate) fn record(families: &[Family], recorded: &mut Recorded) {
    // Rebuilt, so that dropped nodes are forgotten.
    let before = std::mem::take(recorded);
    for family in families {
        let name = full_name(family);
        describe(family, &name);
        for (own_labels, number) in &family.lines {
            let labels = own_labels.iter();
            let labels: Vec<Label> = labels
                .map(|(name, value)| Label::new(*name, value.clone()))
                .collect();
            match number {
                Number::Count(count) => counter!(name.clone(), labels).absolute(*count),
                Number::Seconds(seconds) | Number::Age(seconds) => {
                    gauge!(name.clone(), labels).set(*seconds)
                }
                Number::Level(level) => gauge!(name.clone(), labels).set(*level as f64),
                Number::Latency(latency) => {
                    let earlier = before.get(own_labels);
                    let latest =
                        earlier.map_or_else(|| (**latency).clone(), |it| latency.since(it));
                    record_latency(&latest, &name, labels);
                    recorded.insert(own_labels.clone(), latency.clone());
                }
            }
        }
    }
}

/// Records latencies in a histogram, each as the middle of its bucket, since exact values are unknown.
fn record_latency(latency: &Latency, name: &str, labels: Vec<Label>) {
    let histogram = histogram!(name.to_string(), labels);
    let mut from = Duration::ZERO;
    for (bound, count) in latency.buckets() {
        let to = bound.unwrap_or_else(|| latency.max()).max(from);
        if count > 0 {
            let middle = (from + to).div_f64(2.0).min(latency.max());
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            histogram.record_many(middle.as_secs_f64(), count);
        }
        from = to;
    }
}

/// A metric's name as in `/metrics`.
fn full_name(family: &Family) -> String {
    let mut name = format!("{PREFIX}_{}", family.name);
    if let Some(unit) = &family.unit {
        name.push('_');
        name.push_str(unit.as_str());
    }
    if matches!(family.kind, Kind::Counter) {
        name.push_str("_total");
    }
    name
}

fn describe(family: &Family, name: &str) {
    let unit = match family.unit {
        Some(Named::Seconds) => Unit::Seconds,
        Some(Named::Bytes) => Unit::Bytes,
        _ => Unit::Count,
    };
    match family.kind {
        // The facade's counters are integers, so that seconds become a gauge.
        Kind::Counter if !matches!(unit, Unit::Seconds) => {
            describe_counter!(name.to_string(), unit, family.help);
        }
        Kind::Histogram => describe_histogram!(name.to_string(), unit, family.help),
        _ => describe_gauge!(name.to_string(), unit, family.help),
    }
}
