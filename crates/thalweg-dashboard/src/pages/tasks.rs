//! Engines: queued and running tasks, and workers.

use maud::{Markup, html};

use super::strips;
use crate::clock::duration;
use crate::observe::{Engine, Worker};
use crate::server::Snapshot;

/// Limit of tasks shown for a worker.
const SHOWN: usize = 20;

pub(super) fn content(snapshot: &Snapshot) -> Markup {
    html! {
        @if snapshot.engines.is_empty() {
            p.empty { "There is no engine: no client was created, and no stream scattered." }
        }
        @for (place, engine) in snapshot.engines.iter().enumerate() {
            section aria-labelledby={ "engine-" (place) } {
                h2 #{ "engine-" (place) } { (engine.name) }
                (numbers(engine))
                div.scrolls tabindex="0" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "Worker" }
                                th scope="col" { "Runs" }
                                th.number scope="col" { "Memory" }
                                th.number scope="col" { "Restarts" }
                            }
                        }
                        tbody { @for worker in &engine.workers { (row(worker)) } }
                    }
                }
                (strips::content(engine))
            }
        }
    }
}

fn numbers(engine: &Engine) -> Markup {
    html! {
        p {
            "Workers (" (engine.kind) "): " (engine.workers.len())
            "; tasks with them: " (engine.running) "; tasks waiting: " (engine.waiting)
            @if let Some(link) = &engine.link {
                "; " a href=(link) rel="noreferrer" { "its own dashboard" }
            }
            "."
        }
        @if let Some(text) = problems(engine) { p { (text) } }
    }
}

/// Exceeded time limits and dead workers so far; `None` if there are none.
fn problems(engine: &Engine) -> Option<String> {
    let limits = engine.time_limits.unwrap_or(0);
    let limits = (limits > 0).then(|| format!("tasks ended by their time limit: {limits}"));
    let died: Vec<_> = engine
        .deaths
        .iter()
        .filter(|(_, count)| *count > 0)
        .collect();
    let all: u64 = died.iter().map(|(_, count)| count).sum();
    let causes: Vec<_> = died
        .iter()
        .map(|(cause, count)| match died.len() {
            1 => cause_text(cause),
            _ => format!("{count} {}", cause_text(cause)),
        })
        .collect();
    let died = (all > 0).then(|| format!("workers that died: {all} ({})", causes.join(", ")));
    let parts: Vec<_> = limits.into_iter().chain(died).collect();
    (!parts.is_empty()).then(|| format!("So far: {}.", parts.join("; ")))
}

/// Text for an engine's name of a cause of death.
fn cause_text(cause: &str) -> String {
    match cause {
        "task_stopped" => "ended to stop a task".to_string(),
        "memory" => "ended because of the memory it used".to_string(),
        "silent" => "ended because it did not answer".to_string(),
        "unreadable" => "ended because of what it sent".to_string(),
        "unexpected" => "by itself, or killed from outside".to_string(),
        other => other.replace('_', " "),
    }
}

fn row(worker: &Worker) -> Markup {
    html! {
        tr {
            th scope="row" {
                (worker.name)
                @if let Some(process) = worker.process { ", process " (process) }
            }
            td {
                @if worker.tasks.is_empty() { "nothing" }
                @for task in worker.tasks.iter().take(SHOWN) {
                    div {
                        (task.name)
                        @if let Some(time) = task.ran_for { ", for " (duration(time)) }
                    }
                }
                @if worker.tasks.len() > SHOWN { div { "and " (worker.tasks.len() - SHOWN) " more" } }
            }
            td.number {
                @if let Some(memory) = worker.memory { (memory / 1_000_000) " MB" } @else { "–" }
            }
            td.number {
                @if let Some(restarts) = worker.restarts { (restarts) } @else { "–" }
            }
        }
    }
}
