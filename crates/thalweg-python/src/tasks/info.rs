//! Descriptions of an engine's workers.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyDict, PyList};
use thalweg_tasks::host::TaskEngine;
use thalweg_tasks::process::{Deaths, Process};

use super::task_types::Calls;
use super::threads;

/// The workers and their tasks, and optionally the tasks of the last minute; one process of `width` threads, if there
/// are no `processes`.
pub(crate) fn info<'py>(
    py: Python<'py>,
    task_engine: &TaskEngine<Calls>,
    width: usize,
    wants_runs: bool,
    processes: Option<(Vec<Process>, Deaths)>,
) -> PyResult<Bound<'py, PyDict>> {
    let (waiting, running) = task_engine.counts();
    let names: HashMap<u64, String> = threads::names_of_running(task_engine).collect();
    let info = PyDict::new(py);
    let mut runs = match wants_runs {
        true => task_engine.task_runs(),
        false => Vec::new(),
    };
    let workers = PyList::empty(py);
    match processes {
        None => {
            let running = names.into_values().collect();
            workers.append(worker(py, 0, std::process::id(), width, running)?)?;
        }
        Some((processes, deaths)) => {
            for process in processes {
                runs.extend(process.runs());
                let running = process
                    .running
                    .iter()
                    .filter_map(|running| names.get(&running.task).cloned());
                let running = running.collect();
                let place = process.place;
                let worker = worker(py, place, process.pid, process.threads, running)?;
                worker.set_item("restarts", process.restarts)?;
                workers.append(worker)?;
            }
            info.set_item("deaths", deaths.by_cause().into_py_dict(py)?)?;
        }
    }
    info.set_item("workers", workers)?;
    if wants_runs {
        let runs = runs.into_iter().map(|run| {
            let (began, took) = (run.began.as_secs_f64(), run.took.as_secs_f64());
            let outcome = run.outcome.word();
            let key = run.key.map(|key| key.trim_start_matches('\0').to_owned());
            (run.place, run.name, began, took, run.tasks, outcome, key)
        });
        info.set_item("runs", runs.collect::<Vec<_>>())?;
    }
    info.set_item("pending", waiting)?;
    info.set_item("running", running)?;
    info.set_item("time_limits", task_engine.time_limits_struck())?;
    Ok(info)
}

fn worker(
    py: Python<'_>,
    id: usize,
    pid: u32,
    threads: usize,
    running: Vec<String>,
) -> PyResult<Bound<'_, PyDict>> {
    let worker = PyDict::new(py);
    worker.set_item("id", id)?;
    worker.set_item("pid", pid)?;
    worker.set_item("threads", threads)?;
    worker.set_item("running", running)?;
    Ok(worker)
}
