//! Batches of stream elements as tasks in worker processes.

use std::sync::{Arc, Mutex};

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};
use thalweg_tasks::host::{Options, Slot, spec};
use thalweg_tasks::process::{Call, LARGE, Payload};

use super::engine::Engine;
use super::errors;
use super::future::{self, lending};
use super::names::name;
use super::processes::{pickle, sending};
use super::task_types::{Calls, Program, Sent};
use crate::gil;
use crate::lock::lock;
use crate::upcalls::PARALLEL;

/// The last programs sent by a stream, as payloads, so that each worker is sent a program once.
#[derive(Default)]
pub(crate) struct Batches(Mutex<Vec<(Vec<u8>, Arc<Payload>)>>);

/// Number of programs remembered.
const REMEMBERED: usize = 32;

impl Batches {
    /// Calls a program with arguments on a worker; `name` returns the program's display name.
    ///
    /// # Errors
    /// The arguments cannot be sent.
    pub(crate) fn submit<'py>(
        &self,
        engine: &Bound<'py, Engine>,
        digest: &Bound<'py, PyBytes>,
        data: &Bound<'py, PyBytes>,
        args: &Bound<'py, PyTuple>,
        options: Options,
        name: impl FnOnce() -> String,
    ) -> PyResult<Arc<Slot<Calls>>> {
        let py = engine.py();
        engine.get().check_here()?;
        let function = self.payload(digest, data, name)?;
        let both = (args, py.None()).into_pyobject(py)?;
        let (pickled, lent) = lending(|| pickle::dump(both.as_any()));
        let pickled = pickled.map_err(|error| sending::unsendable_batch(args, error))?;
        let args = pickled.into_parcel()?;
        let is_large = args.len() > LARGE as u64;
        let call = Call { function, args };
        let program = Program::There(Sent { call, lent });
        let home = &engine.get().task_engine;
        let spec = spec(program, Vec::new(), Some(Arc::new(options)));
        // Writing much to a socket releases the GIL; for little, releasing costs more than writing.
        Ok(if is_large {
            gil::detach(py, || home.submit(spec))
        } else {
            home.submit(spec)
        })
    }

    fn payload(
        &self,
        digest: &Bound<'_, PyBytes>,
        data: &Bound<'_, PyBytes>,
        name: impl FnOnce() -> String,
    ) -> PyResult<Arc<Payload>> {
        let known = lock(&self.0)
            .iter()
            .find(|(known, _)| known == digest.as_bytes())
            .map(|(_, payload)| payload.clone());
        if let Some(payload) = known {
            return Ok(payload);
        }
        let code = PARALLEL.call(digest.py(), "Code", (digest, data))?;
        let payload = pickle::dump(&code)?.into_parcel()?;
        let payload = Arc::new(payload.named(name()));
        let mut programs = lock(&self.0);
        programs.truncate(REMEMBERED - 1);
        programs.insert(0, (digest.as_bytes().to_vec(), payload.clone()));
        Ok(payload)
    }

    /// Outcome of a batch whose result has arrived.
    ///
    /// # Errors
    /// Its failure.
    pub(crate) fn result<'py>(
        py: Python<'py>,
        slot: &Arc<Slot<Calls>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        if let Some(failure) = future::failure(py, slot) {
            return Err(errors::exception(py, &failure, &name(slot)));
        }
        future::result(py, slot)
    }
}
