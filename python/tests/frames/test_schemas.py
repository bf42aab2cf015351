"""Batches that do not look like the example."""

from __future__ import annotations

import pickle

import pytest

pd = pytest.importorskip("pandas")

from thalweg import Stream  # noqa: E402
from thalweg.dataframe import DataFrame, SchemaError  # noqa: E402

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
