//! Functions that run in worker processes, which run this program.

mod args;
mod client;
mod serving;
mod task_types;

pub use args::{Argument, Arguments};
pub use client::{Processes, ProcessesBuilder};
pub use serving::{Registered, init_worker};
pub use task_types::Remotes;

#[doc(hidden)]
pub use inventory;
#[doc(hidden)]
pub use serving::run;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A function known to worker processes, created by [`remote!`](crate::remote!).
pub trait Remote: 'static {
    /// Its arguments, as a tuple.
    type Params: DeserializeOwned;
    /// Its return type.
    type Output: Serialize + DeserializeOwned;
    /// The name by which worker processes find it.
    const NAME: &'static str;
    /// Calls it here.
    fn call(params: Self::Params) -> Self::Output;
}

/// Registers functions for worker processes.
///
/// They can still be called directly. Arguments and results are serialized by serde. The program's `main` must call
/// [`init_worker`](crate::init_worker) first.
///
/// ```no_run
/// use thalweg_tasks::{Error, Processes, remote, init_worker};
///
/// remote! {
///     /// The greatest common divisor.
///     pub fn divisor(a: u64, b: u64) -> u64 {
///         if b == 0 { a } else { divisor(b, a % b) }
///     }
/// }
///
/// fn main() -> Result<(), Error> {
///     init_worker();
///     let client = Processes::start(2)?;
///     let six = client.submit::<divisor>((18, 12));
///     let three = client.submit::<divisor>((&six, 9));
///     assert_eq!(three.result()?, 3);
///     Ok(())
/// }
/// ```
#[macro_export]
macro_rules! remote {
    ($(
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident($($param:ident: $type:ty),* $(,)?) $(-> $output:ty)? $body:block
    )*) => {$(
        $(#[$attribute])*
        $visibility fn $name($($param: $type),*) $(-> $output)? $body

        #[doc = concat!("Names the function [`", stringify!($name), "`](fn@", stringify!($name), ").")]
        #[allow(non_camel_case_types, clippy::empty_enums)]
        $visibility enum $name {}

        impl $crate::Remote for $name {
            type Params = ($($type,)*);
            type Output = $crate::remote!(@output $($output)?);
            const NAME: &'static str = concat!(module_path!(), "::", stringify!($name));

            fn call(($($param,)*): Self::Params) -> Self::Output {
                $name($($param),*)
            }
        }

        $crate::remotes::inventory::submit! {
            $crate::remotes::Registered {
                name: <$name as $crate::Remote>::NAME,
                run: $crate::remotes::run::<$name>,
            }
        }
    )*};
    (@output) => { () };
    (@output $output:ty) => { $output };
}
