"""Aggregations on engines: batch states are computed there in parallel and merged in order."""

from __future__ import annotations

import pickle
import threading

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from support import PATIENCE  # noqa: E402
from thalweg import Stream  # noqa: E402
from thalweg.dataframe.aggregations import Mergeable  # noqa: E402
from thalweg.tasks import Client  # noqa: E402

EXAMPLE = pd.DataFrame({"k": [0], "x": [0.0]}, index=pd.to_datetime(["2024"]))

BUILDS = {
    "total": lambda sdf: sdf.x.sum(),
    "window": lambda sdf: sdf.window(n=5).x.mean(),
    "duration": lambda sdf: sdf.window(value="4s").x.std(),
    "group": lambda sdf: sdf.groupby("k").x.mean(),
    "group of a window": lambda sdf: sdf.window(n=5).groupby(sdf.k % 2).x.sum(),
    "rolling": lambda sdf: sdf.rolling("4s").x.mean(),
    "running": lambda sdf: sdf.x.cumsum(),
    "weighted": lambda sdf: sdf.ewm(com=1).x.mean(),
    "counts": lambda sdf: sdf.k.value_counts(),
}


def pieces():
    index = pd.date_range("2024", periods=24, freq="1s")
    whole = pd.DataFrame({"k": np.arange(24) % 3, "x": np.arange(24.0)}, index=index)
    return [whole.iloc[i : i + 3] for i in range(0, 24, 3)]


def as_text(results):
    return [result.to_string() if hasattr(result, "to_string") else round(float(result), 9) for result in results]


@pytest.fixture(scope="module", params=["threads", "processes"])
def engine(request):
    with Client(n_workers=2, processes=request.param == "processes", set_as_default=False) as client:
        yield client


@pytest.mark.parametrize("name", sorted(BUILDS))
def test_results_match_those_without_an_engine(engine, name):
    found = []
    for scatter in (lambda source: source, lambda source: source.scatter(engine)):
        source = Stream()
        results = BUILDS[name](scatter(source).to_dataframe(EXAMPLE)).stream.gather().sink_to_list()
        source.emit_many(pieces())
        source.drain()
        found.append(as_text(results))
    assert len(found[0]) == 8
    assert found[1] == found[0]


class Meeting(Mergeable):
    """A total whose batches wait for each other: it hangs unless they are processed in parallel."""

    def __init__(self, barrier):
        self.barrier = barrier

    def partial(self, rows):
        if len(rows) > 1:
            self.barrier.wait(PATIENCE)
        return rows.x.sum()

    def merge(self, a, b):
        return a + b


def test_batches_are_processed_in_parallel():
    with Client(n_workers=2, set_as_default=False) as client:
        source = Stream()
        sdf = source.scatter(client).to_dataframe(EXAMPLE)
        results = sdf.aggregate(Meeting(threading.Barrier(2))).stream.gather().sink_to_list()
        source.emit_many(pieces())
        source.drain()
        assert results[-1] == sum(range(24))


def test_steps_and_states_can_be_pickled():
    from thalweg.dataframe.reductions import GroupReduction
    from thalweg.dataframe.sliding import LastRows
    from thalweg.dataframe.statistics import Mean

    step = LastRows(GroupReduction(Mean(), EXAMPLE, ["k"], ["k"], "x"), 7)
    state = None
    for piece in pieces():
        step, state = pickle.loads(pickle.dumps((step, state)))
        state, result = step(state, piece)
    expected = pd.concat(pieces()).iloc[-7:].groupby("k").x.mean()
    pd.testing.assert_series_equal(result, expected)
