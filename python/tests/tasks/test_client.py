"""The client: its construction, the arguments it refuses, and its end."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref

import pytest

import thalweg
from support import PATIENCE
from thalweg.tasks import (
    AioClient,
    CancelledError,
    CannotStopError,
    Client,
    ClosedClientError,
    Event,
    LocalCluster,
    Lock,
    Queue,
    Semaphore,
    Variable,
    current_token,
    default_client,
    fire_and_forget,
    futures_of,
    get_client,
    get_worker,
    worker_client,
)


def increment(x):
    return x + 1


def test_client_is_exported_by_the_package():
    assert thalweg.Client is Client


def width(**kwargs):
    with Client(**kwargs) as client:
        return client._engine.width


def test_the_number_of_threads():
    cores = len(os.sched_getaffinity(0))
    assert width() == min(32, cores + 4)
    assert width(n_workers=3) == 3
    assert width(threads_per_worker=5) == 5
    assert width(n_workers=2, threads_per_worker=3) == 6
    with Client(7) as client:
        assert client._engine.width == 7


def test_dask_options_without_effect_are_accepted():
    with Client(dashboard_address=":0", silence_logs=50, heartbeat_interval="5s", security=None) as client:
        assert client.submit(increment, 1).result() == 2


@pytest.mark.parametrize(
    ("kwargs", "error", "names"),
    [
        ({"wrokers": 3}, TypeError, "'wrokers'"),
        ({"n_workers": 0}, ValueError, "n_workers"),
        ({"n_workers": 2.5}, ValueError, "n_workers"),
        ({"n_workers": True}, ValueError, "n_workers"),
        ({"n_workers": 10**30}, ValueError, "n_workers"),
        ({"address": 10**30}, ValueError, "n_workers"),
        ({"threads_per_worker": -1}, ValueError, "threads_per_worker"),
        ({"threads_per_worker": 10**30}, ValueError, "threads_per_worker"),
        ({"memory_limit": "2 GiB"}, ValueError, "processes=True"),
        ({"memory_limit": "much", "processes": True}, ValueError, "'much'"),
        ({"memory_limit": -1, "processes": True}, ValueError, "-1"),
        ({"resources": {"GPU": "one"}}, ValueError, "'GPU'"),
        ({"timeout": "soon"}, ValueError, "soon"),
        ({"address": 2, "n_workers": 3}, TypeError, "twice"),
        ({"address": "tcp://127.0.0.1:1", "n_workers": 3}, TypeError, "n_workers"),
    ],
)
def test_invalid_arguments_of_the_constructor(kwargs, error, names):
    with pytest.raises(error, match=names):
        Client(**kwargs)


@pytest.mark.parametrize("kind", [Event, Lock, Queue, Semaphore, Variable])
def test_the_client_of_a_shared_object_is_a_client(kind):
    with pytest.raises(TypeError, match="client: a Client, and not 10"):
        kind(name="q", client=10)


def test_any_number_of_retries():
    with Client(n_workers=1) as client:
        assert client.submit(increment, 1, retries=10**30).result() == 2


@pytest.mark.parametrize("limit", [None, 0, "auto"])
def test_no_memory_limit(limit):
    assert width(n_workers=1, memory_limit=limit) == 1


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "error", "names"),
    [
        ("submit", (3,), {}, TypeError, "3"),
        ("map", (3, []), {}, TypeError, "3"),
        ("map", (increment,), {}, TypeError, "missing"),
        ("map", (increment, 5), {}, TypeError, "iterable"),
        ("map", (increment, [1]), {"batch_size": 0}, ValueError, "batch_size"),
        ("map", (increment, [1, 2]), {"key": ["one"]}, ValueError, "1 keys for 2"),
        ("submit", (increment, 1), {"workers": "alice"}, ValueError, "alice"),
        ("submit", (increment, 1), {"actor": True}, TypeError, "an actor is of a class"),
        ("submit", (increment, 1), {"time_limit": "soon"}, ValueError, "soon"),
        ("submit", (increment, 1), {"time_limit": -1}, ValueError, "-1"),
        ("submit", (increment, 1), {"retries": -1}, (ValueError, OverflowError), "retries|negative"),
        ("submit", (increment, 1), {"resources": {"GPU": 1}}, ValueError, "GPU"),
        ("gather", ([],), {"errors": "ignore"}, ValueError, "ignore"),
        ("run", (3,), {}, TypeError, "3"),
        ("run", (increment, 1), {"on_error": "shrug"}, ValueError, "shrug"),
        ("run", (increment, 1), {"workers": "alice"}, ValueError, "alice"),
        ("wait_for_workers", (5,), {}, TimeoutError, "5"),
        ("publish_dataset", (1,), {}, ValueError, "name"),
        ("get_executor", (), {"retrys": 1}, TypeError, "retrys"),
        ("sync", (None,), {}, TypeError, "sync.*None"),
        ("log_event", (5, "message"), {}, TypeError, "topic.*5"),
        ("get_task_stream", (), {"count": "all"}, TypeError, "count.*'all'"),
        ("nthreads", (1.5,), {}, ValueError, "1.5"),
    ],
)
def test_invalid_arguments_of_calls(client, method, args, kwargs, error, names):
    with pytest.raises(error, match=names):
        getattr(client, method)(*args, **kwargs)


def test_pure_is_refused_for_arguments_without_a_token(client, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "dask.base", None)
    with pytest.raises(TypeError, match="pure"):
        client.submit(lambda x: x, threading.Lock(), pure=True)
    one = client.submit(abs, -1, pure=True)
    assert client.submit(abs, -1, pure=True).key == one.key
    assert one.key.startswith("abs-")


def test_pure_calls_on_futures(client):
    one = client.submit(increment, 1)
    two = client.submit(increment, 1)
    assert client.submit(increment, one, pure=True).key == client.submit(increment, one, pure=True).key
    assert client.submit(increment, one, pure=True).key != client.submit(increment, two, pure=True).key


def test_a_closed_client_refuses_calls(client):
    pending = client.submit(Event("never", client).wait)
    client.close()
    assert client.status == "closed"
    client.close()
    for use in (
        lambda: client.submit(increment, 1),
        lambda: client.map(increment, [1]),
        lambda: client.scatter(1),
        lambda: client.get({"a": (increment, 1)}, "a"),
        lambda: client.run(increment, 1),
        lambda: client.restart(),
        lambda: client.get_executor().submit(increment, 1),
    ):
        with pytest.raises(ClosedClientError):
            use()
    with pytest.raises((CancelledError, ClosedClientError)):
        pending.result(timeout=60)


def test_finished_results_survive_closing_the_client():
    with Client() as client:
        future = client.submit(increment, 1)
        assert future.result() == 2
    assert future.result() == 2


def test_a_dropped_client_is_closed():
    client = Client(n_workers=1)
    engine = weakref.ref(client._engine)
    before = threading.active_count()
    assert client.submit(increment, 1).result() == 2
    del client
    gc.collect()
    assert engine() is None
    assert threading.active_count() <= before


def test_a_future_keeps_the_workers_of_a_dropped_client():
    go_on = threading.Event()

    def start():
        client = Client(n_workers=1)
        return client.submit(increment, client.submit(lambda: go_on.wait(60) and 1))

    future = start()
    gc.collect()
    go_on.set()
    assert future.result() == 2


def test_a_cluster_outlives_its_clients():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster:
        with Client(cluster) as client:
            client.set_metadata("a", 1)
        assert cluster.status == "running"
        with Client(cluster) as client:
            assert client.submit(increment, 1).result() == 2
            assert client.get_metadata("a") == 1
            with pytest.raises(RuntimeError, match="cluster"):
                client.restart()
            client.shutdown()
        assert cluster.status == "closed"


def test_a_client_of_a_cluster_is_the_default_one():
    with Client(n_workers=1) as before, LocalCluster(n_workers=1) as cluster:
        with cluster.get_client() as client:
            assert default_client() is client is cluster.get_client()
            assert client.cluster is cluster
            Event("here").set()
            assert client.submit(Event("here").is_set).result()
        assert cluster.status == "running"
        assert default_client() is before
        assert cluster.get_client().submit(increment, 1).result() == 2


def test_restart(client):
    future = client.submit(Event("never", client).wait)
    client.restart()
    with pytest.raises((CancelledError, ClosedClientError)):
        future.result(timeout=60)
    assert client.submit(increment, 1).result() == 2
    assert client.submit(lambda: get_client() is client).result()


def test_the_default_client_is_the_latest_open_one():
    with Client() as one:
        with Client() as two:
            assert default_client() is two
            with Client(set_as_default=False), one.as_current():
                assert default_client() is one
            assert default_client() is two
        assert default_client() is one
    with pytest.raises(ValueError, match="no client"):
        default_client()


def test_get_client_in_a_task_returns_its_own_client():
    with Client() as one, Client() as two:
        assert one.submit(lambda: get_client() is one).result()
        assert two.submit(lambda: get_client() is two).result()


def test_workers(client):
    assert client.submit(lambda: get_worker().nthreads).result() == 4
    (name,) = client.nthreads()
    assert client.ncores([name]) == {name: 4}
    info = client.scheduler_info()
    assert info["workers"][name]["nthreads"] == 4
    assert client.wait_for_workers(1) is None
    future = client.submit(bytes, 1000)
    future.result()
    assert client.who_has([future]) == {future.key: (name,)}
    assert client.nbytes(future)[future.key] > 1000
    assert "4 at a time" in repr(client)


def test_client_run_calls_a_function_on_every_worker(client):
    (name,) = client.nthreads()
    assert client.run(os.getpid) == {name: os.getpid()}
    assert isinstance(client.run(increment, "x", on_error="return")[name], TypeError)
    assert client.run(increment, "x", on_error="ignore") == {}
    done = threading.Event()
    assert client.run(done.set, wait=False) is None
    assert done.wait(60)


def test_gather_accepts_an_iterator(client):
    futures = client.map(increment, range(3))
    assert list(client.gather(iter(futures))) == [1, 2, 3]


def test_gather_skips_failures_at_any_depth(client):
    good, bad = client.map(increment, [1, "x"])
    assert client.gather([[good, bad], (good, bad), {"a": bad}], errors="skip") == [[2], (2, None), {"a": None}]
    assert client.gather(bad, errors="skip") is None


def test_higher_priorities_run_first(one_at_a_time):
    go_on = threading.Event()
    order = []
    running = threading.Event()
    first = one_at_a_time.submit(lambda: (running.set(), go_on.wait(60)))
    assert running.wait(60)
    others = [one_at_a_time.submit(order.append, x, priority=x) for x in (1, 3, 2)]
    go_on.set()
    one_at_a_time.gather([first, *others])
    assert order == [3, 2, 1]


def test_resources_are_not_shared():
    with Client(n_workers=2, resources={"GPU": 0.5}) as client:
        using, most, lock = [0], [0], threading.Lock()

        def use(_):
            with lock:
                using[0] += 1
                most[0] = max(using[0], most[0])
            with lock:
                using[0] -= 1

        client.gather(client.map(use, range(50), resources={"GPU": 1}))
        assert most == [1]


def test_cancelling_a_running_task_sets_its_token(client):
    running, ended = threading.Event(), threading.Event()

    def work():
        try:
            running.set()
            token = current_token()
            while True:
                token.check()
        finally:
            ended.set()

    future = client.submit(work)
    assert running.wait(60)
    client.cancel(future)
    assert future.cancelled()
    assert ended.wait(60)


@pytest.mark.parametrize("end", [Client.close, lambda client: client.cancel(client.waiting)])
def test_a_task_that_waits_for_an_event_is_interrupted_by_cancel(client, end):
    ended = []
    running, told = threading.Event(), threading.Event()

    def work():
        running.set()
        try:
            Event("never").wait()
        except BaseException as error:
            ended.append(type(error))
        told.set()

    client.waiting = client.submit(work)
    assert running.wait(60)
    end(client)
    assert told.wait(60)
    assert ended in ([ClosedClientError], [CancelledError])


def test_threads_are_not_killed(client):
    running = threading.Event()

    def work():
        running.set()
        while not current_token().cancelled:
            pass

    future = client.submit(work)
    assert running.wait(60)
    with pytest.raises(CannotStopError, match="process"):
        client.cancel(future, force=True)


def test_a_time_limit_on_a_thread(client):
    def work():
        try:
            while True:
                current_token().check()
        finally:
            cleaned.set()

    cleaned = threading.Event()
    with pytest.raises(TimeoutError, match=r"longer than 0\.02 s"):
        client.submit(work, time_limit="20ms").result(timeout=60)
    assert cleaned.wait(60)
    for future in client.map(lambda _: work(), [1, 2], time_limit=0.01):
        with pytest.raises(TimeoutError):
            future.result(timeout=60)


def test_client_options_are_not_passed_to_the_function(client):
    future = client.submit(dict, a=1, priority=5, retries=1, key="k")
    assert future.result() == {"a": 1}
    assert future.key == "k"


def test_fire_and_forget_tasks_run(client):
    go_on, done = threading.Event(), threading.Event()
    fire_and_forget(client.submit(lambda: (go_on.wait(60), done.set())))
    gc.collect()
    go_on.set()
    assert done.wait(60)
    with pytest.raises(TypeError, match="'x'"):
        fire_and_forget("x")


def test_a_task_whose_future_is_dropped_does_not_run(one_at_a_time):
    go_on, ran = threading.Event(), []
    first = one_at_a_time.submit(go_on.wait, 60)
    dropped = one_at_a_time.submit(ran.append, 1)
    del dropped
    go_on.set()
    first.result()
    one_at_a_time.submit(increment, 1).result()
    assert ran == []


def test_more_waiting_tasks_than_threads(client):
    def tree(depth):
        if depth == 0:
            return 1
        with worker_client() as client:
            return sum(client.gather(client.map(tree, [depth - 1] * 2)))

    assert client.submit(tree, 5).result(timeout=60) == 32


def test_finding_futures(client):
    future = client.submit(increment, 1)
    assert futures_of([{"a": (future, 2)}, future]) == [future, future]
    assert futures_of("abc") == []


def test_sync(client):
    async def add(x, y=1):
        await asyncio.sleep(0)
        return x + y

    assert client.sync(add, 1, y=2) == 3
    with pytest.raises(TimeoutError):
        client.sync(asyncio.Event().wait, callback_timeout=0.01)


def test_an_asynchronous_client_outside_a_loop_blocks():
    with AioClient() as client:
        assert client.gather(client.map(increment, [1, 2])) == [2, 3]


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize("other", [False, True])
def test_a_future_of_another_client_is_no_argument(processes, other):
    with Client(n_workers=1, processes=processes) as client, Client(n_workers=1, processes=other) as another:
        theirs = [another.submit(abs, -1), another.submit(abs, -1, key="named"), another.scatter(1)]
        for future in theirs:
            with pytest.raises(ValueError, match="a future of another client"):
                client.submit(abs, future).result(timeout=PATIENCE)
            with pytest.raises(ValueError, match="a future of another client"):
                client.gather(client.map(divmod, [1], [future]))
            assert client.submit(abs, future.result()).result() == 1
        assert client.gather(theirs) == [1, 1, 1]
