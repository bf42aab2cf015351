"""Every aggregation over random batches, windows and groups, compared with pandas on all rows at once."""

from __future__ import annotations

import math
import os
from contextlib import nullcontext
from itertools import pairwise
from unittest.mock import patch

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")
pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from thalweg.dataframe import DataFrame, sliding  # noqa: E402

#: Deterministic examples by default; `EXAMPLES` in the environment sets a number of random ones.
EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
SETTINGS = settings(
    max_examples=EXAMPLES or 25, derandomize=not EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck)
)

START = pd.Timestamp("2024-03-31 00:00")

number = st.one_of(st.none(), st.integers(-50, 50).map(float), st.sampled_from([0.1, -2.5, 1e6]))
row = st.tuples(st.integers(-9, 9), number, st.sampled_from("abc"), st.sampled_from([1, 2, 7]), st.integers(0, 40))


@st.composite
def batches(draw, *, is_sorted=None):
    rows = draw(st.lists(row, min_size=1, max_size=24))
    if is_sorted or (is_sorted is None and draw(st.booleans())):
        rows.sort(key=lambda one: one[-1])
    index = pd.DatetimeIndex([START + pd.Timedelta(minutes=one[-1]) for one in rows], name="at")
    whole = pd.DataFrame([one[:-1] for one in rows], columns=["i", "f", "s", "k"], index=index)
    whole = whole.astype({"f": float, "i": "int64", "k": "int64"})
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=5)))
    bounds = [0, *cuts, len(rows)]
    return [whole.iloc[start:stop] for start, stop in pairwise(bounds)]


AGGREGATIONS = {
    "sum": lambda x: x.sum(),
    "count": lambda x: x.count(),
    "mean": lambda x: x.mean(),
    "size": lambda x: x.size() if callable(x.size) else x.size,
    "var": lambda x: x.var(),
    "std": lambda x: x.std(ddof=0),
    "min": lambda x: x.min(),
    "max": lambda x: x.max(),
}
OVER_EVERYTHING = ("sum", "count", "mean", "size")
PICKED = {"columns": lambda x: x[["i", "f"]], "float": lambda x: x.f, "int": lambda x: x.i}
GROUPED = {
    "name": lambda x: x.groupby("s"),
    "list": lambda x: x.groupby(["k"]),
    "two": lambda x: x.groupby(["s", "k"]),
    "series": lambda x: x.groupby(x.i % 3),
    "index": lambda x: x.groupby(x.index),
}


def same(found, expected):
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-6, check_freq=False)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-6, check_freq=False)
    else:
        assert (math.isnan(found) and math.isnan(expected)) or found == pytest.approx(expected, rel=1e-9, abs=1e-6)


def check(pieces, stream, expected):
    """Compare the output after each batch with `expected` of all rows so far."""
    sdf = DataFrame(example=pieces[0].iloc[:0])
    results = stream(sdf).stream.sink_to_list()
    # Windows merge small chunks and split large ones; lower limits make that happen with few rows.
    few = {"_JOINED": 3, "_SMALLEST": 1} if len(pieces) % 2 else {"_JOINED": 1, "_SMALLEST": 2}
    with patch.multiple(sliding, **few) if len(pieces) % 3 else nullcontext():
        for end, piece in enumerate(pieces, 1):
            sdf.emit(piece)
            same(results[-1], expected(pd.concat(pieces[:end])))
    assert len(results) == len(pieces)


@given(batches(), st.sampled_from(OVER_EVERYTHING), st.sampled_from(sorted(PICKED)))
@SETTINGS
def test_over_everything(pieces, name, picked):
    of, pick = AGGREGATIONS[name], PICKED[picked]
    check(pieces, lambda sdf: of(pick(sdf)), lambda df: of(pick(df)))


@given(batches(), st.sampled_from(sorted(AGGREGATIONS)), st.sampled_from(sorted(PICKED)), st.integers(1, 9))
@SETTINGS
def test_over_the_last_rows(pieces, name, picked, n):
    of, pick = AGGREGATIONS[name], PICKED[picked]
    check(pieces, lambda sdf: of(pick(sdf.window(n=n))), lambda df: of(pick(df.iloc[-n:])))


def within(df, minutes):
    return df[df.index > df.index.max() - pd.Timedelta(minutes=minutes)]


@given(batches(), st.sampled_from(sorted(AGGREGATIONS)), st.sampled_from(sorted(PICKED)), st.integers(1, 30))
@SETTINGS
def test_over_a_duration(pieces, name, picked, minutes):
    of, pick = AGGREGATIONS[name], PICKED[picked]
    window = pd.Timedelta(minutes=minutes)
    check(pieces, lambda sdf: of(pick(sdf.window(value=window))), lambda df: of(pick(within(df, minutes))))


@given(batches(), st.sampled_from(sorted(AGGREGATIONS)), st.sampled_from(sorted(GROUPED)), st.booleans())
@SETTINGS
def test_by_group(pieces, name, grouped, is_frame):
    of, group = AGGREGATIONS[name], GROUPED[grouped]
    columns = ["i", "f"] if is_frame else "f"
    check(pieces, lambda sdf: of(group(sdf)[columns]), lambda df: of(group(df)[columns]))


@given(batches(), st.sampled_from(sorted(AGGREGATIONS)), st.sampled_from(sorted(GROUPED)), st.integers(1, 9))
@SETTINGS
def test_by_group_over_the_last_rows(pieces, name, grouped, n):
    of, group = AGGREGATIONS[name], GROUPED[grouped]
    check(pieces, lambda sdf: of(group(sdf.window(n=n)).f), lambda df: of(group(df.iloc[-n:]).f))


@given(batches(), st.sampled_from(sorted(AGGREGATIONS)), st.sampled_from(sorted(GROUPED)), st.integers(1, 30))
@SETTINGS
def test_by_group_over_a_duration(pieces, name, grouped, minutes):
    of, group = AGGREGATIONS[name], GROUPED[grouped]
    check(
        pieces,
        lambda sdf: of(group(sdf.window(value=f"{minutes}min"))[["i", "f"]]),
        lambda df: of(group(within(df, minutes))[["i", "f"]]),
    )


@given(batches(), st.sampled_from(["f", "s", "k"]), st.integers(1, 9))
@SETTINGS
def test_value_counts(pieces, column, n):
    def count(sdf):
        return sdf.window(n=n)[column].value_counts()

    sdf = DataFrame(example=pieces[0].iloc[:0])
    results = count(sdf).stream.sink_to_list()
    for end, piece in enumerate(pieces, 1):
        sdf.emit(piece)
        expected = pd.concat(pieces[:end]).iloc[-n:][column].value_counts()
        assert results[-1].to_dict() == expected.to_dict()
        assert results[-1].is_monotonic_decreasing
        assert results[-1].name == "count" and results[-1].index.name == column


@given(
    batches(is_sorted=True),
    st.sampled_from(["sum", "mean", "count", "var", "min", "max", "median"]),
    st.one_of(st.integers(1, 9), st.integers(1, 30).map(lambda minutes: pd.Timedelta(minutes=minutes))),
    st.sampled_from(sorted(PICKED)),
    st.one_of(st.none(), st.integers(1, 3)),
)
@SETTINGS
def test_rolling(pieces, name, window, picked, least):
    pick = PICKED[picked]
    least = None if isinstance(window, int) and least is not None and least > window else least
    sdf = DataFrame(example=pieces[0].iloc[:0])
    results = getattr(pick(sdf.rolling(window, min_periods=least)), name)().stream.sink_to_list()
    for piece in pieces:
        sdf.emit(piece)
    whole = pd.concat(pieces)
    same(pd.concat(results), getattr(pick(whole).rolling(window, min_periods=least), name)())


@given(batches(), st.sampled_from(["cumsum", "cumprod", "cummin", "cummax"]), st.sampled_from(sorted(PICKED)))
@SETTINGS
def test_cumulative(pieces, name, picked):
    pick = PICKED[picked]
    pieces = [piece[["i", "f"]].clip(-3, 3) for piece in pieces]
    sdf = DataFrame(example=pieces[0].iloc[:0])
    results = getattr(pick(sdf), name)().stream.sink_to_list()
    for piece in pieces:
        sdf.emit(piece)
    same(pd.concat(results), getattr(pick(pd.concat(pieces)), name)())


@given(batches(), st.sampled_from([{"com": 1}, {"span": 4}, {"halflife": 2}, {"alpha": 0.3}, {"alpha": 1}]))
@SETTINGS
def test_weighted(pieces, weights):
    check(
        [piece[["i", "f"]] for piece in pieces if len(piece)],
        lambda sdf: sdf.ewm(**weights).mean(),
        lambda df: df.ewm(**weights).mean().iloc[-1:],
    )
