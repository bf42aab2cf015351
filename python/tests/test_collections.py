"""`Streaming`, `Batch` and the data frames."""

from __future__ import annotations

import operator

import pytest

core = pytest.importorskip("thalweg.core")

from thalweg.batch import Batch  # noqa: E402
from thalweg.collection import Streaming, map_partitions  # noqa: E402

from thalweg import Stream, VirtualClock  # noqa: E402


def test_operators_with_a_collection_on_either_side():
    numbers = Streaming(example=1)
    expected = []
    results = []
    for name in ["add", "and", "floordiv", "lshift", "mod", "mul", "or", "pow", "rshift", "sub", "truediv", "xor"]:
        operation = getattr(operator, name + "_" if name in ("and", "or") else name)
        for expression, value in ((operation(numbers, 2), operation(7, 2)), (operation(2, numbers), operation(2, 7))):
            expected.append(value)
            results.append(expression.stream.sink_to_list())
    for operation in (operator.neg, operator.invert, abs):
        expected.append(operation(7))
        results.append(operation(numbers).stream.sink_to_list())
    for operation in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        expected.append(operation(7, 3))
        results.append(operation(numbers, 3).stream.sink_to_list())
    numbers.emit(7)
    assert results == [[value] for value in expected]


def test_operations_on_two_collections():
    a, b = Streaming(example=1), Streaming(example=1)
    results = map_partitions(lambda *args: args, a, 10, b, [20]).stream.sink_to_list()
    a.emit(1)
    a.emit(2)
    assert results == []
    b.emit(3)
    assert results == [(1, 10, 3, [20])]


def test_a_collection_that_is_not_the_first_argument():
    numbers = Streaming(example=[1])
    results = map_partitions(lambda *args: args, "a", numbers, "b", example=()).stream.sink_to_list()
    numbers.emit([2])
    assert results == [("a", [2], "b")]


def test_the_type_of_a_result_follows_the_example():
    numbers = Batch()
    assert type(numbers.map(str)) is Batch
    assert type(numbers.sum()) is Streaming
    assert type(map_partitions(len, numbers, example=[])) is Batch


def test_an_updating_collection_stays_updating():
    new, newest = Streaming(example=1), Streaming(example=1, stream_type="updating")
    assert (newest + 1)._stream_type == "updating"
    assert (newest + new)._stream_type == "streaming"
    assert map_partitions(operator.neg, newest, stream_type="streaming")._stream_type == "streaming"


def test_accumulation_with_arguments():
    numbers = Streaming(example=1)
    function = lambda state, x, factor, offset: (state + x, (state + x) * factor + offset)  # noqa: E731
    results = numbers.accumulate_partitions(function, 10, start=0, returns_state=True, offset=1).stream.sink_to_list()
    for x in (1, 2):
        numbers.emit(x)
    assert results == [11, 31]


def test_accumulation_without_a_start_value():
    numbers = Streaming(example=1)
    results = numbers.accumulate_partitions(operator.add).stream.sink_to_list()
    for x in (1, 2):
        numbers.emit(x)
    assert results == [1, 3]


def test_collections_are_hashed_by_identity():
    a, b = Streaming(example=1), Streaming(example=1)
    assert len({a, b, a}) == 2


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Streaming(), TypeError, "needs an example"),
        (lambda: Streaming(example=1, stream_type="fast"), ValueError, "'fast'"),
        (lambda: Batch(example=3), TypeError, "a list or a tuple, and not int: 3"),
        (lambda: map_partitions(len, [1]), TypeError, "needs a streaming collection among the arguments of len"),
        (lambda: Batch().emit(3), TypeError, "not int: 3"),
    ],
)
def test_errors_are_raised_at_once(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_the_repr_shows_an_example():
    assert repr(Batch(example=["<a>"])) == "Batch - elements like:\n['<a>']"
    assert "&lt;a&gt;" in Batch(example=["<a>"])._repr_html_()


class TestDataFrames:
    pd = pytest.importorskip("pandas")

    @pytest.fixture
    def points(self):
        from thalweg.dataframe import DataFrame

        return DataFrame(example={"x": [0.0], "y": [0.0]})

    def frame(self, x, y):
        return self.pd.DataFrame({"x": x, "y": y})

    def test_columns_can_be_set(self, points):
        points["z"] = points.x + points["y"]
        points["w"] = 1
        points[["a", "b"]] = points[["x", "y"]]
        assert list(points.columns) == ["x", "y", "z", "w", "a", "b"]
        source = points.stream
        while source.upstreams:
            source = source.upstreams[0]
        results = points.stream.sink_to_list()
        source.emit(self.frame([1.0], [2.0]))
        assert results[0].values.tolist() == [[1, 2, 3, 1, 1, 2]]

    def test_a_frame_is_built_from_series(self, points):
        from thalweg.dataframe import DataFrame

        results = DataFrame({"sum": points.x + points.y, "x": points.x}).stream.sink_to_list()
        points.emit(self.frame([1.0, 2.0], [3.0, 4.0]))
        assert results[0].to_dict("list") == {"sum": [4, 6], "x": [1, 2]}

    def test_totals(self, points):
        totals = [getattr(points, name)().stream.sink_to_list() for name in ("sum", "count", "mean")]
        sizes = points.size.stream.sink_to_list()
        points.emit(self.frame([1.0, 2.0], [10.0, None]))
        points.emit(self.frame([3.0], [20.0]))
        assert [[total.to_dict() for total in kind] for kind in totals] == [
            [{"x": 3, "y": 10}, {"x": 6, "y": 30}],
            [{"x": 2, "y": 1}, {"x": 3, "y": 2}],
            [{"x": 1.5, "y": 10}, {"x": 2, "y": 15}],
        ]
        assert sizes == [4, 6]

    def test_each_total_replaces_the_previous_one(self, points):
        from thalweg.dataframe import Seriess

        total = points.sum()
        assert isinstance(total, Seriess)
        largest = total.nlargest(1).stream.sink_to_list()
        points.emit(self.frame([1.0, 2.0], [10.0, 20.0]))
        assert largest[0].to_dict() == {"y": 30}

    def test_rows_and_types(self, points):
        results = points.set_index("x").tail(1).round(1).astype(int).reset_index().stream.sink_to_list()
        points.emit(self.frame([1.0, 2.0], [3.14, 7.04]))
        assert results[0].to_dict("list") == {"x": [2], "y": [7]}

    def test_errors_are_raised_when_the_pipeline_is_built(self, points):
        from thalweg.dataframe import Index, Series

        with pytest.raises(AttributeError, match="no column 'w'"):
            _ = points.w
        with pytest.raises(KeyError):
            _ = points["w"]
        with pytest.raises(IndexError, match=r"column 'x': expected float64, found none; the batch has \['y'\]"):
            points.emit(self.pd.DataFrame({"y": [1]}))
        with pytest.raises(TypeError, match="Series needs an example of its kind, and not list"):
            Series(example=[1])
        with pytest.raises(TypeError, match="Index needs an example of its kind, and not Series"):
            Index(example=self.pd.Series([1]))
        assert {"x", "y", "tail"} <= set(dir(points))


def test_empty_batches_become_frames_without_rows():
    clock = VirtualClock()
    source = Stream(loop=clock)
    batches = source.timed_window("1s").to_batch(example=[{"x": 0}])
    totals = batches.to_dataframe().x.sum().stream.sink_to_list()
    clock.advance("2.5s")
    source.emit({"x": 2})
    clock.advance("1s")
    assert totals == [0, 0, 2]
