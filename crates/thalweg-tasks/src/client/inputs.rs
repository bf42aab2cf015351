//! Futures as arguments.

use super::{Closures, Future};
use crate::scheduler::Dependencies;

/// Futures whose results a task needs: one, a tuple, or a list of them.
///
/// The task receives clones; put large values into an [`Arc`](std::sync::Arc).
pub trait Inputs {
    /// Type of the task's argument.
    type Values: Send + 'static;

    #[doc(hidden)]
    fn dependencies(&self, dependencies: &mut Dependencies<Closures>);

    #[doc(hidden)]
    fn values(&self) -> fn(&mut dyn Iterator<Item = super::closure::Value>) -> Self::Values;
}

type Values<'a> = &'a mut dyn Iterator<Item = super::closure::Value>;

fn one<T: Clone + Send + Sync + 'static>(values: Values<'_>) -> T {
    let value = values.next().expect("there is a value for each input");
    T::clone(super::future::downcast(&value))
}

fn many<T: Clone + Send + Sync + 'static>(values: Values<'_>) -> Vec<T> {
    values
        .map(|value| T::clone(super::future::downcast(&value)))
        .collect()
}

impl<T: Clone + Send + Sync + 'static> Inputs for &Future<T> {
    type Values = T;

    fn dependencies(&self, dependencies: &mut Dependencies<Closures>) {
        dependencies.push(self.slot().clone());
    }

    fn values(&self) -> fn(Values<'_>) -> T {
        one
    }
}

macro_rules! lists {
    ($([$($generics:tt)*] $list:ty;)*) => {$(
        impl<T: Clone + Send + Sync + 'static $($generics)*> Inputs for $list {
            type Values = Vec<T>;

            fn dependencies(&self, dependencies: &mut Dependencies<Closures>) {
                dependencies.extend(self.iter().map(|future| future.slot().clone()));
            }

            fn values(&self) -> fn(Values<'_>) -> Vec<T> {
                many
            }
        }
    )*};
}

lists! {
    [] &[Future<T>];
    [] &Vec<Future<T>>;
    [] Vec<Future<T>>;
    [, const N: usize] [Future<T>; N];
    [, const N: usize] &[Future<T>; N];
}

macro_rules! tuples {
    ($(($($name:ident),+);)*) => {$(
        impl<$($name: Clone + Send + Sync + 'static),+> Inputs for ($(&Future<$name>,)+) {
            type Values = ($($name,)+);

            #[expect(non_snake_case, reason = "the names of types serve as those of the values")]
            fn dependencies(&self, dependencies: &mut Dependencies<Closures>) {
                let ($($name,)+) = self;
                $(dependencies.push($name.slot().clone());)+
            }

            fn values(&self) -> fn(Values<'_>) -> Self::Values {
                |values| ($(one::<$name>(values),)+)
            }
        }
    )*};
}

tuples! {
    (A);
    (A, B);
    (A, B, C);
    (A, B, C, D);
    (A, B, C, D, E);
    (A, B, C, D, E, F);
}
