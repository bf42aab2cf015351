//! The node that computes aggregations.

use arrow_array::RecordBatch;
use thalweg::{OperatorError, Transform};

use crate::aggregation::Aggregation;
use crate::error::FrameError;
use crate::plan::Plan;
use crate::state::State;
use crate::window::{Bound, Rows};

/// Emits, for each batch, the aggregations of all rows so far, or of those in a window.
pub(crate) struct Aggregate {
    keys: Vec<String>,
    aggregations: Vec<Aggregation>,
    bound: Bound,
    begun: Option<Begun>,
}

/// State after the first batch, when the types of columns are known.
struct Begun {
    plan: Plan,
    kept: Kept,
}

enum Kept {
    All(State),
    Window(Rows),
}

impl Aggregate {
    pub(crate) fn new(keys: Vec<String>, aggregations: Vec<Aggregation>, bound: Bound) -> Self {
        Self {
            keys,
            aggregations,
            bound,
            begun: None,
        }
    }

    fn push(&mut self, batch: &RecordBatch) -> Result<RecordBatch, FrameError> {
        let mut new = None;
        let begun = match &mut self.begun {
            Some(begun) => begun,
            None => {
                let plan = Plan::of(&self.keys, &self.aggregations, batch)?;
                let kept = match &self.bound {
                    Bound::Everything => Kept::All(State::empty(&plan)),
                    Bound::Rows(_) | Bound::Span(..) => Kept::Window(Rows::new()),
                };
                new.insert(Begun { plan, kept })
            }
        };
        let result = match &mut begun.kept {
            Kept::All(state) => {
                state.try_merge(&begun.plan, &State::of(&begun.plan, batch)?)?;
                state.finish(&begun.plan)?
            }
            Kept::Window(rows) => rows
                .push(&begun.plan, &self.bound, batch)?
                .finish(&begun.plan)?,
        };
        if new.is_some() {
            // An invalid first batch says nothing about later ones.
            self.begun = new;
        }
        Ok(result)
    }
}

impl Transform for Aggregate {
    type In = RecordBatch;
    type Out = RecordBatch;
    const KIND: &'static str = "aggregate";
    const CLOSES: bool = false;

    fn apply(
        &mut self,
        batch: RecordBatch,
    ) -> Result<Option<RecordBatch>, OperatorError<RecordBatch>> {
        match self.push(&batch) {
            Ok(result) => Ok(Some(result)),
            Err(error) => Err(OperatorError::new(batch, error)),
        }
    }

    fn label(&self) -> Option<String> {
        let names: Vec<_> = self.aggregations.iter().map(Aggregation::name).collect();
        Some(names.join(", "))
    }
}
