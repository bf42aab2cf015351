//! Nodes with several upstreams.
//!
//! | operator | sends |
//! |---|---|
//! | [`union`] | every element of every upstream |
//! | [`zip`] | the first elements together, the second elements together … |
//! | [`combine_latest`] | the latest of each, whenever one changes |
//! | [`zip_latest`] | each element of one upstream with the latest of the others |
//!
//! An [`OpenJoin`](crate::OpenJoin) is a join whose inlets may be added and removed.

mod combine_latest;
mod inputs;
mod lane;
mod open_lanes;
mod union;
mod zip;
mod zip_latest;

pub use combine_latest::{CombineLatest, combine_latest, combine_latest_on};
pub use inputs::{Input, Inputs, Literal, literal};
pub use lane::{Item1, Item2, Item3, Item4, Item5, Item6, Item7, Item8, Lane, Lanes};
pub use open_lanes::OpenLanes;
pub use union::union;
pub use zip::{Zip, zip, zip_bounded};
pub use zip_latest::{ZipLatest, zip_latest};
