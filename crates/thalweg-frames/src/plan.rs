//! Resolved aggregations, once the columns' types are known.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_row::{RowConverter, SortField};
use arrow_schema::{DataType, Field, Schema, SchemaRef};

use crate::aggregation::{Aggregation, Function};
use crate::column::Column;
use crate::error::FrameError;
use crate::numbers::{self, Kind};

/// Keys and aggregations, with the types of the first batch.
pub(crate) struct Plan {
    pub(crate) keys: Vec<Key>,
    /// Converter of keys to rows; none without keys.
    pub(crate) rows: Option<RowConverter>,
    pub(crate) computed: Vec<Computed>,
    /// Schema of results.
    pub(crate) schema: SchemaRef,
}

/// A key column.
pub(crate) struct Key {
    name: String,
    holds: DataType,
}

/// An aggregation of a column.
pub(crate) struct Computed {
    pub(crate) function: Function,
    pub(crate) column: String,
    pub(crate) kind: Option<Kind>,
    /// Converter of values to rows, for functions that compare and return values.
    pub(crate) rows: Option<RowConverter>,
    holds: DataType,
}

impl Plan {
    /// Resolves aggregations for batches like this one.
    pub(crate) fn of(
        keys: &[String],
        aggregations: &[Aggregation],
        batch: &RecordBatch,
    ) -> Result<Self, FrameError> {
        let schema = batch.schema();
        let mut fields = Vec::new();
        let keys = keys.iter().map(|name| {
            let holds = column(batch, name)?.data_type().clone();
            fields.push(Field::new(name, holds.clone(), true));
            Ok(Key {
                name: name.clone(),
                holds,
            })
        });
        let keys = keys.collect::<Result<Vec<_>, FrameError>>()?;
        let rows = (!keys.is_empty())
            .then(|| {
                let sorted = keys.iter().map(|key| SortField::new(key.holds.clone()));
                RowConverter::new(sorted.collect())
            })
            .transpose()?;
        let mut computed = Vec::new();
        for aggregation in aggregations {
            let holds = column(batch, &aggregation.column)?.data_type().clone();
            let one = Computed::of(aggregation, holds)?;
            fields.push(Field::new(aggregation.name(), one.result(), true));
            computed.push(one);
        }
        let metadata = schema.metadata().clone();
        Ok(Self {
            keys,
            rows,
            computed,
            schema: Arc::new(Schema::new_with_metadata(fields, metadata)),
        })
    }

    /// The key columns of a batch.
    pub(crate) fn key_columns(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, FrameError> {
        let keys = self.keys.iter();
        keys.map(|key| checked(batch, &key.name, &key.holds))
            .collect()
    }
}

impl Computed {
    fn of(aggregation: &Aggregation, holds: DataType) -> Result<Self, FrameError> {
        let function = aggregation.function;
        let kind = numbers::kind(&holds);
        let rows = match function {
            Function::Count => None,
            Function::Min | Function::Max | Function::First | Function::Last => {
                Some(RowConverter::new(vec![SortField::new(holds.clone())])?)
            }
            _ if kind.is_some() => None,
            _ => {
                return Err(FrameError::NotNumbers {
                    column: aggregation.column.clone(),
                    function: function.name(),
                    found: holds,
                });
            }
        };
        Ok(Self {
            function,
            column: aggregation.column.clone(),
            kind,
            rows,
            holds,
        })
    }

    /// The aggregated column of a batch.
    pub(crate) fn column(&self, batch: &RecordBatch) -> Result<ArrayRef, FrameError> {
        checked(batch, &self.column, &self.holds)
    }

    /// The error of a sum that overflows.
    pub(crate) fn overflow(&self) -> FrameError {
        FrameError::Overflow {
            column: self.column.clone(),
        }
    }

    /// Creates a state without groups.
    pub(crate) fn empty(&self) -> Column {
        Column::new(self.function, self.kind)
    }

    fn result(&self) -> DataType {
        match (self.function, self.kind) {
            (Function::Count, _) | (Function::Sum, Some(Kind::Signed)) => DataType::Int64,
            (Function::Sum, Some(Kind::Unsigned)) => DataType::UInt64,
            (Function::Min | Function::Max | Function::First | Function::Last, _) => {
                match &self.holds {
                    // Rows contain the values themselves.
                    DataType::Dictionary(_, values) => (**values).clone(),
                    other => other.clone(),
                }
            }
            _ => DataType::Float64,
        }
    }
}

/// A column of a batch.
pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, FrameError> {
    batch
        .column_by_name(name)
        .ok_or_else(|| FrameError::UnknownColumn {
            column: name.to_owned(),
            known: batch
                .schema()
                .fields()
                .iter()
                .map(|field| field.name().clone())
                .collect(),
        })
}

fn checked(batch: &RecordBatch, name: &str, expected: &DataType) -> Result<ArrayRef, FrameError> {
    let found = column(batch, name)?;
    if found.data_type() != expected {
        return Err(FrameError::TypeChanged {
            column: name.to_owned(),
            expected: expected.clone(),
            found: found.data_type().clone(),
        });
    }
    Ok(found.clone())
}
