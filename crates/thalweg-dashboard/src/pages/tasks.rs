//! Engines: what waits, what runs, and for how long.

use maud::{Markup, html};

use super::strips;
use crate::clock::length;
use crate::observe::{Engine, Worker};
use crate::server::Seen;

/// How many tasks of a worker are shown.
const SHOWN: usize = 20;

pub(super) fn content(seen: &Seen) -> Markup {
    html! {
        @if seen.engines.is_empty() {
            p.empty { "There is no engine: no client has been made, and nothing was scattered." }
        }
        @for (place, engine) in seen.engines.iter().enumerate() {
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
        @if let Some(text) = troubles(engine) { p { (text) } }
    }
}

/// What went wrong so far: time limits that struck, and workers that died; `None` if nothing has.
fn troubles(engine: &Engine) -> Option<String> {
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
            1 => of_what(cause),
            _ => format!("{count} {}", of_what(cause)),
        })
        .collect();
    let died = (all > 0).then(|| format!("workers that died: {all} ({})", causes.join(", ")));
    let said: Vec<_> = limits.into_iter().chain(died).collect();
    (!said.is_empty()).then(|| format!("So far: {}.", said.join("; ")))
}

/// What became of a worker, by the name that the engine has for it.
fn of_what(cause: &str) -> String {
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
                        @if let Some(time) = task.ran_for { ", for " (length(time)) }
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
