use arrow_schema::{ArrowError, DataType};

/// An invalid batch. It is the failure of that element, and is handled by the node's policy; states are unchanged.
///
/// ```
/// use thalweg_frames::FrameError;
///
/// let error = FrameError::UnknownColumn { column: "speed".into(), known: vec!["sensor".into(), "value".into()] };
/// assert_eq!(error.to_string(), "there is no column `speed`; there are `sensor`, `value`");
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A required column is missing.
    #[error("there is no column `{column}`; there are {}", listed(.known))]
    UnknownColumn {
        /// Its name.
        column: String,
        /// The existing columns.
        known: Vec<String>,
    },
    /// The type of a column has changed.
    #[error("column `{column}` held {expected} before, and holds {found} now")]
    TypeChanged {
        /// Its name.
        column: String,
        /// Type in the first batch.
        expected: DataType,
        /// Type in this batch.
        found: DataType,
    },
    /// A function of numbers was requested for another type.
    #[error("{function} of column `{column}`: numbers are needed, and it holds {found}")]
    NotNumbers {
        /// The column's name.
        column: String,
        /// The function.
        function: &'static str,
        /// The column's type.
        found: DataType,
    },
    /// A sum of integers overflows.
    #[error("the sum of column `{column}` is more than 64 bits hold")]
    Overflow {
        /// The column's name.
        column: String,
    },
    /// The column of a window has neither numbers nor times.
    #[error("a window by column `{column}`: {wanted} is needed, and it holds {found}")]
    NoSpan {
        /// The column's name.
        column: String,
        /// The kind of values that fits the window's span.
        wanted: &'static str,
        /// The column's type.
        found: DataType,
    },
    /// The column of a window has missing values.
    #[error(
        "a window by column `{column}`: {count} rows have no value there; filter them out before"
    )]
    NullSpan {
        /// The column's name.
        column: String,
        /// Number of missing values.
        count: usize,
    },
    /// Arrow reports an error.
    #[error(transparent)]
    Arrow(#[from] ArrowError),
}

fn listed(columns: &[String]) -> String {
    let quoted: Vec<_> = columns.iter().map(|column| format!("`{column}`")).collect();
    match quoted.is_empty() {
        true => "none".to_owned(),
        false => quoted.join(", "),
    }
}
