//! Columns of numbers of any type.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrowPrimitiveType, PrimitiveArray};
use arrow_schema::{DataType, TimeUnit};

/// Type of sums of a type's numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Signed,
    Unsigned,
    Float,
}

/// Kind of a type's numbers, if it has numbers.
pub(crate) fn kind(of: &DataType) -> Option<Kind> {
    match of {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Some(Kind::Signed),
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            Some(Kind::Unsigned)
        }
        DataType::Float32 | DataType::Float64 => Some(Kind::Float),
        _ => None,
    }
}

/// Calls `f` with the index and the value of each non-missing number, as an integer.
pub(crate) fn each_integer(array: &dyn Array, f: impl FnMut(usize, i128)) {
    match array.data_type() {
        DataType::Int8 => each(array.as_primitive::<Int8Type>(), i128::from, f),
        DataType::Int16 => each(array.as_primitive::<Int16Type>(), i128::from, f),
        DataType::Int32 => each(array.as_primitive::<Int32Type>(), i128::from, f),
        DataType::Int64 => each(array.as_primitive::<Int64Type>(), i128::from, f),
        DataType::UInt8 => each(array.as_primitive::<UInt8Type>(), i128::from, f),
        DataType::UInt16 => each(array.as_primitive::<UInt16Type>(), i128::from, f),
        DataType::UInt32 => each(array.as_primitive::<UInt32Type>(), i128::from, f),
        DataType::UInt64 => each(array.as_primitive::<UInt64Type>(), i128::from, f),
        _ => {}
    }
}

/// Calls `f` with the index and the value of each non-missing number, as an `f64`.
#[expect(clippy::cast_precision_loss, reason = "means are of that precision")]
pub(crate) fn each_float(array: &dyn Array, f: impl FnMut(usize, f64)) {
    match array.data_type() {
        DataType::Int8 => each(array.as_primitive::<Int8Type>(), f64::from, f),
        DataType::Int16 => each(array.as_primitive::<Int16Type>(), f64::from, f),
        DataType::Int32 => each(array.as_primitive::<Int32Type>(), f64::from, f),
        DataType::Int64 => each(array.as_primitive::<Int64Type>(), |x| x as f64, f),
        DataType::UInt8 => each(array.as_primitive::<UInt8Type>(), f64::from, f),
        DataType::UInt16 => each(array.as_primitive::<UInt16Type>(), f64::from, f),
        DataType::UInt32 => each(array.as_primitive::<UInt32Type>(), f64::from, f),
        DataType::UInt64 => each(array.as_primitive::<UInt64Type>(), |x| x as f64, f),
        DataType::Float32 => each(array.as_primitive::<Float32Type>(), f64::from, f),
        DataType::Float64 => each(array.as_primitive::<Float64Type>(), |x| x, f),
        _ => {}
    }
}

/// Calls `f` with the index and the value of each non-missing time, in the type's own unit.
pub(crate) fn each_time(array: &dyn Array, f: impl FnMut(usize, i128)) {
    match array.data_type() {
        DataType::Date32 => each(array.as_primitive::<Date32Type>(), i128::from, f),
        DataType::Date64 => each(array.as_primitive::<Date64Type>(), i128::from, f),
        DataType::Timestamp(TimeUnit::Second, _) => {
            each(array.as_primitive::<TimestampSecondType>(), i128::from, f);
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            each(
                array.as_primitive::<TimestampMillisecondType>(),
                i128::from,
                f,
            );
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            each(
                array.as_primitive::<TimestampMicrosecondType>(),
                i128::from,
                f,
            );
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            each(
                array.as_primitive::<TimestampNanosecondType>(),
                i128::from,
                f,
            );
        }
        _ => {}
    }
}

/// Nanoseconds per unit of a type of times.
pub(crate) fn unit(of: &DataType) -> Option<u128> {
    match of {
        DataType::Date32 => Some(86_400_000_000_000),
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Some(1_000_000),
        DataType::Timestamp(TimeUnit::Second, _) => Some(1_000_000_000),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(1_000),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(1),
        _ => None,
    }
}

fn each<T: ArrowPrimitiveType, N>(
    array: &PrimitiveArray<T>,
    convert: impl Fn(T::Native) -> N,
    mut f: impl FnMut(usize, N),
) {
    if array.null_count() == 0 {
        for (place, &x) in array.values().iter().enumerate() {
            f(place, convert(x));
        }
        return;
    }
    for (place, x) in array.iter().enumerate() {
        if let Some(x) = x {
            f(place, convert(x));
        }
    }
}
