"""Nodes of a program's own on an engine, as those for streamz and rapidz: they submit calls and emit futures."""

from __future__ import annotations

import asyncio
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from support import PATIENCE
from thalweg import Stream, ops
from thalweg.parallel import ParallelStream
from thalweg.tasks import Client


def tenfold(x):
    if x == 3:
        raise ValueError("three")
    return 10 * x


@ParallelStream.register_api()
class tenfold_for_tests(ParallelStream):
    def update(self, x, who=None, metadata=None):
        return self._emit(self.default_client().submit(tenfold, x), metadata=metadata)


class latest_pair(ParallelStream):
    def __init__(self, *upstreams, **kwargs):
        self.latest = {}
        super().__init__(upstreams=upstreams, **kwargs)

    def update(self, x, who=None, metadata=None):
        self.latest[self.upstreams.index(who)] = x
        if len(self.latest) == 2:
            client = self.default_client()
            return self._emit(tuple(client.submit(abs, self.latest[place]) for place in (0, 1)), metadata=metadata)
        return []


class every_other(Stream):
    """An operator that knows nothing of engines."""

    def __init__(self, upstream, **kwargs):
        self.count = 0
        super().__init__(upstream, **kwargs)

    def update(self, x, who=None, metadata=None):
        self.count += 1
        return self._emit(x, metadata=metadata) if self.count % 2 else []


# As streamz' own module `dask` makes its classes.
@ParallelStream.register_api()
class every_other_for_tests(ParallelStream, every_other):
    pass


@ParallelStream.register_api()
class pairs_for_tests(ParallelStream, ops.partition):
    pass


@ParallelStream.register_api()
class zip_for_tests(ParallelStream, ops.zip):
    pass


ENGINES = {
    "an executor": lambda: ThreadPoolExecutor(2),
    "threads": lambda: Client(n_workers=2),
    "processes": lambda: Client(n_workers=2, processes=True),
}


@pytest.fixture(params=sorted(ENGINES))
def engine(request):
    with ENGINES[request.param]() as engine:
        yield engine


def collected(build, elements, engine):
    source = Stream()
    results = build(source.scatter(engine)).gather().sink_to_list()
    source.emit_many(elements)
    source.drain(PATIENCE)
    return results


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.tenfold_for_tests(), [10, 20]),
        (lambda s: s.map(abs).tenfold_for_tests().map(str), ["10", "20"]),
        (lambda s: s.tenfold_for_tests().tenfold_for_tests(), [100, 200]),
        (lambda s: s.tenfold_for_tests().partition(2), [(10, 20)]),
        (lambda s: s.tenfold_for_tests().buffer(3).accumulate(lambda a, b: a + b), [10, 30]),
    ],
)
def test_results_of_emitted_futures_go_on_in_order(build, expected, engine):
    assert collected(build, [1, 2], engine) == expected


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.map(abs).every_other_for_tests(), [1, 3]),
        (lambda s: s.every_other_for_tests().map(str), ["-1", "-3"]),
        (lambda s: s.map(abs).pairs_for_tests(2), [(1, 2), (3, 4)]),
        (lambda s: s.map(abs).pairs_for_tests(2).map(sum), [3, 7]),
        (lambda s: s.map(abs).zip_for_tests(s.map(str)), [(1, "-1"), (2, "-2"), (3, "-3"), (4, "-4")]),
        (lambda s: s.zip_for_tests(s.map(abs)).map(sum), [0, 0, 0, 0]),
    ],
)
def test_operators_of_streams_can_be_derived_for_engines(build, expected, engine):
    assert collected(build, [-1, -2, -3, -4], engine) == expected


def test_sinks_of_such_a_node_get_the_futures(engine):
    source = Stream()
    node = source.scatter(engine).tenfold_for_tests()
    futures = node.sink_to_list()
    results = node.gather().sink_to_list()
    source.emit(1)
    source.drain(PATIENCE)
    assert results == [10] and futures[0].result(timeout=PATIENCE) == 10


def test_elements_of_several_streams_arrive_in_their_order(engine):
    source = Stream()
    scattered = source.scatter(engine)
    results = latest_pair(scattered.map(abs), scattered).map(sum).gather().sink_to_list()
    source.emit_many([-1, -2])
    source.drain(PATIENCE)
    assert results == [2, 3, 4]


@pytest.mark.parametrize("has_buffer", [False, True])
def test_a_failed_future_is_a_failure_of_its_element(has_buffer, engine):
    source = Stream()
    node = source.scatter(engine).tenfold_for_tests()
    node = node.buffer(5) if has_buffer else node
    results = node.gather().sink_to_list()
    with pytest.raises(ValueError, match="three"):
        for x in (1, 3, 5):
            source.emit(x)
        source.drain(PATIENCE)
    if not has_buffer:
        source.emit(5)
    source.drain(PATIENCE)
    assert results == [10, 50]


def test_calls_run_at_the_same_time_behind_a_buffer():
    both = Barrier(2, timeout=PATIENCE)

    class meeting(ParallelStream):
        def update(self, x, who=None, metadata=None):
            return self._emit(self.default_client().submit(both.wait), metadata=metadata)

    with ThreadPoolExecutor(2) as pool:
        source = Stream()
        results = meeting(source.scatter(pool)).buffer(2).gather().sink_to_list()
        source.emit(1)
        source.emit(2)
        source.drain(PATIENCE)
    assert sorted(results) == [0, 1]


def test_in_an_event_loop(engine):
    async def main():
        async with Stream(asynchronous=True) as source:
            results = source.scatter(engine).tenfold_for_tests().gather().sink_to_list()
            await source.emit_many([1, 2])
        return results

    assert asyncio.run(main()) == [10, 20]


def test_such_a_pipeline_is_freed(engine):
    source = Stream()
    node = source.scatter(engine).tenfold_for_tests()
    results = node.gather().sink_to_list()
    source.emit(1)
    source.drain(PATIENCE)
    freed = weakref.ref(node)
    del source, node
    gc.collect()
    assert freed() is None and results == [10]


def test_the_client_is_the_one_that_was_named():
    with ThreadPoolExecutor(1) as pool:
        assert Stream().scatter(pool).map(abs).default_client() is pool
        assert Stream().scatter(backend=lambda: pool).default_client() is pool
