//! The task stream: a strip for each worker, with the tasks of the last minute as coloured bars.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use maud::{Markup, PreEscaped, html};

use crate::clock::duration;
use crate::observe::{Engine, Outcome, Run, Worker};

/// Period that a strip shows, in seconds.
const SPAN: f64 = 60.0;

/// Width of a strip in SVG units.
const WIDTH: f64 = 600.0;

/// Heights of a lane and of its bars.
const LANE: usize = 12;
const BAR: usize = 10;

/// Limit of lanes drawn for a worker.
const MAX_LANES: usize = 32;

/// Number of colours for task names.
const COLOURS: usize = 8;

/// Limit of names in the legend.
const NAMES: usize = COLOURS;

/// Strips of all workers of an engine with a legend; empty if nothing has run.
pub(super) fn content(engine: &Engine) -> Markup {
    let workers = engine
        .workers
        .iter()
        .filter(|worker| !worker.runs.is_empty());
    let workers: Vec<&Worker> = workers.collect();
    if workers.is_empty() {
        return html! {};
    }
    let names = names(&workers);
    let colours: HashMap<&str, usize> = names
        .iter()
        .map(|(name, ..)| *name)
        .zip(0..COLOURS)
        .collect();
    html! {
        h3 { "Tasks of the last minute" }
        @for worker in &workers {
            figure.strip {
                figcaption { (worker.name) ": " (summary(worker)) }
                (PreEscaped(strip(worker, &colours)))
            }
        }
        ul.names {
            @for (place, (name, tasks)) in names.iter().take(NAMES).enumerate() {
                li { span class={ "swatch run-" (place) } {} (name) ", " (tasks) }
            }
            @if names.len() > NAMES { li { span.swatch {} "and " (names.len() - NAMES) " more" } }
            @let outcomes = workers.iter().flat_map(|worker| &worker.runs).map(|run| run.outcome);
            @if outcomes.clone().any(|outcome| outcome == Outcome::Failed) {
                li { span.swatch.run-failed {} "failed" }
            }
            @if outcomes.clone().any(|outcome| outcome == Outcome::Killed) {
                li { span.swatch.run-killed {} "its worker died" }
            }
        }
    }
}

/// Task names with their counts, most frequent first.
fn names<'a>(workers: &[&'a Worker]) -> Vec<(&'a str, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for run in workers.iter().flat_map(|worker| &worker.runs) {
        *counts.entry(&run.name).or_default() += run.tasks;
    }
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    names
}

fn summary(worker: &Worker) -> String {
    let count = |outcome| -> u64 {
        let runs = worker.runs.iter().filter(|run| run.outcome == outcome);
        runs.map(|run| run.tasks).sum()
    };
    let all = [
        (count(Outcome::Done), "done"),
        (count(Outcome::Failed), "failed"),
        (count(Outcome::Killed), "ended with their worker"),
        (count(Outcome::Running), "running"),
    ];
    let parts = all.iter().filter(|(count, _)| *count > 0);
    let parts: Vec<_> = parts
        .map(|(count, outcome)| format!("{count} {outcome}"))
        .collect();
    parts.join(", ")
}

/// Assigns a lane to each run, in its thread's lanes the first free one. Also returns the number of lanes.
fn lanes(runs: &[Run]) -> (Vec<(&Run, usize)>, usize) {
    let mut by_thread: BTreeMap<usize, Vec<&Run>> = BTreeMap::new();
    for run in runs {
        by_thread.entry(run.lane).or_default().push(run);
    }
    let (mut placed, mut first) = (Vec::new(), 0);
    for runs in by_thread.values_mut() {
        runs.sort_by_key(|run| std::cmp::Reverse(run.began));
        // When each lane becomes free, in seconds before now.
        let mut ends: Vec<f64> = Vec::new();
        for run in runs {
            let began = run.began.as_secs_f64();
            let end = began - run.took.as_secs_f64();
            // Runs merged into one may overlap slightly.
            let free = ends.iter().position(|free| began <= free + 0.05);
            let lane = free.unwrap_or(ends.len());
            match ends.get_mut(lane) {
                Some(free) => *free = end.min(*free),
                None => ends.push(end),
            }
            placed.push((*run, first + lane));
        }
        first += ends.len();
    }
    (placed, first.clamp(1, MAX_LANES))
}

fn strip(worker: &Worker, colours: &HashMap<&str, usize>) -> String {
    let (placed, lanes) = lanes(&worker.runs);
    let height = lanes * LANE;
    let mut svg = format!(
        "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" height=\"{height}\" preserveAspectRatio=\"none\"><title>"
    );
    escape(
        &mut svg,
        &format!(
            "Tasks of {} in the last minute: {}",
            worker.name,
            summary(worker)
        ),
    );
    svg.push_str("</title>");
    for (run, lane) in placed.into_iter().filter(|(_, lane)| *lane < MAX_LANES) {
        let began = run.began.as_secs_f64().min(SPAN);
        let ended = (run.began.saturating_sub(run.took)).as_secs_f64();
        if ended > SPAN {
            continue;
        }
        let x = WIDTH * (1.0 - began / SPAN);
        let width = (WIDTH * (began - ended) / SPAN).max(1.0);
        let class = match (run.outcome, colours.get(&*run.name)) {
            (Outcome::Failed, _) => "run-failed".to_string(),
            (Outcome::Killed, _) => "run-killed".to_string(),
            (Outcome::Running | Outcome::Done, Some(colour)) => format!("run-{colour}"),
            (Outcome::Running | Outcome::Done, None) => "run-other".to_string(),
        };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{width:.1}\" height=\"{BAR}\"><title>",
            lane * LANE + (LANE - BAR) / 2,
        );
        escape(&mut svg, &tooltip(run));
        svg.push_str("</title></rect>");
    }
    svg.push_str("</svg>");
    svg
}

/// Tooltip of a run.
fn tooltip(run: &Run) -> String {
    let tasks = if run.tasks > 1 {
        format!(", {} tasks", run.tasks)
    } else {
        String::new()
    };
    format!(
        "{}{tasks}, {}, {}",
        run.name,
        duration(run.took),
        run.outcome.as_str()
    )
}

fn escape(into: &mut String, text: &str) {
    into.push_str(&html! { (text) }.into_string());
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(lane: usize, began: f64, took: f64) -> Run {
        Run {
            name: format!("f<{lane}>"),
            lane,
            began: Duration::from_secs_f64(began),
            took: Duration::from_secs_f64(took),
            tasks: 1,
            outcome: Outcome::Done,
        }
    }

    #[test]
    fn overlapping_runs_have_separate_lanes() {
        let runs = [
            run(0, 10.0, 5.0),
            run(0, 8.0, 1.0),
            run(0, 4.0, 1.0),
            run(2, 10.0, 1.0),
        ];
        let (placed, count) = lanes(&runs);
        let lanes: Vec<_> = placed.iter().map(|(_, lane)| *lane).collect();
        assert_eq!((lanes, count), (vec![0, 1, 0, 2], 3));
    }

    #[test]
    fn a_strip_ends_now_and_escapes_names() {
        let worker = Worker {
            name: "worker & 0".to_string(),
            runs: vec![run(0, 30.0, 30.0), run(0, 90.0, 45.0), run(0, 90.0, 1.0)],
            ..Worker::default()
        };
        let engine = Engine {
            workers: vec![worker],
            ..Engine::default()
        };
        let page = content(&engine).into_string();
        assert_eq!(page.matches("<rect").count(), 2);
        assert!(
            page.contains("x=\"300.0\"") && page.contains("width=\"300.0\""),
            "{page}"
        );
        assert!(
            page.contains("x=\"0.0\"") && page.contains("width=\"150.0\""),
            "{page}"
        );
        assert!(
            page.contains("f&lt;0&gt;") && !page.contains("f<0>"),
            "{page}"
        );
        assert!(page.contains("worker &amp; 0: 3 done"), "{page}");
        assert!(content(&Engine::default()).into_string().is_empty());
    }
}
