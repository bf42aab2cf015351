use std::sync::Arc;

/// A value in a database.
///
/// ```
/// use thalweg_io::sql::SqlValue;
///
/// assert_eq!(SqlValue::from("text"), SqlValue::Text("text".to_string()));
/// assert_eq!(SqlValue::from(None::<i64>), SqlValue::Null);
/// assert_eq!(SqlValue::from(true), SqlValue::Boolean(true));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// A boolean. SQLite stores 1 or 0.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

/// A row: values, and the names of the columns, which the rows of a table share.
///
/// ```
/// use thalweg_io::sql::{SqlRow, SqlValue};
///
/// let row = SqlRow::new(["id", "celsius"], [SqlValue::from(7), SqlValue::from(20.5)]);
/// assert_eq!(row.get("celsius"), Some(&SqlValue::Real(20.5)));
/// assert_eq!(row.get("id").and_then(SqlValue::as_i64), Some(7));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct SqlRow {
    pub(crate) columns: Columns,
    pub(crate) values: Vec<SqlValue>,
}

/// Names of columns.
pub(crate) type Columns = Arc<[String]>;

impl SqlRow {
    /// Creates a row with as many values as columns.
    pub fn new<const N: usize>(columns: [impl Into<String>; N], values: [SqlValue; N]) -> Self {
        Self {
            columns: columns.map(Into::into).into(),
            values: values.into(),
        }
    }

    pub(crate) fn with(columns: Columns, values: Vec<SqlValue>) -> Self {
        Self { columns, values }
    }

    /// Creates a row with columns shared with other rows.
    ///
    /// # Panics
    /// The numbers of values and columns differ.
    pub fn of(columns: Arc<[String]>, values: Vec<SqlValue>) -> Self {
        assert_eq!(columns.len(), values.len(), "a value for each column");
        Self { columns, values }
    }

    /// The value of a column; `None` if there is no such column.
    pub fn get(&self, column: &str) -> Option<&SqlValue> {
        self.iter()
            .find_map(|(name, value)| (name == column).then_some(value))
    }

    /// The columns with their values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SqlValue)> {
        self.columns.iter().map(String::as_str).zip(&self.values)
    }
}

impl SqlValue {
    /// The integer, if it is one; 1 or 0 for a boolean.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Integer(x) => Some(*x),
            Self::Boolean(x) => Some((*x).into()),
            _ => None,
        }
    }

    /// The boolean, if it is a boolean or an integer.
    pub fn as_bool(&self) -> Option<bool> {
        self.as_i64().map(|x| x != 0)
    }

    /// The number, if it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Integer(x) => Some(*x as f64),
            Self::Real(x) => Some(*x),
            _ => None,
        }
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value, as the position of a source stores it.
    pub(super) fn to_position(&self) -> Option<String> {
        match self {
            Self::Integer(x) => Some(format!("i{x}")),
            Self::Real(x) => Some(format!("r{x:?}")),
            Self::Text(text) => Some(format!("t{text}")),
            Self::Null | Self::Boolean(_) | Self::Blob(_) => None,
        }
    }

    pub(super) fn from_position(text: &str) -> Option<Self> {
        let kind = text.chars().next()?;
        let rest = &text[kind.len_utf8()..];
        match kind {
            'i' => rest.parse().ok().map(Self::Integer),
            'r' => rest.parse().ok().map(Self::Real),
            't' => Some(Self::Text(rest.to_string())),
            _ => None,
        }
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for SqlValue {
            fn from(x: $number) -> Self {
                Self::Integer(x.into())
            }
        }
    )*};
}

whole_numbers!(i8, i16, i32, i64, u8, u16, u32);

impl From<bool> for SqlValue {
    fn from(x: bool) -> Self {
        Self::Boolean(x)
    }
}

impl From<f64> for SqlValue {
    fn from(x: f64) -> Self {
        Self::Real(x)
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_string())
    }
}

impl From<String> for SqlValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for SqlValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Blob(bytes)
    }
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
