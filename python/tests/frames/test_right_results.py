"""Results that are easy to get wrong, compared with pandas on all rows at once."""

from __future__ import annotations

import math
import pickle

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from thalweg.dataframe import Aggregation, DataFrame, Mergeable, Series  # noqa: E402


def frame(rows, index=None, **columns):
    return pd.DataFrame(columns or {"x": rows}, index=index)


def at(*minutes, tz=None):
    return pd.DatetimeIndex([pd.Timestamp("2024-03-31 00:30", tz=tz) + pd.Timedelta(minutes=m) for m in minutes])


def collect(build, *pieces, example=None):
    sdf = DataFrame(example=pieces[0].iloc[:0] if example is None else example)
    results = build(sdf).stream.sink_to_list()
    for piece in pieces:
        sdf.emit(piece)
    return results


@pytest.mark.parametrize("statistic", ["var", "std"])
def test_the_variance_of_fewer_than_two_values_is_missing(statistic):
    results = collect(lambda sdf: getattr(sdf.x.expanding(), statistic)(), frame([]), frame([1.0]), frame([3.0]))
    assert math.isnan(results[0]) and math.isnan(results[1])
    assert results[2] == (2.0 if statistic == "var" else math.sqrt(2))


def test_the_variance_of_large_numbers_is_precise():
    results = collect(lambda sdf: sdf.window(n=2).x.var(), frame([1e9, 1e9 + 1]), frame([1e9 + 2]))
    assert results == [0.5, 0.5]


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64"])
def test_the_mean_of_large_integers_does_not_overflow(dtype):
    def large(count):
        return frame(None, x=pd.array([1_700_000_000 * 10**9] * count, dtype), name=["a"] * count)

    expected = pytest.approx(1.7e18)
    assert collect(lambda sdf: sdf.x.mean(), large(6), large(6))[-1] == expected
    assert collect(lambda sdf: sdf.window(n=8).x.mean(), large(6), large(6))[-1] == expected
    assert collect(lambda sdf: sdf.groupby("name").x.mean(), large(6), large(6))[-1].tolist() == [expected]


def test_infinities_leave_the_window_with_their_row():
    assert collect(lambda sdf: sdf.window(n=1).x.sum(), frame([math.inf]), frame([2.0])) == [math.inf, 2.0]


def test_rounding_errors_do_not_accumulate_in_a_window():
    results = collect(lambda sdf: sdf.window(n=1).x.sum(), frame([1e16]), *[frame([0.1])] * 10)
    assert results[-1] == 0.1


@pytest.mark.parametrize("has_loops", [True, False])
@pytest.mark.parametrize("statistic", ["sum", "mean", "count"])
@pytest.mark.parametrize("window", [2, "2min"])
def test_rounding_errors_do_not_spread_in_a_rolling_window(statistic, window, has_loops, monkeypatch):
    if not has_loops:
        monkeypatch.setattr("thalweg.dataframe.rolling._LOOPS", {})
    whole = frame([1e16, 1.0, 1.0, 0.0, 0.0, None, 0.1, 0.1, 0.0, 0.0], at(*range(10)))
    expected = getattr(whole.x.rolling(window), statistic)()
    for pieces in ([whole], [whole[:3], whole[3:]], [whole[i : i + 1] for i in range(10)]):
        results = collect(lambda sdf: getattr(sdf.rolling(window).x, statistic)(), *pieces)
        assert np.array_equal(pd.concat(results), expected, equal_nan=True)


def test_a_gap_empties_the_window():
    results = collect(
        lambda sdf: sdf.window(value="10min").x.sum(), frame([1, 2], at(0, 1)), frame([4], at(60)), frame([8], at(61))
    )
    assert results == [3, 4, 12]


def test_late_rows_count_if_they_are_in_the_window():
    pieces = frame([1], at(10)), frame([2, 4], at(3, 7)), frame([8], at(12)), frame([16, 32], at(9, 20))
    assert collect(lambda sdf: sdf.window(value="5min").x.sum(), *pieces) == [1, 5, 9, 32]
    rows = collect(lambda sdf: sdf.window(value="5min").x.full(), *pieces)
    assert [list(found) for found in rows] == [[1], [1, 4], [1, 8], [32]]


def test_rows_without_a_time_are_in_no_time_window():
    index = pd.DatetimeIndex(["2024-01-01", None])
    assert collect(lambda sdf: sdf.window(value="1h").x.sum(), frame([1, 2], index)) == [1]


def test_windows_span_a_daylight_saving_change():
    pieces = [frame([n], at(15 * n, tz="Europe/Berlin")) for n in range(1, 6)]
    assert collect(lambda sdf: sdf.window(value="31min").x.sum(), *pieces) == [1, 3, 6, 9, 12]


def test_times_keep_their_zone():
    moments = pd.date_range("2024", periods=3, tz="Europe/Berlin")
    pieces = [frame(None, k=["a"], x=[moment]) for moment in moments]
    assert collect(lambda sdf: sdf.window(n=2).x.min(), *pieces)[-1] == moments[1]
    latest = collect(lambda sdf: sdf.groupby("k").x.max(), *pieces)[-1]
    pd.testing.assert_series_equal(latest, pd.concat(pieces).groupby("k").x.max(), check_dtype=False)
    assert latest.dt.tz is not None


def test_a_column_assigned_to_a_selection_is_included():
    sdf = DataFrame(example=frame(None, x=[1], y=[1]))
    picked = sdf[["x"]]
    picked["z"] = picked.x * 2
    totals = picked.sum().stream.sink_to_list()
    sdf.emit(frame(None, x=[3], y=[5]))
    assert totals[-1].to_dict() == {"x": 3, "z": 6}


def test_rows_with_the_same_index_are_all_counted():
    pieces = frame([1, 2], at(0, 0)), frame([4], at(0))
    assert collect(lambda sdf: sdf.window(value="1min").x.sum(), *pieces) == [3, 7]
    assert collect(lambda sdf: sdf.cumsum(), *pieces)[-1].x.tolist() == [7]


def test_a_value_window_over_a_numeric_index():
    pieces = frame([1, 2], [10, 11]), frame([4], [13])
    assert collect(lambda sdf: sdf.window(value=3).x.sum(), *pieces) == [3, 6]


def test_summing_text_concatenates_in_order():
    pieces = frame(["a", "b"]), frame([]).astype(object), frame(["c", None])
    assert collect(lambda sdf: sdf.x.sum(), *pieces) == ["ab", "ab", "abc"]
    assert collect(lambda sdf: sdf.window(n=3).x.sum(), *pieces)[-1] == "bc"
    assert collect(lambda sdf: sdf.window(n=3).x.min(), *pieces)[-1] == "b"


def test_the_mean_of_text_is_refused_when_the_pipeline_is_built():
    with pytest.raises(TypeError, match="column 's': mean needs numbers, and not text"):
        DataFrame(example=frame(None, s=["a"], x=[1])).mean()


def test_integers_stay_integers():
    pieces = frame(None, k=["a", "b"], x=[1, 2]), frame(None, k=["c"], x=[2**60])
    totals = collect(lambda sdf: sdf.groupby("k").x.sum(), *pieces)[-1]
    assert totals.dtype == "int64" and totals.to_dict() == {"a": 1, "b": 2, "c": 2**60}
    totals = collect(lambda sdf: sdf.window(n=2).groupby("k").x.sum(), *pieces)[-1]
    assert totals.dtype == "int64" and totals.to_dict() == {"b": 2, "c": 2**60}


def test_groups_disappear_with_their_rows():
    pieces = frame(None, k=["a", "b"], x=[1, 2]), frame(None, k=["b", "c"], x=[3, 4])
    results = collect(lambda sdf: sdf.window(n=2).groupby("k").size(), *pieces)
    assert [found.to_dict() for found in results] == [{"a": 1, "b": 1}, {"b": 1, "c": 1}]


def test_rows_without_a_key_count_for_the_window_only():
    pieces = frame(None, k=["a", None], x=[1, 2]), frame(None, k=[np.nan, "a"], x=[3, 4])
    assert collect(lambda sdf: sdf.groupby("k").x.sum(), *pieces)[-1].to_dict() == {"a": 5}
    assert collect(lambda sdf: sdf.window(n=3).groupby("k").x.sum(), *pieces)[-1].to_dict() == {"a": 4}
    only = frame(None, k=pd.array([None], dtype="Int64"), x=[1])
    assert collect(lambda sdf: sdf.groupby("k").x.sum(), only)[-1].empty


@pytest.mark.parametrize("n", [2, 10])
def test_categorical_keys_keep_their_categories(n):
    categories = pd.CategoricalDtype(["low", "high", "never"], ordered=True)
    pieces = [
        frame(None, k=pd.Categorical(k, dtype=categories), x=x) for k, x in ((["high", "low"], [1, 2]), (["high"], [4]))
    ]
    found = collect(lambda sdf: sdf.window(n=n).groupby("k").x.sum(), *pieces)[-1]
    expected = pd.concat(pieces).iloc[-n:].groupby("k", observed=True).x.sum()
    pd.testing.assert_series_equal(found, expected)


def test_names_of_the_index_are_kept():
    piece = frame(None, k=["a"], x=[1]).rename_axis("row")
    result = collect(lambda sdf: sdf.groupby(["k", sdf.x % 2]).x.count(), piece)[-1]
    assert result.index.names == ["k", "x"] and result.name == "x"
    assert collect(lambda sdf: sdf.groupby("row").x.sum(), piece)[-1].index.name == "row"


def test_the_size_of_a_group_is_a_number_of_rows():
    pieces = frame(None, k=["a"], x=[1], y=[None]), frame(None, k=["a"], x=[1], y=[None])
    assert collect(lambda sdf: sdf.groupby("k").size(), *pieces)[-1].to_dict() == {"a": 2}
    assert collect(lambda sdf: sdf.size, *pieces) == [3, 6]


def test_columns_may_be_in_another_order():
    pieces = frame(None, x=[1], y=[10]), frame(None, y=[20], x=[2])
    totals = collect(lambda sdf: sdf.sum(), *pieces)[-1]
    assert totals.to_dict() == {"x": 3, "y": 30} and list(totals.index) == ["x", "y"]


def test_empty_batches_do_not_fix_types():
    pieces = frame([]), frame([1]), frame([]), frame([2])
    assert collect(lambda sdf: sdf.x.sum(), *pieces) == [0, 1, 1, 3]
    keyed = frame(None, k=[], x=[]), frame(None, k=["a"], x=[1])
    assert collect(lambda sdf: sdf.groupby("k").x.sum(), *keyed)[-1].to_dict() == {"a": 1}


@pytest.mark.parametrize("change", ["users", "ours"])
def test_results_share_no_memory_with_user_frames(change):
    sdf = DataFrame(example=frame([1.0]))
    totals, rows = sdf.window(n=3).x.sum().stream.sink_to_list(), sdf.window(n=3).full().stream.sink_to_list()
    means = sdf.groupby(sdf.index).x.sum().stream.sink_to_list()
    first = frame([1.0, 2.0, 4.0])
    sdf.emit(first)
    if change == "users":
        first.loc[:, "x"] = 100.0
    else:
        rows[-1].loc[:, "x"] = 100.0
        means[-1].iloc[:] = 100.0
    sdf.emit(frame([8.0]))
    assert totals[-1] == 14.0 and rows[-1].x.tolist() == [2.0, 4.0, 8.0]
    assert means[-1].tolist() == [9.0, 2.0, 4.0]


def test_booleans_are_counted_and_summed_over_batches():
    assert collect(lambda sdf: sdf.x.cumsum(), frame([True, True]), frame([True]))[-1].tolist() == [3]
    assert collect(lambda sdf: sdf.x.mean(), frame([True, False]), frame([True]))[-1] == pytest.approx(2 / 3)


def test_a_missing_value_at_the_end_of_a_batch_does_not_stop_a_running_total():
    results = collect(lambda sdf: sdf.x.cumsum(), frame([1.0, None]), frame([2.0]))
    assert results[-1].tolist() == [3.0]


def test_masked_numbers_and_durations():
    masked = frame(None, x=pd.array([1, None, 3], dtype="Int64"))
    assert collect(lambda sdf: sdf.x.sum(), masked, masked)[-1] == 8
    assert collect(lambda sdf: sdf.x.mean(), masked, masked)[-1] == 2.0
    durations = frame(pd.to_timedelta(["1s", "3s"]))
    assert collect(lambda sdf: sdf.x.sum(), durations, durations)[-1] == pd.Timedelta("8s")
    assert collect(lambda sdf: sdf.x.expanding().max(), durations)[-1] == pd.Timedelta("3s")


def test_rolling_over_a_duration_requires_ordered_times():
    with pytest.raises(ValueError, match="ascending order"):
        collect(lambda sdf: sdf.rolling("1h").x.sum(), frame([1], at(5)), frame([2], at(4)))


def test_rolling_honours_min_periods():
    results = collect(lambda sdf: sdf.rolling(3, min_periods=2).x.sum(), frame([1, 2]), frame([3]))
    np.testing.assert_equal(np.concatenate(results), [np.nan, 3, 6])


def test_a_long_batch_leaves_the_window_row_by_row():
    whole = frame(np.arange(20_000))
    sdf = DataFrame(example=whole.iloc[:0])
    results = sdf.window(n=10_000).x.sum().stream.sink_to_list()
    sdf.emit(whole)
    for value in range(500):
        sdf.emit(frame([value]))
    assert results[-1] == whole.x.iloc[-9_500:].sum() + sum(range(500))


@pytest.mark.parametrize("window", [{"n": 3}, {"value": "5min"}])
def test_a_window_resumes_from_its_state_in_another_process(window):
    sdf = DataFrame(example=frame([0], at(0)))
    results = sdf.window(**window, with_state=True).x.sum().stream.sink_to_list()
    for minute in range(4):
        sdf.emit(frame([2**minute], at(minute)))
    state, total = pickle.loads(pickle.dumps(results[-2]))
    assert total == 7
    again = DataFrame(example=frame([0], at(0)))
    more = again.window(**window, with_state=True, start=state).x.sum().stream.sink_to_list()
    again.emit(frame([8], at(3)))
    assert more[-1][1] == results[-1][1]


def test_custom_aggregations_work_everywhere():
    class Longest(Mergeable):
        def partial(self, rows):
            return max(map(len, rows), default=0)

        def merge(self, a, b):
            return max(a, b)

    class Rows(Aggregation):
        def initial(self, new):
            return 0

        def on_new(self, state, new):
            return state + len(new), state + len(new)

        def on_old(self, state, old):
            return state - len(old), state - len(old)

    words = pd.Series(["a", "bbb"]), pd.Series(["cc"])
    for build, expected in [
        (lambda s: s.aggregate(Longest()), [3, 3]),
        (lambda s: s.window(n=1).aggregate(Longest()), [3, 2]),
        (lambda s: s.aggregate(Rows()), [2, 3]),
        (lambda s: s.window(n=2).aggregate(Rows()), [2, 2]),
        (lambda s: s.expanding().aggregate(Rows()), [2, 3]),
    ]:
        series = Series(example=words[0])
        results = build(series).stream.sink_to_list()
        for piece in words:
            series.emit(piece)
        assert results == expected


@pytest.mark.parametrize("arguments", [{}, {"n": 1, "value": "1s"}, {"n": 0}, {"value": "0s"}, {"value": -1}])
def test_invalid_windows_are_refused(arguments):
    with pytest.raises((TypeError, ValueError), match="window needs"):
        DataFrame(example=frame([1])).window(**arguments)


@pytest.mark.parametrize("window", [0, -1, "0s", 2.0, True, None])
def test_invalid_windows_of_rolling_are_refused(window):
    with pytest.raises((TypeError, ValueError), match="rolling needs"):
        DataFrame(example=frame([1])).rolling(window)


@pytest.mark.parametrize("number", [2, 2.0, np.int64(2), np.float64(2), np.float32(2)])
def test_the_length_of_a_window_by_numbers_is_any_number(number):
    assert collect(lambda sdf: sdf.window(value=number).x.sum(), frame([1, 2, 4, 8]))[-1] == 12


@pytest.mark.parametrize(
    "group",
    [
        lambda frame: frame.groupby(frame.name),
        lambda frame: frame.groupby(frame["name"]),
        lambda frame: frame[["name", "x"]].groupby(frame.name),
        lambda frame: frame.groupby([frame.name]),
    ],
)
@pytest.mark.parametrize("window", [lambda frame: frame, lambda frame: frame.window(n=9)])
def test_a_column_of_the_frame_that_it_is_grouped_by_is_a_key(group, window):
    batch = pd.DataFrame({"name": ["a", "b", "a"], "x": [1, 2, 4]})
    frame = DataFrame(example=batch)
    # Text has no mean.
    means = group(window(frame)).mean().stream.sink_to_list()
    frame.emit(batch)
    pd.testing.assert_frame_equal(means[-1], batch.groupby(batch.name).mean())


def test_a_column_made_of_one_that_it_is_grouped_by_is_aggregated():
    batch = pd.DataFrame({"k": [1, 2, 1], "x": [1.0, 2.0, 4.0]})
    frame = DataFrame(example=batch)
    sums = frame.groupby(frame.k % 2).sum().stream.sink_to_list()
    frame.emit(batch)
    pd.testing.assert_frame_equal(sums[-1], batch.groupby(batch.k % 2).sum())
