//! `Debug` for types that hold what cannot be shown: functions, futures, and elements of any type.

/// Implements `Debug` for a struct; of its fields, it shows those that are named here.
macro_rules! shows {
    ([$($generics:tt)*] $name:ident $(<$($argument:tt),*>)? { $($field:ident),* }) => {
        impl<$($generics)*> std::fmt::Debug for $name $(<$($argument),*>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name))
                    $(.field(stringify!($field), &self.$field))*
                    .finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use shows;

#[cfg(test)]
mod tests {
    struct Held<T, F> {
        size: usize,
        _element: T,
        _f: F,
    }

    shows!([T, F] Held<T, F> { size });

    #[test]
    fn unlisted_fields_are_omitted_and_need_no_debug() {
        struct Opaque;

        let held = Held {
            size: 2,
            _element: Opaque,
            _f: |_: Opaque| (),
        };
        assert_eq!(format!("{held:?}"), "Held { size: 2, .. }");
    }
}
