use std::fmt;

/// The value of a position: text, or an integer such as an offset, which costs no allocation.
///
/// ```
/// use thalweg_io::position::PositionValue;
///
/// assert_eq!(PositionValue::from(17_u64).to_string(), PositionValue::from("17").to_string());
/// ```
#[derive(Clone, Debug)]
pub struct PositionValue(Value);

#[derive(Clone, Debug)]
enum Value {
    Text(String),
    Number(i64),
}

impl PositionValue {
    /// The number that it is, or that its text is.
    #[cfg(feature = "kafka")]
    pub(crate) fn number(&self) -> Option<i64> {
        match &self.0 {
            Value::Text(text) => text.parse().ok(),
            Value::Number(number) => Some(*number),
        }
    }
}

impl fmt::Display for PositionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Value::Text(text) => text.fmt(f),
            Value::Number(number) => number.fmt(f),
        }
    }
}

impl From<String> for PositionValue {
    fn from(text: String) -> Self {
        Self(Value::Text(text))
    }
}

impl From<&str> for PositionValue {
    fn from(text: &str) -> Self {
        Self(Value::Text(text.to_string()))
    }
}

impl From<i64> for PositionValue {
    fn from(number: i64) -> Self {
        Self(Value::Number(number))
    }
}

/// Numbers that an `i64` cannot hold are kept as text.
impl From<u64> for PositionValue {
    fn from(number: u64) -> Self {
        match i64::try_from(number) {
            Ok(number) => number.into(),
            Err(_) => number.to_string().into(),
        }
    }
}
