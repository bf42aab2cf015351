"""Columns of other types than plain numbers: results have the type and order of their column."""

from __future__ import annotations

import datetime
import operator
import pickle
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")
pa = pytest.importorskip("pyarrow")

from thalweg import Stream  # noqa: E402
from thalweg.dataframe import DataFrame  # noqa: E402

SIZES = ["small", "middle", "large"]
BERLIN = ZoneInfo("Europe/Berlin")


def collect(build, *pieces):
    sdf = DataFrame(example=pieces[0])
    results = build(sdf).stream.sink_to_list()
    for piece in pieces:
        sdf.emit(piece)
    return results


def groups(result, name):
    """Values by key, whatever library they come from."""
    if isinstance(result, pd.Series):
        return {key: None if pd.isna(value) else value for key, value in result.to_dict().items()}
    columns = result.to_dict(as_series=False) if isinstance(result, pl.DataFrame) else result.to_pydict()
    return dict(zip(columns["k"], columns[name], strict=True))


def with_pandas(keys, values):
    return pd.DataFrame({"k": keys, "x": values})


def with_polars(keys, values):
    return pl.DataFrame({"k": keys, "x": values})


def with_arrow(keys, values):
    return pa.table({"k": keys, "x": values})


EACH_LIBRARY = pytest.mark.parametrize("make", [with_pandas, with_polars, with_arrow])

SIZED = {
    with_pandas: lambda values: pd.Categorical(values, SIZES, ordered=True),
    with_polars: lambda values: pl.Series(values, dtype=pl.Enum(SIZES)),
    with_arrow: lambda values: pa.array(pd.Categorical(values, SIZES, ordered=True)),
}


@EACH_LIBRARY
def test_categories_are_compared_by_their_order(make):
    def piece(keys, values):
        return make(keys, SIZED[make](values))

    pieces = piece(["a", "b", "c"], ["middle", "small", None]), piece(["b", "a"], ["middle", "large"])
    assert collect(lambda sdf: sdf.window(n=9).x.max(), *pieces) == ["middle", "large"]
    assert collect(lambda sdf: sdf.window(n=9).x.min(), *pieces) == ["small", "small"]
    largest = collect(lambda sdf: sdf.window(n=9).groupby("k").x.max(), *pieces)[-1]
    assert groups(largest, "x") == {"a": "large", "b": "middle", "c": None}
    assert groups(collect(lambda sdf: sdf.groupby("k").x.count(), *pieces)[-1], "x") == {"a": 2, "b": 2, "c": 0}
    with pytest.raises(TypeError, match="mean needs numbers, and not category"):
        collect(lambda sdf: sdf.x.mean(), *pieces)


def test_states_with_categories_can_be_pickled():
    piece = with_pandas(["a"], pd.Categorical(["large"], SIZES, ordered=True))
    state, _ = collect(lambda sdf: sdf.window(n=9, with_state=True).x.max(), piece)[-1]
    sdf = DataFrame(example=piece)
    results = sdf.window(n=9, start=pickle.loads(pickle.dumps(state))).x.max().stream.sink_to_list()
    sdf.emit(with_pandas(["a"], pd.Categorical(["middle"], SIZES, ordered=True)))
    assert results == ["large"]


def test_other_categories_are_not_compared():
    pieces = [with_pandas(["a"], pd.Categorical(["large"], order, ordered=True)) for order in (SIZES, SIZES[::-1])]
    with pytest.raises(ValueError, match=r"categories .*'middle'.* cannot be compared with others"):
        collect(lambda sdf: sdf.window(n=9).x.max(), *pieces)


@EACH_LIBRARY
def test_times_keep_their_time_zone(make):
    winter = datetime.datetime(2024, 1, 1, tzinfo=BERLIN)
    summer = datetime.datetime(2024, 7, 1, tzinfo=BERLIN)
    pieces = make(["a", "b"], [winter, summer]), make(["c", "a"], [None, summer])
    first = collect(lambda sdf: sdf.window(n=9).x.min(), *pieces)[-1]
    last = collect(lambda sdf: sdf.window(n=9).x.max(), *pieces)[-1]
    assert (first, first.utcoffset(), last) == (winter, winter.utcoffset(), summer)
    latest = collect(lambda sdf: sdf.window(n=9).groupby("k").x.max(), *pieces)[-1]
    assert groups(latest, "x") == {"a": summer, "b": summer, "c": None}
    by_time = collect(lambda sdf: sdf.groupby("x").k.count(), *pieces)[-1]
    keys = by_time.index if isinstance(by_time, pd.Series) else by_time["x"].to_pandas()
    assert [(time, time.utcoffset()) for time in keys] == [
        (winter, winter.utcoffset()),
        (summer, summer.utcoffset()),
    ]


@EACH_LIBRARY
def test_times_in_nanoseconds_are_times(make):
    times = pd.to_datetime(["2024-01-01", "2024-01-02"]).as_unit("ns").to_numpy()
    assert collect(lambda sdf: sdf.window(n=9).x.max(), make(["a", "b"], times)) == [datetime.datetime(2024, 1, 2)]


@EACH_LIBRARY
@pytest.mark.parametrize(
    ("values", "total"),
    [(["x", None, "y"], "xy"), ([Decimal("1.5"), None, Decimal("2.5")], Decimal(4)), ([1, None, 2**60], 2**60 + 1)],
)
def test_a_group_without_values_leaves_the_others_as_they_are(make, values, total):
    is_masked = make is with_pandas and isinstance(total, int)
    whole = make(["a", "b", "a"], pd.array(values, "Int64") if is_masked else values)
    largest = groups(collect(lambda sdf: sdf.window(n=9).groupby("k").x.max(), whole)[-1], "x")
    assert largest == {"a": values[2], "b": None}
    totals = groups(collect(lambda sdf: sdf.groupby("k").x.sum(), whole)[-1], "x")
    assert totals == {"a": total, "b": type(total)()}


@pytest.mark.parametrize("operation", [operator.truediv, operator.floordiv, operator.mod])
@pytest.mark.parametrize("other", [2, -3, 2.5, np.int64(2)])
@pytest.mark.parametrize("values", [[7, -7, 6, -6], [7.5, -7.5, 6.0, -0.5]])
def test_arrow_divides_as_python_does(operation, other, values):
    source = Stream()
    columns = DataFrame(source, with_arrow([""], values[:1])).x
    forth = operation(columns, other).stream.sink_to_list()
    back = operation(other, columns).stream.sink_to_list()
    source.emit(with_arrow([""] * len(values), values))
    assert forth[0].to_pylist() == pytest.approx([operation(value, other) for value in values])
    assert back[0].to_pylist() == pytest.approx([operation(other, value) for value in values])


def test_rows_of_record_batches_can_be_selected():
    whole = pa.RecordBatch.from_pydict({"k": ["a", "b"], "x": [1, 2]})
    assert collect(lambda sdf: sdf[sdf.x > 1].x.sum(), whole, whole.slice(0, 0), whole) == [2, 2, 4]


@EACH_LIBRARY
def test_keys_may_be_days(make):
    days = [datetime.date(2024, 1, 2), datetime.date(2024, 1, 1)]
    counts = collect(lambda sdf: sdf.groupby("k").x.sum(), make(days, [1, 2]), make(days[:1], [3]))[-1]
    assert groups(counts, "x") == {days[1]: 2, days[0]: 4}


@EACH_LIBRARY
def test_keys_and_extremes_may_be_large(make):
    large = np.array([2**63, 5], np.uint64)
    whole = make(large, large)
    assert groups(collect(lambda sdf: sdf.groupby("k").x.sum(), whole)[-1], "x") == {5: 5, 2**63: 2**63}
    values = pd.array([2**63, None, 5], "UInt64") if make is with_pandas else [2**63, None, 5]
    if make is with_polars:
        values = pl.Series(values, dtype=pl.UInt64)
    if make is with_arrow:
        values = pa.array(values, pa.uint64())
    largest = collect(lambda sdf: sdf.groupby("k").x.max(), make(["a", "b", "a"], values))[-1]
    assert groups(largest, "x") == {"a": 2**63, "b": None}


def test_the_variance_of_complex_numbers_is_refused():
    with pytest.raises(TypeError, match="var needs numbers, and not complex ones"):
        collect(lambda sdf: sdf.window(n=9).x.var(), with_pandas(["a"], [1j]))
