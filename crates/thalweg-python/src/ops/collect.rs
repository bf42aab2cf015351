use std::any::Any;

use pyo3::prelude::*;
use thalweg::Emit;
use thalweg::ops::Collector;

use super::parts::tuple;
use crate::blueprint::{Blueprint, Made, Passage};
use crate::inlet::Traverse;
use crate::node::Placement;
use crate::value::Value;

impl Traverse for Collector<Value> {
    fn traverse(&self, visit: &mut dyn FnMut(&dyn Any)) -> bool {
        self.stream().traverse(visit)
    }

    fn in_flight(&self) -> Option<usize> {
        self.stream().in_flight()
    }

    fn kept(&self) -> Option<usize> {
        self.stream().kept()
    }

    fn flush(&self) -> Option<Box<dyn FnOnce() -> Emit + Send>> {
        let collector = self.clone();
        Some(Box::new(move || collector.flush()))
    }
}

/// `collect`: keeps elements, the last `n` of them if it is given, until it is flushed.
#[pyfunction]
pub(super) fn collect(placement: Placement<'_>, n: Option<usize>) -> PyResult<()> {
    let blueprint = Blueprint::new(move |context| {
        let inlet = context.upstream.filter(|_| true);
        let collector = match n {
            Some(n) => inlet.collect_last(n),
            None => inlet.collect(),
        };
        let Made { out, .. } = Made::finished(collector.stream().clone(), context.current, tuple);
        Made {
            inlet: Box::new(inlet),
            between: Some(Box::new(collector)),
            out,
        }
    });
    placement.apply(blueprint.passage(Passage::Ends))
}
