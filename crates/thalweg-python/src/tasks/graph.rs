//! Graphs of tasks, submitted in one call.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};
use thalweg_tasks::host::{Options, Slot, TaskSpec, spec};

use super::engine::Engine;
use super::future::Future;
use super::task_types::{Call, Calls, Inputs, Program};
use super::threads::Turn;

/// Number of tasks submitted between two offers of the GIL.
const AT_ONCE: usize = 64;

/// Submits the tasks of a graph in dependency order, and returns the futures of the wanted ones.
///
/// A task is `(function, args, kwargs, slots)`, optionally followed by a dictionary of options. `slots` says which
/// arguments are results of others: `(place, source, place, source, …)`. Sources are numbered through `given` and then
/// through the tasks.
pub(crate) fn submit(
    engine: &Engine,
    tasks: &Bound<'_, PyList>,
    wanted: &[usize],
    given: &[Bound<'_, Future>],
    keys: Option<Vec<String>>,
    options: Option<&Arc<Options>>,
) -> PyResult<Vec<Arc<Slot<Calls>>>> {
    let py = tasks.py();
    let names = names(wanted, keys)?;
    let mut slots = Vec::with_capacity(given.len() + tasks.len());
    for future in given {
        slots.push(future.get().slot()?);
    }
    let mut turn = Turn::begin();
    for (index, task) in tasks.iter().enumerate() {
        let name = names.get(&slots.len());
        let own = own_options(&task, index)?;
        let options = own.as_ref().or(options);
        let spec = read(&task, &slots, index, with_name(options, name))?;
        let slot = engine.task_engine.submit(spec);
        slots.push(slot);
        if index.is_multiple_of(AT_ONCE) {
            turn.yield_if_over(py);
        }
    }
    let find = |index: &usize| {
        let none = || PyValueError::new_err(format!("wanted: there is no task {index}"));
        slots.get(*index).cloned().ok_or_else(none)
    };
    wanted.iter().map(find).collect()
}

type Names = std::collections::HashMap<usize, String>;

fn names(wanted: &[usize], keys: Option<Vec<String>>) -> PyResult<Names> {
    let Some(keys) = keys else {
        return Ok(Names::new());
    };
    if keys.len() != wanted.len() {
        let message = format!("keys: {} names for {} tasks", keys.len(), wanted.len());
        return Err(PyValueError::new_err(message));
    }
    Ok(wanted.iter().copied().zip(keys).collect())
}

fn with_name(options: Option<&Arc<Options>>, name: Option<&String>) -> Option<Arc<Options>> {
    let Some(name) = name else {
        return options.cloned();
    };
    let like = options
        .map(|options| (**options).clone())
        .unwrap_or_default();
    Some(Arc::new(Options {
        key: Some(name.as_str().into()),
        ..like
    }))
}

/// Options of this task, if it has any.
fn own_options(task: &Bound<'_, PyAny>, index: usize) -> PyResult<Option<Arc<Options>>> {
    let Some(asked) = task
        .cast::<PyTuple>()
        .ok()
        .and_then(|task| task.get_item(4).ok())
    else {
        return Ok(None);
    };
    let asked = asked.cast_into::<PyDict>().map_err(|_| {
        PyTypeError::new_err(format!("task {index}: its options are no dictionary"))
    })?;
    let get = |name| asked.get_item(name);
    let number = |name| get(name)?.map_or(Ok(0.0), |number| number.extract());
    let resources = get("resources")?.filter(|resources| !resources.is_none());
    let resources = resources.map(Bound::cast_into::<PyDict>).transpose()?;
    super::options::options(
        None,
        number("priority")?,
        get("retries")?.map_or(Ok(0), |retries| retries.extract())?,
        resources.as_ref(),
        get("time_limit")?
            .filter(|limit| !limit.is_none())
            .map(|limit| limit.extract())
            .transpose()?,
    )
}

fn read(
    task: &Bound<'_, PyAny>,
    before: &[Arc<Slot<Calls>>],
    index: usize,
    options: Option<Arc<Options>>,
) -> PyResult<TaskSpec<Calls>> {
    let bad = || {
        PyTypeError::new_err(format!(
            "task {index}: (function, args, kwargs, slots) is needed, and options perhaps"
        ))
    };
    let task = task.cast::<PyTuple>().map_err(|_| bad())?;
    if task.len() < 4 {
        return Err(bad());
    }
    let args = task
        .get_item(1)?
        .cast_into::<PyTuple>()
        .map_err(|_| bad())?;
    let kwargs = task.get_item(2)?;
    let kwargs = if kwargs.is_none() {
        None
    } else {
        Some(kwargs.cast_into::<PyDict>().map_err(|_| bad())?)
    };
    let pairs = task
        .get_item(3)?
        .cast_into::<PyTuple>()
        .map_err(|_| bad())?;
    let (mut places, mut dependencies) = (Vec::new(), Vec::new());
    for pair in 0..pairs.len() / 2 {
        let place: u32 = pairs.get_item(2 * pair)?.extract()?;
        let source: usize = pairs.get_item(2 * pair + 1)?.extract()?;
        let Some(slot) = before.get(source) else {
            let message = format!("task {index}: it cannot need {source}, which comes after it");
            return Err(PyValueError::new_err(message));
        };
        if place as usize >= args.len() {
            let message = format!("task {index}: it has no argument {place}");
            return Err(PyValueError::new_err(message));
        }
        places.push(place);
        dependencies.push(slot.clone());
    }
    let inputs = if places.is_empty() {
        Inputs::None
    } else {
        Inputs::Places(places.into())
    };
    let function = task.get_item(0)?.unbind();
    let call = Call {
        function,
        args: args.unbind(),
        kwargs: kwargs.map(Bound::unbind),
        inputs,
    };
    Ok(spec(Program::Here(call), dependencies, options))
}
