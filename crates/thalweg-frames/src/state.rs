//! The state of all aggregations of some rows, by group, and merging.

use std::hash::{Hash, Hasher};

use arrow_array::{ArrayRef, RecordBatch};
use arrow_row::{OwnedRow, Row};
use indexmap::{Equivalent, IndexSet};

use crate::column::Column;
use crate::error::FrameError;
use crate::plan::Plan;

/// States of all columns, for the groups of some rows.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// The groups' keys; without keys there is one group, whose key is not stored.
    keys: IndexSet<OwnedRow>,
    columns: Vec<Column>,
}

impl State {
    /// Creates the state of no rows.
    pub(crate) fn empty(plan: &Plan) -> Self {
        let mut columns: Vec<_> = plan.computed.iter().map(|each| each.empty()).collect();
        if plan.rows.is_none() {
            columns.iter_mut().for_each(|column| column.grow(1));
        }
        Self {
            keys: IndexSet::new(),
            columns,
        }
    }

    /// Computes the state of a batch's rows.
    pub(crate) fn of(plan: &Plan, batch: &RecordBatch) -> Result<Self, FrameError> {
        let mut state = Self::empty(plan);
        let keys = plan.key_columns(batch)?;
        let groups = match &plan.rows {
            None => vec![0; batch.num_rows()],
            Some(converter) => {
                let rows = converter.convert_columns(&keys)?;
                rows.iter().map(|row| state.group(row)).collect()
            }
        };
        let count = state.count(plan);
        for (column, computed) in state.columns.iter_mut().zip(&plan.computed) {
            column.grow(count);
            let array = computed.column(batch)?;
            column.add(&array, &groups, computed.function, computed.rows.as_ref())?;
        }
        Ok(state)
    }

    /// Merges the state of later rows.
    pub(crate) fn merge(&mut self, plan: &Plan, other: &Self) {
        let numbers: Vec<_> = match plan.rows {
            None => vec![0],
            Some(_) => other.keys.iter().map(|key| self.group(key.row())).collect(),
        };
        let count = self.count(plan);
        let columns = self.columns.iter_mut().zip(&other.columns);
        for ((mine, theirs), computed) in columns.zip(&plan.computed) {
            mine.grow(count);
            mine.merge(theirs, &numbers, computed.function);
        }
    }

    /// Merges the state of later rows, unless a sum overflows.
    ///
    /// # Errors
    /// A sum overflows; then nothing has been merged.
    pub(crate) fn try_merge(&mut self, plan: &Plan, other: &Self) -> Result<(), FrameError> {
        let known: Vec<_> = match plan.rows {
            None => vec![Some(0)],
            Some(_) => other.keys.iter().map(|key| self.find(key.row())).collect(),
        };
        let columns = self.columns.iter().zip(&other.columns);
        for ((mine, theirs), computed) in columns.zip(&plan.computed) {
            if computed
                .kind
                .is_some_and(|kind| mine.would_overflow(theirs, &known, kind))
            {
                return Err(computed.overflow());
            }
        }
        self.merge(plan, other);
        Ok(())
    }

    /// Creates a batch with a row per group, sorted by key.
    ///
    /// # Errors
    /// A sum overflows.
    pub(crate) fn finish(&self, plan: &Plan) -> Result<RecordBatch, FrameError> {
        let mut order: Vec<u32> = (0..self.count(plan))
            .filter_map(|group| u32::try_from(group).ok())
            .collect();
        order.sort_unstable_by(|&a, &b| {
            self.keys
                .get_index(a as usize)
                .cmp(&self.keys.get_index(b as usize))
        });
        let mut arrays: Vec<ArrayRef> = match &plan.rows {
            None => Vec::new(),
            Some(converter) => converter
                .convert_rows(order.iter().map(|&group| self.keys[group as usize].row()))?,
        };
        for (column, computed) in self.columns.iter().zip(&plan.computed) {
            arrays.push(column.finish(computed, &order)?);
        }
        Ok(RecordBatch::try_new(plan.schema.clone(), arrays)?)
    }

    fn count(&self, plan: &Plan) -> usize {
        plan.rows.as_ref().map_or(1, |_| self.keys.len())
    }

    fn find(&self, key: Row<'_>) -> Option<u32> {
        let found = self.keys.get_index_of(&Sought(key))?;
        u32::try_from(found).ok()
    }

    fn group(&mut self, key: Row<'_>) -> u32 {
        let found = match self.keys.get_index_of(&Sought(key)) {
            Some(found) => found,
            None => self.keys.insert_full(key.owned()).0,
        };
        u32::try_from(found).expect("there is no memory for so many groups")
    }
}

/// A key for lookups, without a copy.
struct Sought<'a>(Row<'a>);

impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<OwnedRow> for Sought<'_> {
    fn equivalent(&self, key: &OwnedRow) -> bool {
        self.0 == key.row()
    }
}
