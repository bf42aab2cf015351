//! The side of the worker: calls of functions of this program.

use super::Remote;
use super::args::Written;
use super::task_types::WORKER_ARGUMENT;
use crate::process::worker::{Host, Made, serve};
use crate::process::{LARGE, Payload};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A registered function.
#[derive(Debug)]
pub struct Registered {
    /// The name.
    pub name: &'static str,
    /// Calls it with serialized arguments.
    pub run: Run,
}

type Run = fn(&[u8], Vec<Arc<Vec<u8>>>) -> Result<Vec<u8>, String>;

inventory::collect!(Registered);

/// Calls a function with serialized arguments.
#[doc(hidden)]
pub fn run<F: Remote>(args: &[u8], inputs: Vec<Arc<Vec<u8>>>) -> Result<Vec<u8>, String> {
    let wrong =
        |error: postcard::Error| format!("{}: its arguments cannot be read: {error}", F::NAME);
    let written: Vec<Written> = postcard::from_bytes(args).map_err(wrong)?;
    let mut inputs = inputs.into_iter();
    // A tuple is serialized as its elements one after the other, so it is deserialized that way.
    let mut tuple = Vec::new();
    for argument in written {
        match argument {
            Written::Here(bytes) => tuple.extend(bytes),
            Written::Needed => tuple.extend(inputs.next().iter().flat_map(|bytes| bytes.iter())),
        }
    }
    // Reading, writing and dropping values may panic as well.
    catch_unwind(AssertUnwindSafe(|| {
        let params = postcard::from_bytes(&tuple).map_err(wrong)?;
        let output = F::call(params);
        postcard::to_allocvec(&output)
            .map_err(|error| format!("{}: its result cannot be written: {error}", F::NAME))
    }))
    .unwrap_or_else(|payload| Err(crate::panics::panic_message(payload)))
}

/// Runs functions of this program.
struct Program;

impl Host for Program {
    type Function = &'static Registered;
    type Value = Arc<Vec<u8>>;

    fn load(&self, code: &Payload) -> Result<&'static Registered, Payload> {
        let name = code.bytes().map_err(failure)?;
        let known = inventory::iter::<Registered>;
        known
            .into_iter()
            .find(|function| function.name.as_bytes() == &*name)
            .ok_or_else(|| {
                failure(format!(
                    "this program has no remote function {}",
                    String::from_utf8_lossy(&name)
                ))
            })
    }

    fn unpack(&self, payload: &Payload) -> Result<Arc<Vec<u8>>, Payload> {
        Ok(Arc::new(payload.bytes().map_err(failure)?.into_owned()))
    }

    fn pack(&self, value: &Arc<Vec<u8>>) -> Result<Payload, Payload> {
        Payload::of_pieces(&[value]).map_err(failure)
    }

    fn not_received(&self, reason: &str) -> Payload {
        failure(reason)
    }

    fn call(
        &self,
        function: &&'static Registered,
        args: &Payload,
        inputs: Vec<Arc<Vec<u8>>>,
    ) -> Result<Made<Arc<Vec<u8>>>, Payload> {
        let args = args.bytes().map_err(failure)?;
        let output = (function.run)(&args, inputs).map_err(failure)?;
        if output.len() > LARGE {
            return Ok(Made::Large(Arc::new(output)));
        }
        Ok(Made::Small(Payload::small(output)))
    }
}

fn failure(message: impl ToString) -> Payload {
    Payload::small(message.to_string().into_bytes())
}

/// Serves as a worker until the parent process ends, in a process started as one; otherwise does nothing.
///
/// In a worker process it does not return.
///
/// A program that starts [`Processes`](super::Processes) calls it first in its `main`, since worker processes run the
/// same program.
///
/// ```
/// thalweg_tasks::init_worker();
/// // This is no worker process.
/// ```
pub fn init_worker() {
    if std::env::args_os()
        .nth(1)
        .is_some_and(|arg| arg == WORKER_ARGUMENT)
    {
        let status = match serve(Program) {
            Ok(()) => 0,
            Err(error) => {
                eprintln!("thalweg: this is not a worker process: {error}");
                2
            }
        };
        std::process::exit(status);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Unwritable;

    impl serde::Serialize for Unwritable {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("not today")
        }
    }

    impl<'de> serde::Deserialize<'de> for Unwritable {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            panic!("nor tomorrow")
        }
    }

    crate::remote! {
        fn unwritable() -> Unwritable {
            Unwritable
        }

        fn unreadable(_x: Unwritable) -> u64 {
            1
        }
    }

    #[test]
    fn panics_while_values_are_written_and_read_are_failures() {
        let none = postcard::to_allocvec(&Vec::<Written>::new()).expect("it can be written");
        assert_eq!(
            run::<unwritable>(&none, Vec::new()),
            Err("not today".into())
        );
        assert_eq!(
            run::<unreadable>(&none, Vec::new()),
            Err("nor tomorrow".into())
        );
    }
}
