"""Time limits of calls on a stream. No test depends on durations: a call that is stopped would never end."""

from __future__ import annotations

import math
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from operator import add

import pytest

pytest.importorskip("thalweg.core")

from thalweg import BuildError, Failure, Retry, Stream
from thalweg.parallel.backends import Backend
from thalweg.parallel.time_limits import check_can_stop
from thalweg.tasks import Client, current_token
from thalweg.tasks.errors import TaskTimeout

#: In seconds. A call that should be stopped never ends; any other returns at once.
LIMIT = 1.0


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(params=["threads", "processes"])
def client(request):
    with Client(n_workers=2, processes=request.param == "processes", set_as_default=False) as client:
        yield client


@pytest.fixture
def processes():
    with Client(n_workers=2, processes=True, set_as_default=False) as client:
        yield client


def is_to_end():
    """Whether the token is cancelled; only threads have one."""
    token = current_token()
    return token is not None and token.cancelled


def stuck_on_2(x):
    """Never return for one element; on threads, until cancelled."""
    while x == 2 and not is_to_end():
        pass
    return x


def collected(build, client, inputs=range(5), **options):
    source = Stream()
    L = build(source.scatter(client, **options)).gather().sink_to_list()
    source.emit_many(inputs)
    source.drain()
    return L


def test_other_elements_arrive_in_order(client):
    build = lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error="skip").buffer(10)  # noqa: E731
    assert collected(build, client) == [0, 1, 3, 4]


def test_an_uninterruptible_function_is_stopped_by_killing_its_process(processes):
    def stuck(x):
        while x == 2:
            pass
        return os.getpid()

    pids = collected(lambda s: s.map(stuck, time_limit=LIMIT, on_error="skip"), processes)
    assert len(pids) == 4
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda s: s.map(add, 0).map(stuck_on_2, time_limit=LIMIT, on_error="skip").map(add, 10), [10, 11, 13, 14]),
        (lambda s: s.map(lambda x: (x,)).starmap(stuck_on_2, time_limit=LIMIT, on_error="skip"), [0, 1, 3, 4]),
        (lambda s: s.filter(lambda x: stuck_on_2(x) != 3, time_limit=LIMIT, on_error="skip"), [0, 1, 4]),
        (lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error="skip").accumulate(add), [0, 1, 4, 8]),
        (lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error="skip").partition(2).map(sum), [1, 7]),
        (lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error="skip").unique(key=lambda x: x % 2), [0, 1]),
        (
            lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error="skip").map(stuck_on_2, time_limit=LIMIT),
            [0, 1, 3, 4],
        ),
        (lambda s: s.buffer(3).map_async(stuck_on_2, time_limit=LIMIT, on_error="skip"), [0, 1, 3, 4]),
        (
            lambda s: s.filter(lambda x: x != 4).zip(s.map(stuck_on_2, time_limit=LIMIT, on_error="skip")),
            [(0, 0), (1, 1), (2, 3), (3, 4)],
        ),
    ],
)
def test_a_limit_works_between_any_operators(client, build, expected):
    assert collected(build, client) == expected


def test_the_failure_names_its_node(client):
    source = Stream()
    L = source.scatter(client).map(add, 0).map(stuck_on_2, time_limit=LIMIT).map(str).gather().sink_to_list()
    with pytest.raises(TaskTimeout) as caught:
        source.emit_many(range(4))
    source.drain()
    assert L == ["0", "1", "3"]
    assert caught.value.__notes__ == ["in map(stuck_on_2), on element 3: 2"]


@pytest.mark.parametrize("retry", [False, True])
def test_failures_are_routed(client, retry):
    source, failures = Stream(), Stream()
    failed = failures.sink_to_list()
    on_error = Retry(1, then=failures) if retry else failures
    node = source.scatter(client).map(add, 0).map(stuck_on_2, time_limit=LIMIT, on_error=on_error)
    L, M = node.map(add, 1).gather().sink_to_list(), node.gather().sink_to_list()
    source.emit_many(range(4))
    source.drain()
    assert (L, M) == ([1, 2, 4], [0, 1, 3])
    (failure,) = failed
    assert isinstance(failure, Failure)
    assert (failure.node, failure.ordinal, failure.element) == ("map(stuck_on_2)", 3, 2)
    assert isinstance(failure.exception, TaskTimeout)


def test_each_attempt_has_the_full_limit(client, tmp_path):
    def stuck_at_first(x):
        (tmp_path / str(x)).open("a").write(".")
        while (tmp_path / str(x)).stat().st_size < 3 and not is_to_end():
            pass
        return x

    build = lambda s: s.map(stuck_at_first, time_limit=LIMIT, on_error=Retry(2)).map(add, 1)  # noqa: E731
    assert collected(build, client, range(3)) == [1, 2, 3]


def test_attempts_are_bounded(client):
    policy = Retry(1, backoff=0.001, then="skip")
    assert collected(lambda s: s.map(stuck_on_2, time_limit=LIMIT, on_error=policy), client) == [0, 1, 3, 4]


@pytest.mark.parametrize("policy", ["skip", Retry(2, then="skip")])
def test_other_failures_are_unaffected_by_limits(client, policy):
    build = lambda s: s.map(lambda x: 1 / x, time_limit=60, on_error=policy).map(add, 1)  # noqa: E731
    assert collected(build, client, [1, 0, 2]) == [2, 1.5]


def test_a_limit_applies_to_one_call(client):
    """Elements with a limit are never batched."""
    submitted = []

    class Engine:
        def __getattr__(self, name):
            return getattr(client._engine, name)

        def submit(self, function, args, **options):
            submitted.append((len(args[0].args[0]), options["time_limit"]) if function.__name__ == "run" else None)
            return client._engine.submit(function, args, **options)

    class Counted:
        _engine = Engine()

    build = lambda s: s.map(add, 1).map(add, 1, time_limit=60).map(add, 1).buffer(100)  # noqa: E731
    assert collected(build, Counted(), range(100)) == list(range(3, 103))
    assert submitted.count((1, 60.0)) == 100
    assert sum(size for size, limit in filter(None, submitted) if limit is None) == 200


def test_waiting_for_a_turn_does_not_count_against_the_limit(processes):
    """The limit covers the call, not the queue before it."""
    assert collected(lambda s: s.map(add, 1, time_limit=60).buffer(500), processes, range(500)) == list(range(1, 501))


def test_a_keyword_named_timeout_goes_to_the_function(client):
    def named(x, timeout):
        return x, timeout

    assert collected(lambda s: s.map(named, timeout=7, time_limit=60), client, [1]) == [(1, 7)]
    assert collected(lambda s: s.filter(named, timeout=7), client, [1]) == [1]
    assert collected(lambda s: s.map(lambda x: (x,)).starmap(named, timeout=7), client, [1]) == [(1, 7)]
    with pytest.raises(TypeError, match="timeout"):
        collected(lambda s: s.map(named), client, [1])


def test_without_gather_sinks_get_future_like_elements(client):
    source = Stream()
    L = source.scatter(client).map(stuck_on_2, time_limit=LIMIT, on_error=Retry(1)).sink_to_list()
    source.emit_many([1, 2])
    assert L[0].result(60) == 1
    with pytest.raises(TaskTimeout):
        L[1].result(60)


@pytest.mark.parametrize("time_limit", [-1, math.nan, math.inf, "soon", True, [1]])
@pytest.mark.parametrize("method", ["map", "starmap", "filter"])
def test_invalid_limits_are_refused(client, method, time_limit):
    scattered = Stream().scatter(client)
    with pytest.raises(BuildError, match=rf"{method}\(stuck_on_2\): `time_limit`"):
        getattr(scattered, method)(stuck_on_2, time_limit=time_limit)
    with pytest.raises(BuildError, match="mine: `time_limit`"):
        getattr(scattered, method)(stuck_on_2, time_limit=time_limit, stream_name="mine")
    assert not list(scattered.downstreams)


def test_executors_cannot_stop_calls():
    with ThreadPoolExecutor(1) as pool:
        scattered = Stream().scatter(pool)
        with pytest.raises(BuildError, match=r"map\(abs\): `time_limit`: ThreadPoolExecutor .*processes=True"):
            scattered.map(abs, time_limit=1)
        assert not list(scattered.downstreams)


def test_dask_cannot_stop_calls():
    pytest.importorskip("distributed")
    from thalweg.parallel.backends.dask import Dask

    backend = Dask.__new__(Dask)
    Backend.__init__(backend, None)
    with pytest.raises(BuildError, match=r"map\(abs\): `time_limit`: Dask .*processes=True"):
        check_can_stop(backend, "map(abs)")


def test_on_threads_a_timed_out_call_occupies_its_thread_until_it_ends():
    may_end = threading.Event()

    def deaf(x):
        if x == 0:
            may_end.wait()
        return x

    with Client(n_workers=2, set_as_default=False) as client:
        source = Stream()
        L = source.scatter(client).map(deaf, time_limit=LIMIT, on_error="skip").buffer(10).gather().sink_to_list()
        source.emit_many(range(4))
        source.drain()
        may_end.set()
    assert L == [1, 2, 3]
