//! Arguments of remote functions: values, or futures of values.

use super::task_types::Remotes;
use crate::client::Future;
use crate::scheduler::Dependencies;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A serialized argument.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Written {
    Here(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The next of the results that the task needs.
    Needed,
}

/// An argument of type `T`: a value, or a future of one.
pub trait Argument<T> {
    #[doc(hidden)]
    fn write(&self, written: &mut Writing) -> postcard::Result<()>;
}

/// Arguments of a call under construction.
#[doc(hidden)]
#[derive(Default)]
pub struct Writing {
    pub(super) written: Vec<Written>,
    pub(super) dependencies: Dependencies<Remotes>,
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writing").finish_non_exhaustive()
    }
}

impl<T: Serialize> Argument<T> for T {
    fn write(&self, writing: &mut Writing) -> postcard::Result<()> {
        writing
            .written
            .push(Written::Here(postcard::to_allocvec(self)?));
        Ok(())
    }
}

impl<T> Argument<T> for &Future<T, Remotes> {
    fn write(&self, writing: &mut Writing) -> postcard::Result<()> {
        writing.written.push(Written::Needed);
        writing.dependencies.push(self.slot().clone());
        Ok(())
    }
}

/// The arguments of a function that takes `P`, a tuple.
pub trait Arguments<P> {
    #[doc(hidden)]
    fn write(&self, writing: &mut Writing) -> postcard::Result<()>;
}

macro_rules! tuples {
    ($(($($name:ident: $type:ident),*);)*) => {$(
        impl<$($name: Argument<$type>, $type),*> Arguments<($($type,)*)> for ($($name,)*) {
            #[allow(non_snake_case, unused_variables, reason = "the names of types serve as those of the values")]
            fn write(&self, writing: &mut Writing) -> postcard::Result<()> {
                let ($($name,)*) = self;
                $($name.write(writing)?;)*
                Ok(())
            }
        }
    )*};
}

tuples! {
    ();
    (A: P);
    (A: P, B: Q);
    (A: P, B: Q, C: R);
    (A: P, B: Q, C: R, D: S);
    (A: P, B: Q, C: R, D: S, E: T);
    (A: P, B: Q, C: R, D: S, E: T, F: U);
}
