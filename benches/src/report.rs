//! The table.

#[cfg(any(feature = "brokers", feature = "http"))]
use crate::measure::Pair;

/// A line of the table.
pub(crate) struct Line {
    pub case: &'static str,
    pub ours: String,
    pub peer: String,
    pub ratio: String,
    pub target: &'static str,
    /// No target: for comparison only.
    pub met: Option<bool>,
}

/// A case whose target is a fraction of the peer's speed.
#[cfg(any(feature = "brokers", feature = "http"))]
pub(crate) fn speed(
    case: &'static str,
    peer: &'static str,
    (part, target): (f64, &'static str),
    pair: &Pair,
) -> Line {
    Line {
        case,
        ours: format!("{:.2} µs", pair.ours / 1000.0),
        peer: format!("{peer} {:.2} µs", pair.peer / 1000.0),
        ratio: format!("{:.2} of its speed", 1.0 / pair.ratio),
        target,
        met: Some(1.0 / pair.ratio >= part),
    }
}

pub(crate) fn table(lines: &[Line]) -> String {
    let mut text = String::from(
        "| case | thalweg | peer | ratio | to reach | reached |\n|---|---|---|---|---|---|\n",
    );
    for line in lines {
        let reached = match line.met {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "—",
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {reached} |\n",
            line.case, line.ours, line.peer, line.ratio, line.target
        );
    }
    text
}

/// The machine and versions of the measurement.
pub(crate) fn machine() -> String {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(": ")
                .map(|(_, name)| name.to_string())
        })
        .unwrap_or_else(|| "unknown processor".to_string());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "{cpu}, {cores} cores, {} {}",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}
