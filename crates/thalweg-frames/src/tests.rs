use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, TimestampMillisecondArray, UInt8Array, UInt64Array, cast::AsArray, record_batch,
};
use arrow_schema::DataType;
use proptest::prelude::*;
use thalweg::Stream;

use crate::{FrameError, Frames, Window, count, first, last, max, mean, min, std, sum, var};

/// A row of the model.
#[derive(Clone, Debug)]
struct Row {
    key: Option<u8>,
    time: i64,
    whole: Option<i32>,
    real: Option<f64>,
}

fn row() -> impl Strategy<Value = Row> {
    let real = prop::option::weighted(0.8, (-1000..1000).prop_map(|x| f64::from(x) / 8.0));
    let key = prop::option::weighted(0.9, 0u8..4);
    (key, 0i64..40, prop::option::weighted(0.8, -100..100), real).prop_map(
        |(key, time, whole, real)| Row {
            key,
            time,
            whole,
            real,
        },
    )
}

fn batch(rows: &[Row]) -> RecordBatch {
    let columns: Vec<(&str, ArrayRef)> = vec![
        (
            "key",
            Arc::new(rows.iter().map(|row| row.key).collect::<UInt8Array>()),
        ),
        (
            "time",
            Arc::new(
                rows.iter()
                    .map(|row| Some(row.time))
                    .collect::<Int64Array>(),
            ),
        ),
        (
            "whole",
            Arc::new(rows.iter().map(|row| row.whole).collect::<Int32Array>()),
        ),
        (
            "real",
            Arc::new(rows.iter().map(|row| row.real).collect::<Float64Array>()),
        ),
    ];
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .expect("columns are of one length")
}

/// Aggregations of some rows, by a plain loop.
#[derive(Debug)]
struct Expected {
    count: i64,
    sum: Option<i64>,
    mean: Option<f64>,
    std: Option<f64>,
    min: Option<i32>,
    max: Option<f64>,
    first: Option<i32>,
    last: Option<f64>,
}

fn expected(rows: &[&Row]) -> Expected {
    let wholes: Vec<i32> = rows.iter().filter_map(|row| row.whole).collect();
    let reals: Vec<f64> = rows.iter().filter_map(|row| row.real).collect();
    let n = reals.len() as f64;
    let mean = (!reals.is_empty()).then(|| reals.iter().sum::<f64>() / n);
    let squares = |mean: f64| reals.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    Expected {
        count: wholes.len() as i64,
        sum: (!wholes.is_empty()).then(|| wholes.iter().map(|&x| i64::from(x)).sum()),
        mean,
        std: mean
            .filter(|_| n > 1.0)
            .map(|mean| (squares(mean) / (n - 1.0)).sqrt()),
        min: wholes.iter().copied().min(),
        max: reals.iter().copied().reduce(f64::max),
        first: wholes.first().copied(),
        last: reals.last().copied(),
    }
}

fn check(rows: &[&Row], result: &RecordBatch, place: usize) -> Result<(), TestCaseError> {
    let expected = expected(rows);
    let whole = |name: &str| {
        let column = result[name].as_primitive::<Int64Type>();
        column.is_valid(place).then(|| column.value(place))
    };
    let small = |name: &str| {
        let column = result[name].as_primitive::<arrow_array::types::Int32Type>();
        column.is_valid(place).then(|| column.value(place))
    };
    let real = |name: &str| {
        let column = result[name].as_primitive::<Float64Type>();
        column.is_valid(place).then(|| column.value(place))
    };
    prop_assert_eq!(whole("whole_count"), Some(expected.count));
    prop_assert_eq!(whole("whole_sum"), expected.sum);
    prop_assert_eq!(small("whole_min"), expected.min);
    prop_assert_eq!(small("whole_first"), expected.first);
    prop_assert_eq!(real("real_max"), expected.max);
    prop_assert_eq!(real("real_last"), expected.last);
    for (name, wanted) in [("real_mean", expected.mean), ("real_std", expected.std)] {
        match (real(name), wanted) {
            (Some(found), Some(wanted)) => prop_assert!((found - wanted).abs() < 1e-6),
            (found, wanted) => prop_assert_eq!(found, wanted),
        }
    }
    Ok(())
}

fn aggregations() -> [crate::Aggregation; 8] {
    [
        count("whole"),
        sum("whole"),
        mean("real"),
        std("real"),
        min("whole"),
        max("real"),
        first("whole"),
        last("real"),
    ]
}

/// Runs both forms, over all rows and by group, and compares each result with the model's on the current rows.
fn compare(
    batches: &[Vec<Row>],
    window: Option<Window>,
    counting: impl Fn(&[Row]) -> Vec<Row>,
) -> Result<(), TestCaseError> {
    let table = Stream::new();
    let (whole, groups) = match window {
        None => (
            table.aggregate(aggregations()).sink_to_list(),
            table
                .group_by(["key"])
                .aggregate(aggregations())
                .sink_to_list(),
        ),
        Some(window) => (
            table
                .window(window.clone())
                .aggregate(aggregations())
                .sink_to_list(),
            table
                .window(window)
                .group_by(["key"])
                .aggregate(aggregations())
                .sink_to_list(),
        ),
    };
    let mut all = Vec::new();
    for (number, rows) in batches.iter().enumerate() {
        table
            .emit(batch(rows))
            .wait()
            .expect("nothing is wrong with it");
        all.extend(rows.iter().cloned());
        let counting = counting(&all);
        let result = &whole.to_vec()[number];
        prop_assert_eq!(result.num_rows(), 1);
        check(&counting.iter().collect::<Vec<_>>(), result, 0)?;

        let mut by_key: BTreeMap<Option<u8>, Vec<&Row>> = BTreeMap::new();
        counting
            .iter()
            .for_each(|row| by_key.entry(row.key).or_default().push(row));
        let result = &groups.to_vec()[number];
        prop_assert_eq!(result.num_rows(), by_key.len());
        let keys = result["key"].as_primitive::<arrow_array::types::UInt8Type>();
        for (place, (key, rows)) in by_key.iter().enumerate() {
            prop_assert_eq!(keys.is_valid(place).then(|| keys.value(place)), *key);
            check(rows, result, place)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn running_aggregations_cover_all_rows(batches in prop::collection::vec(prop::collection::vec(row(), 0..8), 1..8)) {
        compare(&batches, None, <[Row]>::to_vec)?;
    }

    #[test]
    fn a_window_of_rows_covers_the_last_rows(
        batches in prop::collection::vec(prop::collection::vec(row(), 0..8), 1..10),
        n in 1usize..12,
    ) {
        compare(&batches, Some(Window::rows(n)), |all| all[all.len().saturating_sub(n)..].to_vec())?;
    }

    #[test]
    fn a_window_by_a_column_covers_rows_near_the_maximum(
        mut batches in prop::collection::vec(prop::collection::vec(row(), 0..8), 1..10),
        span in 1i32..20,
        sorted in any::<bool>(),
    ) {
        if sorted {
            let mut times: Vec<i64> = batches.iter().flatten().map(|row| row.time).collect();
            times.sort_unstable();
            batches.iter_mut().flatten().zip(times).for_each(|(row, time)| row.time = time);
        }
        compare(&batches, Some(Window::span("time", span)), |all| {
            let greatest = all.iter().map(|row| row.time).max();
            let near = |row: &&Row| greatest.is_some_and(|greatest| row.time > greatest - i64::from(span));
            all.iter().filter(near).cloned().collect()
        })?;
    }
}

fn failure(stream: &Stream<RecordBatch>, batch: RecordBatch) -> String {
    let error = stream
        .emit(batch)
        .wait()
        .expect_err("something is wrong with it");
    let cause = error.source().map(ToString::to_string);
    cause.unwrap_or_else(|| error.to_string())
}

#[test]
fn errors_are_named_and_do_not_change_the_state() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    let list = table.aggregate([sum("x")]).sink_to_list();
    assert!(
        failure(&table, record_batch!(("y", Int32, [1]))?)
            .contains("there is no column `x`; there are `y`")
    );
    let text = failure(&table, record_batch!(("x", Utf8, ["a"]))?);
    assert!(
        text.contains("sum of column `x`: numbers are needed, and it holds Utf8"),
        "{text}"
    );
    // No batch yet: the first valid one determines the column's type.
    table
        .emit(record_batch!(("x", Int64, [i64::MAX]))?)
        .wait()?;
    let text = failure(&table, record_batch!(("x", Float64, [1.0]))?);
    assert!(
        text.contains("column `x` held Int64 before, and holds Float64 now"),
        "{text}"
    );
    let text = failure(&table, record_batch!(("x", Int64, [1]))?);
    assert!(
        text.contains("the sum of column `x` is more than 64 bits hold"),
        "{text}"
    );
    table.emit(record_batch!(("x", Int64, [-1]))?).wait()?;
    let last = list.to_vec().pop().ok_or("nothing was sent")?;
    assert_eq!(
        last["x_sum"].as_primitive::<Int64Type>().value(0),
        i64::MAX - 1
    );
    Ok(())
}

#[test]
fn a_window_refuses_values_of_another_type() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    table
        .window(Window::span("t", Duration::from_secs(1)))
        .aggregate([count("t")])
        .sink(|_| {});
    let text = failure(&table, record_batch!(("t", Int64, [1]))?);
    assert!(
        text.contains(
            "a window by column `t`: a column of dates or timestamps is needed, and it holds Int64"
        ),
        "{text}"
    );

    let table = Stream::new();
    table
        .window(Window::span("t", 1.5))
        .aggregate([count("t")])
        .sink(|_| {});
    let text = failure(
        &table,
        record_batch!(("t", Float64, [Some(1.0), None, Some(f64::NAN)]))?,
    );
    assert!(text.contains("2 rows have no value there"), "{text}");
    Ok(())
}

#[test]
fn windows_by_time_use_the_unit_of_the_column() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    let window = Window::span("t", Duration::from_secs(2));
    let list = table.window(window).aggregate([count("t")]).sink_to_list();
    for millis in [0, 1000, 1999, 2001, 4000] {
        let times: ArrayRef =
            Arc::new(TimestampMillisecondArray::from(vec![millis]).with_timezone("UTC"));
        table
            .emit(RecordBatch::try_from_iter([("t", times)])?)
            .wait()?;
    }
    let counts = list.to_vec();
    let counts: Vec<_> = counts
        .iter()
        .map(|each| each["t_count"].as_primitive::<Int64Type>().value(0))
        .collect();
    assert_eq!(counts, [1, 2, 3, 3, 2]);
    Ok(())
}

#[test]
fn min_and_max_take_any_type_and_sums_stay_unsigned() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    let list = table
        .aggregate([min("s"), last("d"), sum("u"), var("u").ddof(0)])
        .sink_to_list();
    let columns: [(&str, ArrayRef); 3] = [
        (
            "s",
            Arc::new(StringArray::from(vec![Some("b"), None, Some("a")])),
        ),
        (
            "d",
            Arc::new(
                ["x", "y", "x"]
                    .into_iter()
                    .collect::<DictionaryArray<arrow_array::types::Int8Type>>(),
            ),
        ),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX - 3, 1, 2]))),
    ];
    let rows = RecordBatch::try_from_iter_with_nullable(
        columns.map(|(name, column)| (name, column, true)),
    );
    table.emit(rows?).wait()?;
    let result = list.to_vec().pop().ok_or("nothing was sent")?;
    assert_eq!(result["s_min"].as_string::<i32>().value(0), "a");
    assert_eq!(result["d_last"].as_string::<i32>().value(0), "x");
    assert_eq!(
        result["u_sum"]
            .as_primitive::<arrow_array::types::UInt64Type>()
            .value(0),
        u64::MAX
    );
    assert_eq!(result.schema().field(1).data_type(), &DataType::Utf8);
    Ok(())
}

#[test]
fn aggregations_of_nulls_only_are_null() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    let list = table
        .aggregate([count("x"), sum("x"), mean("x"), min("x")])
        .sink_to_list();
    table
        .emit(record_batch!(("x", Int32, [None::<i32>]))?)
        .wait()?;
    let result = list.to_vec().pop().ok_or("nothing was sent")?;
    assert_eq!(result["x_count"].as_primitive::<Int64Type>().value(0), 0);
    for name in ["x_sum", "x_mean", "x_min"] {
        assert!(result[name].is_null(0), "{name}");
    }
    Ok(())
}

#[test]
fn columns_may_be_in_another_order() -> Result<(), Box<dyn Error>> {
    let table = Stream::new();
    let list = table
        .select(["y", "x"])
        .group_by(["y"])
        .aggregate([sum("x")])
        .sink_to_list();
    table
        .emit(record_batch!(("x", Int32, [1]), ("y", Utf8, ["a"]))?)
        .wait()?;
    table
        .emit(record_batch!(("y", Utf8, ["a"]), ("x", Int32, [2]))?)
        .wait()?;
    assert_eq!(
        list.to_vec()[1]["x_sum"]
            .as_primitive::<Int64Type>()
            .value(0),
        3
    );
    let error = failure(&table, record_batch!(("x", Int32, [1]))?);
    assert!(error.contains("there is no column `y`"), "{error}");
    let FrameError::UnknownColumn { known, .. } =
        crate::plan::column(&record_batch!(("x", Int32, [1]))?, "y").expect_err("it is not there")
    else {
        panic!("it is not there");
    };
    assert_eq!(known, ["x"]);
    Ok(())
}
