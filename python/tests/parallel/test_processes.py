"""Streams on worker processes: pickling, failures, policies and dying workers."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from operator import add

import pytest

pytest.importorskip("thalweg.core")

from support import PATIENCE
from thalweg import Retry, Stream
from thalweg.parallel.remote import watch
from thalweg.tasks import Client
from thalweg.tasks.errors import KilledWorker, UnpicklableError


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def client():
    with Client(n_workers=2, processes=True, set_as_default=False) as client:
        yield client


@pytest.fixture(scope="module")
def pool():
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        yield pool


@pytest.fixture(params=["processes", "process pool"])
def engine(request):
    return request.getfixturevalue("client" if request.param == "processes" else "pool")


def collected(build, engine, inputs=range(5)):
    source = Stream()
    L = build(source.scatter(engine)).gather().sink_to_list()
    source.emit_many(inputs)
    source.drain()
    return L


def pid(x):
    return os.getpid()


def fail_on_2(x):
    if x == 2:
        raise ArithmeticError("two")
    return x


def test_functions_run_in_other_processes(engine):
    assert os.getpid() not in collected(lambda s: s.map(pid).buffer(3), engine)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.map(add, 1), [1, 2, 3, 4, 5]),
        (lambda s: s.map(lambda x: (x, 2)).starmap(pow), [0, 1, 4, 9, 16]),
        (lambda s: s.filter(lambda x: x % 2), [1, 3]),
        (lambda s: s.filter(None), [1, 2, 3, 4]),
        (lambda s: s.map(lambda x: {"a": x, "b": 1}).pluck("a"), [0, 1, 2, 3, 4]),
        (lambda s: s.map(lambda x: (x, 1, 2)).pluck([0, 2]), [(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)]),
        (lambda s: s.unique(key=lambda x: x // 2), [0, 2, 4]),
        (lambda s: s.map(range).flatten(), [0, 0, 1, 0, 1, 2, 0, 1, 2, 3]),
        (lambda s: s.accumulate(add), [0, 1, 3, 6, 10]),
        (lambda s: s.accumulate(add, start=10, with_state=True).pluck(1), [10, 11, 13, 16, 20]),
        (lambda s: s.accumulate(lambda n, x: (n + 1, (n, x)), start=0, returns_state=True).pluck(0), [0, 1, 2, 3, 4]),
        (lambda s: s.map(add, 1).zip(s.map(add, 2)), [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6)]),
        (lambda s: s.map(add, 1).union(s.filter(lambda x: x == 4)), [1, 2, 3, 4, 5, 4]),
    ],
)
def test_every_operator_runs_in_processes(engine, build, expected):
    assert sorted(collected(build, engine), key=repr) == sorted(expected, key=repr)


def test_an_async_def_is_awaited_in_the_worker(engine):
    async def later(x):
        await asyncio.sleep(0)
        return x + 1

    assert collected(lambda s: s.map(later), engine) == [1, 2, 3, 4, 5]


def test_a_failure_names_its_node_and_has_its_traceback(engine):
    source = Stream()
    L = source.scatter(engine).map(add, 1).map(fail_on_2).buffer(10).gather().sink_to_list()
    with pytest.raises(ArithmeticError, match="two") as caught:
        # The first call afterwards raises.
        for x in range(4):
            source.emit(x)
        source.drain()
    source.drain()
    assert L in ([1, 3, 4], [1, 3], [1])
    assert caught.value.__notes__ == ["in map(fail_on_2), on element 2: 2"]
    assert "in fail_on_2" in str(caught.value.__cause__)


def test_policies_apply_in_processes(engine, tmp_path):
    def unreliable(x):
        path = tmp_path / str(x)
        with path.open("a") as file:
            file.write(".")
        if path.stat().st_size < 3:
            raise OSError("not yet")
        return x

    assert collected(lambda s: s.map(unreliable, on_error=Retry(2)), engine, [1, 2]) == [1, 2]
    assert collected(lambda s: s.map(fail_on_2, on_error="skip"), engine) == [0, 1, 3, 4]
    failures = Stream()
    failed = failures.sink_to_list()
    assert collected(lambda s: s.map(add, 1).map(fail_on_2, on_error=failures), engine) == [1, 3, 4, 5]
    assert [(failure.node, failure.ordinal, failure.element) for failure in failed] == [("map(fail_on_2)", 2, 2)]


def test_a_failure_before_a_fork_is_reported_once(engine):
    source, failures = Stream(), Stream()
    failed = failures.sink_to_list()
    shared = source.scatter(engine).map(fail_on_2, on_error=failures)
    L = shared.map(add, 1).gather().sink_to_list()
    M = shared.map(add, 2).gather().sink_to_list()
    source.emit_many(range(4))
    source.drain()
    assert (L, M, len(failed)) == ([1, 2, 4], [2, 3, 5], 1)


def test_an_unpicklable_element_fails_alone(client):
    lock = threading.Lock()
    source = Stream()
    L = source.scatter(client).map(str).buffer(50).gather().sink_to_list()
    for x in (1, 2, lock, *range(10)):
        source.emit(x)
    with pytest.raises(UnpicklableError, match="lock"):
        source.drain()
    assert L == [str(x) for x in (1, 2, *range(10))]


def test_an_unpicklable_result_fails_alone(client):
    build = lambda s: s.map(lambda x: threading.Lock() if x == 2 else x, on_error="skip")  # noqa: E731
    source = Stream()
    L = build(source.scatter(client)).gather().sink_to_list()
    with pytest.raises(UnpicklableError, match="lock"):
        source.emit_many(range(5))
    source.drain()
    assert L == [0, 1, 3, 4]


def test_an_unpicklable_function_fails_its_elements(client):
    lock = threading.Lock()
    source = Stream()
    L = source.scatter(client).map(lambda x: lock).gather().sink_to_list()
    with pytest.raises(TypeError, match="lock"):
        source.emit(1)
    source.drain()
    assert L == []


def test_a_changed_closure_is_pickled_again(client):
    """A function that closes over a changing value is pickled again."""
    factors = [1]
    source = Stream()
    L = source.scatter(client).map(lambda x: x * factors[0]).gather().sink_to_list()
    source.emit(1)
    factors[0] = 10
    source.emit(1)
    source.drain()
    assert L == [1, 10]


def test_unchangeable_functions_are_recognized():
    def uses_a_global(x):
        return PATIENCE

    captured = []
    assert watch(math.sqrt, None, None)()
    assert watch(add, (1,), {"b": "text"})()
    assert watch(lambda x: x + 1, None, None)()
    assert watch(lambda x: os.path.join(x), None, None)()
    assert watch(lambda x: captured, None, None) is None
    assert watch(uses_a_global, None, None) is None
    assert watch(add, ([],), None) is None
    assert watch(captured.append, None, None) is None
    changed = lambda x: x + 1  # noqa: E731
    is_same = watch(changed, None, None)
    changed.__code__ = (lambda x: x + 2).__code__
    assert not is_same()


def test_a_dying_worker_fails_one_element(client):
    def deadly(x):
        if x == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return x

    source = Stream()
    L = source.scatter(client).map(deadly).buffer(10).gather().sink_to_list()
    for x in range(6):
        source.emit(x)
    with pytest.raises(KilledWorker) as caught:
        source.drain()
    assert L == [0, 1, 3, 4, 5]
    assert caught.value.__notes__ == ["in map(deadly), on element 3: 2"]
    assert collected(lambda s: s.map(deadly, on_error="skip"), client) == [0, 1, 3, 4]


def test_large_values_travel_both_ways(client):
    sizes = [10, 70_000, 3_000_000, 1, 200_000]
    assert collected(lambda s: s.map(bytes).buffer(2).map(len).buffer(5), client, sizes) == sizes
    total = lambda state, x: state + bytes(x)  # noqa: E731
    sums = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    assert collected(lambda s: s.accumulate(total, start=b"").map(len), client, sizes) == sums


def test_a_trickle_is_sent_at_once(client):
    source = Stream()
    L = source.scatter(client).map(add, 1).buffer(100).gather().sink_to_list()
    for x in range(20):
        source.emit(x)
        end = time.monotonic() + PATIENCE
        while len(L) <= x:
            assert time.monotonic() < end
            time.sleep(0)
    assert L == list(range(1, 21))


def test_two_pipelines_share_an_engine(engine):
    one, two = Stream(), Stream()
    L, M = (s.scatter(engine).accumulate(add).map(str).buffer(9).gather().sink_to_list() for s in (one, two))
    for x in range(50):
        one.emit(x)
        two.emit(-x)
    one.drain()
    two.drain()
    assert L == [str(sum(range(x + 1))) for x in range(50)]
    assert M == [str(-sum(range(x + 1))) for x in range(50)]
