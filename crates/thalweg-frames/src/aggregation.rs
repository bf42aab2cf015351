//! What is to be computed of a column.

/// A function of a column, and the name of its result; made by [`sum`], [`mean`] and their like.
///
/// Values that are missing (null) are left out. Of no values at all there is no sum, mean or extreme: the result is
/// null, as of Arrow's kernels and in SQL.
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
    /// With the degrees of freedom that are taken off.
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

    /// Gives the result's column a name. Without one it is the column's and the function's, as `value_mean`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Divides a variance or a deviation by the number of values less `ddof`; 1 unless it is said. Others have none.
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

/// The number of values.
pub fn count(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Count, column)
}

/// The sum: of whole numbers a whole number of 64 bits, of others a `f64`.
pub fn sum(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Sum, column)
}

/// The mean.
pub fn mean(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Mean, column)
}

/// The variance of a sample: divided by the number of values less one, unless [`ddof`](Aggregation::ddof) says so.
/// States are merged by the formulas of Chan, Golub and LeVeque (1979), so that no large sums cancel each other.
pub fn var(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Variance(1), column)
}

/// The standard deviation of a sample: the root of [`var`].
pub fn std(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Deviation(1), column)
}

/// The least value, of any type that can be sorted. Not-a-numbers are larger than all numbers, as for Arrow.
pub fn min(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Min, column)
}

/// The greatest value, of any type that can be sorted. Not-a-numbers are larger than all numbers, as for Arrow.
pub fn max(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Max, column)
}

/// The first value that is not missing.
pub fn first(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::First, column)
}

/// The last value that is not missing.
pub fn last(column: impl Into<String>) -> Aggregation {
    Aggregation::new(Function::Last, column)
}
