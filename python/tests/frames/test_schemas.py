"""Batches that do not look like the example."""

from __future__ import annotations

import pickle

import pytest

pd = pytest.importorskip("pandas")

from thalweg import Stream  # noqa: E402
from thalweg.dataframe import DataFrame, SchemaError, Series  # noqa: E402

EXAMPLE = pd.DataFrame({"x": [1], "k": ["a"]})

MISTAKES = [
    (pd.DataFrame({"k": ["a"]}), "column 'x': expected int64, found none"),
    (pd.DataFrame({"x": ["b"], "k": ["a"]}), "column 'x': expected int64, found (str|object)"),
    (pd.DataFrame({"x": [pd.Timestamp("2024")], "k": ["a"]}), r"column 'x': expected int64, found datetime64\[.*\]"),
    (pd.DataFrame({"x": [1], "k": ["a"], "z": [1]}), "column 'z': expected no such column, found one more"),
]

ENTRANCES = {
    "total": lambda sdf: sdf.sum(),
    "window": lambda sdf: sdf.window(n=2).sum(),
    "picked": lambda sdf: sdf.x.sum(),
    "group": lambda sdf: sdf.groupby("k").x.mean(),
    "rolling": lambda sdf: sdf[["x"]].rolling(2).sum(),
}


@pytest.mark.parametrize(("batch", "message"), MISTAKES)
def test_emitting_checks_the_schema(batch, message):
    sdf = DataFrame(example=EXAMPLE)
    with pytest.raises(SchemaError, match=message):
        sdf.emit(batch)


@pytest.mark.parametrize("entrance", sorted(ENTRANCES))
@pytest.mark.parametrize(("batch", "message"), MISTAKES)
def test_frames_from_a_stream_are_checked_where_they_are_read(entrance, batch, message):
    if "z" in batch and entrance not in ("total", "window"):
        pytest.skip("reads no more than its columns")
    source = Stream()
    results = ENTRANCES[entrance](DataFrame(source, EXAMPLE)).stream.sink_to_list()
    source.emit(EXAMPLE)
    with pytest.raises(SchemaError, match=r"column '.'"):
        source.emit(batch)
    # The failed batch did not change the state.
    source.emit(EXAMPLE)
    assert len(results) == 2


def test_the_policy_of_the_node_handles_schema_errors():
    source = Stream()
    total = DataFrame(source, EXAMPLE).x.sum()
    failures = total.stream.on_exception().sink_to_list()
    results = total.stream.sink_to_list()
    for batch in (EXAMPLE, MISTAKES[0][0], EXAMPLE):
        source.emit(batch)
    assert results == [1, 2]
    assert [failure.element is MISTAKES[0][0] for failure in failures] == [True]


def test_only_the_kinds_of_types_have_to_agree():
    sdf = DataFrame(example=EXAMPLE)
    results = sdf.x.sum().stream.sink_to_list()
    for values in ([1.5], [True], pd.array([None], dtype="Int64"), [None]):
        sdf.emit(pd.DataFrame({"x": values, "k": ["a"]}))
    assert results[-1] == 2.5


def test_an_empty_example_leaves_the_kinds_open():
    sdf = DataFrame(example=pd.DataFrame({"x": []}))
    results = sdf.x.sum().stream.sink_to_list()
    sdf.emit(pd.DataFrame({"x": ["a"]}))
    assert results == ["a"]
    with pytest.raises(SchemaError, match="index"):
        DataFrame(example=EXAMPLE).window(value="1s").x.sum()


def test_the_error_can_be_pickled():
    error = pickle.loads(pickle.dumps(SchemaError("x", "int64", "str")))
    assert (error.column, error.expected, error.found) == ("x", "int64", "str")
    assert isinstance(error, TypeError) and isinstance(error, IndexError)


@pytest.mark.parametrize("element", [{"x": 1, "k": "a"}, [1, "a"], None, EXAMPLE.x])
def test_elements_that_are_no_frames_say_what_is_expected(element):
    for entrance in ENTRANCES.values():
        source = Stream()
        results = entrance(DataFrame(source, EXAMPLE)).stream.sink_to_list()
        with pytest.raises(TypeError, match=rf"expected a frame.*not {type(element).__name__}.*n=\.\.\."):
            source.emit(element)
        assert results == []


def test_elements_that_are_no_series_say_what_is_expected():
    source = Stream()
    total = Series(source, EXAMPLE.x).sum().stream
    total.sink_to_list()
    for element in (EXAMPLE, None, {"x": 1}):
        with pytest.raises(TypeError, match=f"expected a series.*not {type(element).__name__}"):
            source.emit(element)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"k": "b"}, r"column 'x': expected int64, found none; the row has \['k'\]"),
        ((1, "b", 2), r"a row needs 2 values, for \['x', 'k'\]"),
        ((1,), r"a row needs 2 values, for \['x', 'k'\]"),
        (5, r"a row is a dict, a tuple or a frame with the columns \['x', 'k'\], and not 5"),
    ],
)
def test_a_row_that_does_not_fit_fails_alone(row, message):
    source = Stream()
    totals = source.to_dataframe(EXAMPLE, n=2).groupby("k").x.sum().stream.sink_to_list()
    source.emit({"x": 1, "k": "a"})
    with pytest.raises(TypeError, match=message):
        source.emit(row)
    source.emit((2, "b"))
    assert [total.to_dict() for total in totals] == [{"a": 1, "b": 2}]


def test_columns_of_the_same_name_are_aggregated_side_by_side():
    twice = pd.DataFrame([[1, 2, 3]], columns=["x", "y", "x"])
    for build in (lambda sdf: sdf, lambda sdf: sdf.window(n=9)):
        source = Stream()
        sums = build(DataFrame(source, twice)).sum().stream.sink_to_list()
        source.emit_many([twice, twice])
        pd.testing.assert_series_equal(sums[-1], pd.concat([twice, twice]).sum())


def test_one_of_several_columns_of_the_same_name_is_refused():
    twice = pd.DataFrame([[1, 2]], columns=["x", "x"])
    with pytest.raises(ValueError, match="the frame has 2 columns 'x': give each a name of its own"):
        DataFrame(example=twice).x.sum()
