"""The names and arguments of streamz's data frames."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest

pd = pytest.importorskip("pandas")
pytest.importorskip("streamz")

from test_names_of_peers import public_names, takes  # noqa: E402
from thalweg import Stream, VirtualClock  # noqa: E402
from thalweg.dataframe import DataFrame, DataFrames, PeriodicDataFrame, Random, Seriess, Window  # noqa: E402

#: Functions that streamz passes to `accumulate`; thalweg has classes instead.
INSIDE = {
    "diff_align",
    "groupby_accumulator",
    "rolling_accumulator",
    "windowed_groupby_accumulator",
}

NAMES = [
    (module, name)
    for module in ("core", "aggregations", "utils")
    for name in public_names(importlib.import_module(f"streamz.dataframe.{module}"))
    if name not in INSIDE
]

EXAMPLE = pd.DataFrame({"x": [1.0], "k": ["a"]}, index=pd.to_datetime(["2024"]))


def parameters(function):
    return list(inspect.signature(function).parameters.values())


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_every_name_of_streamz_exists_here(module, name):
    theirs = getattr(importlib.import_module(f"streamz.dataframe.{module}"), name)
    ours = getattr(importlib.import_module(f"thalweg.dataframe.{module}"), name)
    if inspect.isfunction(theirs) or (inspect.isclass(theirs) and "__init__" in vars(theirs)):
        assert not takes(ours, parameters(theirs))
    # Methods of aggregations are called only by streamz itself.
    methods = vars(theirs) if inspect.isclass(theirs) and module == "core" else {}
    for method, function in methods.items():
        if not method.startswith("_"):
            assert hasattr(ours, method)
            if inspect.isfunction(function):
                assert not takes(getattr(ours, method), parameters(function))


@pytest.mark.parametrize(
    "expression",
    [
        lambda sdf: sdf.window(n=2).groupby("k").x.var(),
        lambda sdf: sdf.window("2h").x.value_counts(),
        lambda sdf: sdf.expanding().groupby("k").x.mean(),
        lambda sdf: (sdf.window(n=2).x * 2).mean(),
        lambda sdf: sdf.window(n=2)[sdf.window(n=2).x > 0].count(),
        lambda sdf: sdf.window(n=2).index.max(),
    ],
)
def test_each_batch_replaces_the_result_of_a_window(expression):
    result = expression(DataFrame(example=EXAMPLE))
    assert result._stream_type == "updating"


def test_updating_results_can_be_processed_further():
    sdf = DataFrame(example=EXAMPLE)
    totals = sdf.groupby("k").x.sum()
    assert isinstance(totals, Seriess) and isinstance(sdf.groupby("k").sum(), DataFrames)
    best = totals.nlargest(1).stream.sink_to_list()
    sdf.emit(pd.DataFrame({"x": [1.0, 3.0], "k": ["a", "b"]}, index=pd.to_datetime(["2024", "2025"])))
    assert best[-1].to_dict() == {"b": 3.0}


def test_columns_of_windows_are_attributes():
    window = DataFrame(example=EXAMPLE).window(n=2)
    assert isinstance(window.x, Window) and list(window.columns) == ["x", "k"]
    for thing in (window, window.groupby("k"), DataFrame(example=EXAMPLE).rolling(2)):
        with pytest.raises(AttributeError, match="no attribute and no column 'y'"):
            thing.y  # noqa: B018


def test_plots_need_hvplot_and_install_as():
    if "hvplot" in sys.modules:
        pytest.skip("hvplot is here")
    with pytest.raises(ImportError, match="hvplot"):
        DataFrame(example=EXAMPLE).plot  # noqa: B018


def test_frames_made_at_intervals_are_aggregated():
    def gauge(now, **_):
        return pd.DataFrame({"x": [1.0]}, index=[now])

    levels = PeriodicDataFrame(gauge, interval="1s", start=False)
    assert levels.window("10s").x.sum().example == 1.0


@pytest.mark.parametrize("wrong", ["sum", sum, None, {"x": "sum"}])
def test_what_is_no_aggregation_is_refused(wrong):
    for frame in (DataFrame(example=EXAMPLE), DataFrame(example=EXAMPLE).window(n=2)):
        with pytest.raises(TypeError, match="aggregate: an aggregation"):
            frame.aggregate(wrong)


def test_rows_wait_at_most_the_given_time():
    clock = VirtualClock()
    source = Stream(loop=clock)
    totals = source.to_dataframe(EXAMPLE, interval="1s").x.sum().stream.sink_to_list()
    both = source.to_dataframe(EXAMPLE, n=3, interval="5s").x.sum().stream.sink_to_list()
    for _ in range(2):
        source.emit({"x": 1.0, "k": "a"})
    clock.advance("2s")
    assert totals == [2.0] and both == []
    clock.advance("4s")
    assert totals == [2.0] and both == [2.0]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda sdf: sdf.groupby(None), TypeError, "groupby needs .*None"),
        (lambda sdf: sdf.groupby([]), TypeError, r"groupby needs .*\[\]"),
        (lambda sdf: sdf.groupby(["k", None]), TypeError, "groupby needs .*None"),
        (lambda sdf: sdf.groupby("k").x.std(ddof="1"), TypeError, "ddof.*'1'"),
        (lambda sdf: sdf.window(n=2).x.var(ddof=None), TypeError, "ddof.*None"),
        (lambda sdf: sdf.rolling(2, min_periods="1"), TypeError, "min_periods.*'1'"),
        (lambda sdf: sdf.rolling(2, min_periods=1.5), TypeError, "min_periods.*1.5"),
        (lambda sdf: sdf.rolling(2, min_periods=-1), ValueError, "min_periods.*-1"),
        (lambda sdf: sdf.rolling(2, min_periods=3), ValueError, "min_periods.*3"),
        (lambda sdf: sdf.ewm(com="1"), TypeError, "com has to be a number.*'1'"),
        (lambda sdf: PeriodicDataFrame(sdf), TypeError, "PeriodicDataFrame: `datafn`.*DataFrame"),
        (lambda _: Random(freq=0), ValueError, "freq.*0"),
        (lambda _: Random(freq="-1s"), ValueError, "freq.*-1s"),
        (lambda sdf: sdf.ewm(halflife="1s"), TypeError, "halflife has to be a number.*'1s'"),
    ],
)
def test_wrong_arguments_are_named(build, error, message):
    with pytest.raises(error, match=message):
        build(DataFrame(example=EXAMPLE))


def test_a_rolling_window_may_have_any_number_of_rows():
    frames = DataFrame(example=EXAMPLE)
    results = frames.rolling(10**20, min_periods=1).x.sum().stream.sink_to_list()
    frames.emit(EXAMPLE)
    assert results[0].tolist() == EXAMPLE.x.cumsum().tolist()
