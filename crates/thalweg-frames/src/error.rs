use arrow_schema::{ArrowError, DataType};

/// What is wrong with a batch. It is the failure of that element, and follows the node's policy; states stay as they
/// were before.
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
    /// A column that is needed is not there.
    #[error("there is no column `{column}`; there are {}", listed(.known))]
    UnknownColumn {
        /// Its name.
        column: String,
        /// The columns that there are.
        known: Vec<String>,
    },
    /// A column holds something else than in the batches before.
    #[error("column `{column}` held {expected} before, and holds {found} now")]
    TypeChanged {
        /// Its name.
        column: String,
        /// What it held in the first batch.
        expected: DataType,
        /// What it holds now.
        found: DataType,
    },
    /// A function of numbers was asked for of something else.
    #[error("{function} of column `{column}`: numbers are needed, and it holds {found}")]
    NotNumbers {
        /// The column's name.
        column: String,
        /// What was to be done.
        function: &'static str,
        /// What the column holds.
        found: DataType,
    },
    /// A sum of whole numbers that does not fit.
    #[error("the sum of column `{column}` is more than 64 bits hold")]
    Overflow {
        /// The column's name.
        column: String,
    },
    /// The column that a window goes by holds no numbers and no times.
    #[error("a window by column `{column}`: {wanted} is needed, and it holds {found}")]
    NoSpan {
        /// The column's name.
        column: String,
        /// What fits the span that the window was given.
        wanted: &'static str,
        /// What the column holds.
        found: DataType,
    },
    /// The column that a window goes by has rows without a value.
    #[error(
        "a window by column `{column}`: {count} rows have no value there; filter them out before"
    )]
    NullSpan {
        /// The column's name.
        column: String,
        /// How many.
        count: usize,
    },
    /// Arrow could not do it.
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
