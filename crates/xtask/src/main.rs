//! The project's chores: `cargo xtask test`, `demo`, `bench`, `docs`.

fn main() {}
