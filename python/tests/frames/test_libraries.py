"""Polars and Arrow frames: the same results as with pandas, in the library's own frames."""

from __future__ import annotations

import datetime
import os
from itertools import pairwise

import pytest

pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from thalweg.dataframe import DataFrame, SchemaError  # noqa: E402

#: Deterministic examples by default; `EXAMPLES` in the environment sets a number of random ones.
EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 50, derandomize=not EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
)

START = datetime.datetime(2024, 1, 1)

POLARS_TYPES = {"t": pl.Datetime("us"), "k": pl.String, "x": pl.Float64, "i": pl.Int64}
ARROW_TYPES = pa.schema([("t", pa.timestamp("us")), ("k", pa.string()), ("x", pa.float64()), ("i", pa.int64())])

MAKE = {
    "pandas": lambda rows: (
        pd.DataFrame(rows, columns=list(POLARS_TYPES))
        .astype({"t": "datetime64[us]", "x": float, "i": "int64", "k": object})
        .set_index("t")
    ),
    "polars": lambda rows: pl.DataFrame(rows, schema=POLARS_TYPES, orient="row"),
    "arrow": lambda rows: pa.Table.from_pylist([dict(zip(POLARS_TYPES, row)) for row in rows], schema=ARROW_TYPES),
}


def most_frequent(counts):
    """Count of the most frequent value: libraries may choose different ones among equals."""
    if isinstance(counts, pd.Series):
        return int(counts.max()) if len(counts) else 0
    column = counts["count"] if isinstance(counts, pl.DataFrame) else counts["counts"]
    return max(column.to_list() if isinstance(column, pl.Series) else column.to_pylist(), default=0)


EXPRESSIONS = {
    "sum": lambda sdf: sdf.x.sum(),
    "count": lambda sdf: sdf.x.count(),
    "mean of the last": lambda sdf: sdf.window(n=3).x.mean(),
    "deviation of the last": lambda sdf: sdf.window(n=3).i.std(),
    "largest of a duration": lambda sdf: sdf.window(value="5min").i.max(),
    "columns of a duration": lambda sdf: sdf.window(value="5min")[["x", "i"]].sum(),
    "rolling columns": lambda sdf: sdf.rolling("3min")[["x", "i"]].sum(),
    "size": lambda sdf: sdf.i.size,
    "sums of columns": lambda sdf: sdf[["x", "i"]].sum(),
    "by group": lambda sdf: sdf.groupby("k").x.sum(),
    "by group of a duration": lambda sdf: sdf.window(value="5min").groupby("k")[["x", "i"]].mean(),
    "frequent in a duration": lambda sdf: (
        sdf.window(value="9min")
        .i.value_counts()
        .map_partitions(most_frequent, sdf.window(value="9min").i.value_counts())
    ),
    "by two": lambda sdf: sdf.groupby(["k", "i"]).x.count(),
    "by a condition": lambda sdf: sdf.groupby(sdf.i > 1).x.sum(),
    "rolling": lambda sdf: sdf.rolling("3min").x.mean(),
    "rolling deviation": lambda sdf: sdf.rolling(3).i.std(),
    "running": lambda sdf: sdf.i.cumsum(),
    "running largest": lambda sdf: sdf[["i", "x"]].cummax(),
    "arithmetic": lambda sdf: (sdf.i * 2 + 1).sum(),
    "filtered": lambda sdf: sdf[sdf.i > 1].i.sum(),
    "assigned": lambda sdf: sdf.assign(y=sdf.i + 1).y.sum(),
    "weighted": lambda sdf: sdf.ewm(com=1)[["x", "i"]].mean(),
}

row = st.tuples(
    st.integers(0, 20).map(lambda minute: START + datetime.timedelta(minutes=minute)),
    st.sampled_from(["a", "b", None]),
    st.one_of(st.none(), st.integers(-9, 9).map(float)),
    st.integers(-3, 3),
)


def plain(result):
    """Values of a result by column, without labels, for any library."""
    if isinstance(result, pd.Series) and isinstance(result.index, pd.RangeIndex | pd.DatetimeIndex):
        return [clean(result.tolist())]
    if isinstance(result, pd.Series) and result.index.tolist() in (["x", "i"], ["i", "x"]):
        return [clean([value]) for value in result]
    if isinstance(result, pd.DataFrame) and isinstance(result.index, pd.DatetimeIndex):
        return [clean(result[name].tolist()) for name in result]
    if isinstance(result, pd.Series | pd.DataFrame):
        return plain_columns(
            result.rename("value").reset_index() if isinstance(result, pd.Series) else result.reset_index()
        )
    if isinstance(result, pl.DataFrame):
        return [clean(column.to_list()) for column in result]
    if isinstance(result, pa.Table):
        return [clean(column.to_pylist()) for column in result.columns]
    if isinstance(result, pl.Series | pa.ChunkedArray):
        return [clean(result.to_pylist() if isinstance(result, pa.ChunkedArray) else result.to_list())]
    return [clean([result])]


def plain_columns(result):
    return [clean(result[name].tolist()) for name in result]


def clean(values):
    missing = [value is None or value != value for value in values]
    return [
        None if gone else value if isinstance(value, str) else round(float(value), 6)
        for value, gone in zip(values, missing)
    ]


@given(
    st.lists(row, min_size=1, max_size=12),
    st.lists(st.integers(0, 12), max_size=3),
    st.sampled_from(sorted(EXPRESSIONS)),
)
@SETTINGS
def test_results_are_those_of_pandas(rows, cuts, name):
    rows.sort(key=lambda one: one[0])
    bounds = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    found = {}
    for library, make in MAKE.items():
        sdf = DataFrame(example=make([(START, "a", 1.0, 1)]))
        results = EXPRESSIONS[name](sdf).stream.sink_to_list()
        for start, stop in pairwise(bounds):
            sdf.emit(make(rows[start:stop]))
        found[library] = [plain(result) for result in results]
    assert found["polars"] == found["pandas"]
    assert found["arrow"] == found["pandas"]


@pytest.mark.parametrize("library", ["polars", "arrow"])
def test_results_are_frames_of_the_library(library):
    sdf = DataFrame(example=MAKE[library]([(START, "a", 1.0, 1)]))
    frame = pl.DataFrame if library == "polars" else pa.Table
    series = pl.Series if library == "polars" else pa.ChunkedArray
    for build, kind in [
        (lambda s: s.count(), frame),
        (lambda s: s.groupby("k").x.sum(), frame),
        (lambda s: s.k.value_counts(), frame),
        (lambda s: s.window(n=1).full(), frame),
        (lambda s: s.i.cumsum(), series),
        (lambda s: s.rolling("1s").x.sum(), series),
    ]:
        results = build(sdf).stream.sink_to_list()
        sdf.emit(MAKE[library]([(START, "a", 2.0, 1)]))
        assert isinstance(results[-1], kind)


@pytest.mark.parametrize(("sent", "library"), [(a, b) for a in MAKE for b in MAKE if a != b])
def test_frames_of_other_libraries_are_converted(sent, library):
    if sent == "pandas" and not hasattr(pd.DataFrame, "__arrow_c_stream__"):
        pytest.skip("this pandas has no PyCapsule interface")
    sdf = DataFrame(
        example=MAKE[library]([(START, "a", 1.0, 1)])[["x", "i"]]
        if library != "arrow"
        else pa.table({"x": [1.0], "i": [1]})
    )
    totals = sdf.i.sum().stream.sink_to_list()
    batch = {"x": [1.0, 2.0], "i": [3, 4]}
    sdf.emit({"pandas": pd.DataFrame, "polars": pl.DataFrame, "arrow": pa.table}[sent](batch))
    assert totals == [7]


def test_record_batches_are_accepted_as_tables():
    sdf = DataFrame(example=pa.record_batch({"x": [1]}))
    totals, windows = sdf.x.sum().stream.sink_to_list(), sdf.window(n=3).full().stream.sink_to_list()
    for values in ([1, 2], [3, 4]):
        sdf.emit(pa.record_batch({"x": values}))
    assert totals == [3, 10] and windows[-1].column("x").to_pylist() == [2, 3, 4]


def test_columns_are_converted_without_a_copy():
    from thalweg.dataframe.backend import backend_of

    for series in (pl.Series([1.0, 2.0]), pa.chunked_array([[1.0, 2.0]])):
        column = backend_of(series).column(series)
        assert not column.values.flags.owndata and not column.values.flags.writeable


@pytest.mark.parametrize("library", ["polars", "arrow"])
def test_schema_errors_name_the_types_of_the_library(library):
    sdf = DataFrame(example=MAKE[library]([(START, "a", 1.0, 1)]))
    with pytest.raises(SchemaError, match=r"column 'i': expected (Int64|int64), found none"):
        sdf.emit(
            pl.DataFrame({"t": [START], "k": ["a"], "x": [1.0]})
            if library == "polars"
            else pa.table({"t": [START], "k": ["a"], "x": [1.0]})
        )
    with pytest.raises(ValueError, match="`on`"):
        (sdf.x + 1).window(value="1s").sum()


@pytest.mark.parametrize("library", sorted(MAKE))
@pytest.mark.parametrize("form", ["dictionaries", "tuples", "frames"])
def test_rows_become_frames(library, form):
    from thalweg import Stream

    make = MAKE[library]
    rows = [(START, "a", 1.0, n) for n in range(7)]
    source = Stream()
    example = make(rows[:1])
    if library == "pandas":
        example = example.reset_index()
    totals = source.to_dataframe(example, n=3).i.sum().stream.sink_to_list()
    for one in rows:
        element = {"dictionaries": dict(zip(POLARS_TYPES, one)), "tuples": one, "frames": make([one])}[form]
        source.emit(element)
    assert totals == [3, 15]
