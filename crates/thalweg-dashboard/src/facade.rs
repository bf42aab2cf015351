//! The metrics for the recorder of the crate `metrics`.

use ::metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};
use prometheus_client::registry::Unit as Named;

use crate::families::{Family, Kind, Number, PREFIX};

/// Gives all numbers to the recorder there is.
pub(crate) fn record(families: &[Family]) {
    for family in families {
        if matches!(family.kind, Kind::Histogram) {
            // A recorder takes single numbers, which nobody has any more.
            continue;
        }
        let name = full_name(family);
        describe(family, &name);
        for (labels, number) in &family.lines {
            let labels = labels.iter();
            let labels: Vec<Label> = labels
                .map(|(name, value)| Label::new(*name, value.clone()))
                .collect();
            match number {
                Number::Count(count) => counter!(name.clone(), labels).absolute(*count),
                Number::Seconds(seconds) => gauge!(name.clone(), labels).set(*seconds),
                Number::Level(level) => gauge!(name.clone(), labels).set(*level as f64),
                Number::Latency(_) => {}
            }
        }
    }
}

/// The name that a metric has in `/metrics`.
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
        // Its counters are whole numbers.
        Kind::Counter if !matches!(unit, Unit::Seconds) => {
            describe_counter!(name.to_string(), unit, family.help);
        }
        _ => describe_gauge!(name.to_string(), unit, family.help),
    }
}
