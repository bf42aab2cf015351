//! Aggregations of a column.

/// A function of a column, and the name of its result; created by [`sum`], [`mean`] and others.
///
/// Missing values (null) are ignored. Without values, sum, mean and extremes are null, as in Arrow's kernels and in
/// SQL.
///
/// ```
/// use thalweg_frames::{count, mean};
///
/// assert_eq!(mean("value").name(), "value_mean");
/// assert_eq!(count("value").named("readings").name(), "readings");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Aggregation {
    pub(crate) function: Function,
    pub(crate) column: String,
    name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Function {
    Count,
    Sum,
    Mean,
    /// With the degrees of freedom to subtract.
    Variance(u32),
    Deviation(u32),
    Min,
    Max,
    First,
    Last,
}

impl Function {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Variance(_) => "var",
            Self::Deviation(_) => "std",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
        }
    }
}

impl Aggregation {
    fn new(function: Function, column: impl Into<String>) -> Self {
        Self {
            function,
            column: column.into(),
            name: None,
        }
    }

    /// Names the result's column. The default is the column's name and the function's, as in `value_mean`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Divides a variance or a standard deviation by the number of values minus `ddof`; 1 by default. Ignored by other
    /// functions.
    ///
    /// ```
    /// use thalweg_frames::var;
    ///
    /// assert_ne!(var("value").ddof(0), var("value"));
    /// ```
    #[must_use]
    pub fn ddof(mut self, ddof: u32) -> Self {
        self.function = match self.function {
            Function::Variance(_) => Function::Variance(ddof),
            Function::Deviation(_) => Function::Deviation(ddof),
            other => other,
        };
        self
    }

    /// The name of the result's column.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.name {
            Some(name) => name.clone(),
            None => format!("{}_{}", self.column, self.function.name()),
        }
    }
}

/// Number of values.
pub fn count(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Count, column)
}

/// Sum: a 64-bit integer for integers, otherwise an `f64`.
pub fn sum(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Sum, column)
}

/// Mean.
pub fn mean(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Mean, column)
}

/// Sample variance: divided by the number of values minus one, or minus [`ddof`](Aggregation::ddof). States are merged
/// by the formulas of Chan, Golub and LeVeque (1979), which avoid cancellation of large sums.
pub fn var(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Variance(1), column)
}

/// Sample standard deviation: the square root of [`var`].
pub fn std(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Deviation(1), column)
}

/// Minimum, for any sortable type. NaN is greater than all numbers, as in Arrow.
pub fn min(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Min, column)
}

/// Maximum, for any sortable type. NaN is greater than all numbers, as in Arrow.
pub fn max(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Max, column)
}

/// First non-missing value.
pub fn first(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::First, column)
}

/// Last non-missing value.
pub fn last(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Last, column)
}
