"""Dask's client interface beyond the differential tests, and the list of names that are absent."""

from __future__ import annotations

import asyncio
import gc
import importlib
import re
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import pytest

import thalweg.distributed as distributed
from thalweg.tasks import Client, LocalCluster, get_worker
from thalweg.tasks.client import absent
from thalweg.tasks.errors import ClosedClientError
from thalweg.tasks.process.plugins import WorkerPlugin

MODES = {"threads": {"n_workers": 2}, "processes": {"processes": True, "n_workers": 2}}


@pytest.fixture(params=MODES)
def client(request):
    with Client(**MODES[request.param]) as client:
        yield client


def divide(x, y):
    return x / y


def increment(x):
    return x + 1


def log(topic, message):
    get_worker().log_event(topic, message)


# Awaiting


@pytest.mark.parametrize("mode", MODES)
def test_client_calls_are_awaitable(mode):
    async def main():
        async with Client(**MODES[mode], asynchronous=True) as client:
            go_on = threading.Event()
            gate = client.submit(go_on.wait, 60) if mode == "threads" else client.submit(pow, 2, 3)
            waiting = client.submit(increment, gate)
            assert (await waiting.cancel()) in (True, False)
            failed = client.submit(divide, 1, 0)
            assert isinstance(await failed.exception("60s"), ZeroDivisionError)
            await failed.retry()
            with pytest.raises(ZeroDivisionError):
                await failed.result(timeout="60s")
            # Works without being awaited.
            gate.cancel()
            go_on.set()
            assert await client.get_events("none") == ()
            assert (await client.get_versions())["client"]["packages"]["thalweg"]

    asyncio.run(main())


# Events


def test_subscribers_get_events_in_order(client):
    told, messages = threading.Event(), []

    def handler(event):
        messages.append(event[1])
        if event[1] == "last":
            told.set()

    client.subscribe_topic("news", handler)
    for number in range(20):
        client.log_event("news", number)
    client.submit(log, "news", "last").result()
    assert told.wait(60) and messages == [*range(20), "last"]
    client.unsubscribe_topic("news")
    with pytest.raises(ValueError, match="nobody has subscribed to 'news'"):
        client.unsubscribe_topic("news")
    client.log_event("news", "after")
    assert messages[-1] == "last"


def test_asynchronous_subscribers(client):
    told = threading.Event()

    async def handler(event):
        await asyncio.sleep(0)
        told.set()

    client.subscribe_topic("news", handler)
    client.submit(log, "news", 1).result()
    assert told.wait(60)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failing_subscriber_does_not_affect_others(client):
    told = threading.Event()
    client.subscribe_topic("news", lambda event: 1 / 0)
    client.subscribe_topic("more news", lambda event: told.set())
    client.log_event(["news", "more news"], 1)
    assert told.wait(60)
    assert client.submit(increment, 1).result() == 2


def _warn_and_print():
    distributed.print("printed by a task", 1, sep="-")
    distributed.warn("warned by a task", RuntimeWarning)


def test_prints_and_warnings_of_tasks_reach_the_client(client, capsys):
    done = threading.Event()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.submit(_warn_and_print).result()
        client.submit(increment, 1).add_done_callback(lambda _: done.set())
        client.subscribe_topic("end", lambda event: done.set())
        client.submit(log, "end", 1).result()
        assert done.wait(60)
        client.close()
    assert capsys.readouterr().out == "printed by a task-1\n"
    assert [(str(each.message), each.category) for each in caught] == [("warned by a task", RuntimeWarning)]


# Plugins and files


class Connection(WorkerPlugin):
    name = "connection"

    def __init__(self, value):
        self.value = value

    def setup(self, worker):
        worker.connection = self.value

    def teardown(self, worker):
        worker.connection = None


def connection():
    return get_worker().connection


def attribute_of_module(module, name):
    return getattr(importlib.import_module(module), name)


def end_process():
    import os

    os._exit(1)


def test_plugins(client):
    client.register_plugin(Connection(1))
    client.register_plugin(Connection(2), idempotent=True)
    assert client.submit(connection).result() == 1
    client.register_plugin(Connection(3))
    assert client.submit(connection).result() == 3
    client.unregister_worker_plugin("connection")
    assert client.submit(connection).result() is None
    with pytest.raises(ValueError, match="no plugin 'connection'"):
        client.unregister_worker_plugin("connection")
    for wrong in (1, type("Nothing", (), {})(), type("Watches", (Connection,), {"transition": print})(1)):
        with pytest.raises(TypeError, match="register_plugin"):
            client.register_plugin(wrong)


def test_replacement_workers_get_plugins_and_files(tmp_path):
    (tmp_path / "thalweg_uploaded_once.py").write_text("answer = 42\n")
    with Client(processes=True, n_workers=1) as client:
        client.register_plugin(Connection(5))
        client.upload_file(tmp_path / "thalweg_uploaded_once.py")
        assert client.submit(end_process).exception() is not None
        assert client.submit(connection).result() == 5
        assert client.submit(attribute_of_module, "thalweg_uploaded_once", "answer").result() == 42
        directory = Path(client.submit(lambda: get_worker().local_directory).result())
        assert directory.stat().st_mode & 0o77 == 0
    del client
    assert not directory.exists()


def test_uploaded_archives_are_importable(client, tmp_path):
    import zipfile

    for answer in (43, 44):
        with zipfile.ZipFile(tmp_path / "modules.zip", "w") as archive:
            archive.writestr("thalweg_archived.py", f"answer = {answer}\n")
            archive.writestr("thalweg_packed/__init__.py", f"answer = {-answer}\n")
            archive.writestr("thalweg_packed/part.py", "raise ImportError('nobody has asked for it')\n")
        client.upload_file(tmp_path / "modules.zip")
        assert client.submit(attribute_of_module, "thalweg_archived", "answer").result() == answer
        assert client.submit(attribute_of_module, "thalweg_packed", "answer").result() == -answer
    with pytest.raises(FileNotFoundError):
        client.upload_file(tmp_path / "nothing.py")


# Inspecting tasks


def test_recreate_error_locally(client):
    failed = client.submit(divide, 1, client.submit(int, "0"))
    dependent = client.submit(increment, [failed])
    # Pending tasks are waited for.
    for future in (dependent, failed):
        with pytest.raises(ZeroDivisionError) as caught:
            client.recreate_error_locally(future)
        assert caught.traceback[-1].name == "divide"
    with pytest.raises(ValueError, match="nothing has failed"):
        client.recreate_error_locally(client.submit(increment, 1))


def test_recreate_error_of_a_collection_locally(client):
    delayed = pytest.importorskip("dask").delayed
    failed = client.compute(delayed(divide)(delayed(increment)(1), y=delayed(int)("0")))
    failed.exception()
    with pytest.raises(ZeroDivisionError):
        client.recreate_error_locally(failed)


def test_recorded_tasks(client, tmp_path):
    client.submit(increment, 0).result()
    with distributed.get_task_stream(client) as stream, distributed.performance_report(tmp_path / "report.html"):
        client.gather(client.map(increment, range(3)))
        client.submit(divide, 1, 0, key="failing").exception()
        dask = pytest.importorskip("dask")
        client.compute(dask.delayed(increment)(5)).result()
    names = [(record["name"], record["status"]) for record in stream.data]
    assert names == [("increment", "OK")] * 3 + [("divide", "error"), ("increment", "OK")]
    assert all(span["start"] <= span["stop"] for record in stream.data for span in record["startstops"])
    page = (tmp_path / "report.html").read_text()
    assert "5 tasks in" in page and "<td>increment<td>4<td>" in page
    client.submit(increment, 0).result()
    # All tasks are recorded from the first request on.
    assert client.get_task_stream() == client.get_task_stream(start="1h") == stream.data
    client.gather(client.map(divide, [4, 2], [2, 2]))
    client.get_task_stream(start="1h", plot="save", filename=tmp_path / "stream.html")
    recorded = client.get_task_stream()
    assert [record["name"] for record in recorded] == [*(name for name, _ in names), "divide", "divide"]
    assert client.get_task_stream(count=2) == recorded[-2:] and client.get_task_stream(count=0) == []
    assert "7 tasks in" in (tmp_path / "stream.html").read_text()


def spin():
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        step()


def step():
    return sum(range(10_000))


def test_profile(client):
    client.submit(spin).result()
    assert client.profile()["count"] == 0
    # Sampling starts with the first request; on a busy machine it may take a while.
    for _ in range(1000):
        client.gather([client.submit(spin, pure=False), client.submit(increment, 1, key="other")])
        spinning = client.profile("spin")
        if "step" in str(spinning):
            break
    assert set(spinning) == {"count", "children", "identifier", "description"}
    (below,) = spinning["children"].values()
    assert below["description"]["name"] == "spin" and below["count"] == spinning["count"]
    assert {child["description"]["name"] for child in below["children"].values()} == {"step"}
    assert client.profile("spin", start="1h")["count"] >= spinning["count"]
    assert client.profile("spin", stop=1.0)["count"] == client.profile("spun")["count"] == 0
    by_worker = client.profile(merge_workers=False)
    assert set(by_worker) == set(client.nthreads())
    assert sum(tree["count"] for tree in by_worker.values()) == client.profile()["count"]
    with pytest.raises(ValueError, match="nothing is drawn"):
        client.profile(filename="profile.html")


def test_normalize_collection_reuses_existing_tasks(client):
    delayed = pytest.importorskip("dask").delayed
    first = delayed(increment)(1)
    second = delayed(increment)(delayed(increment)(first))
    assert client.normalize_collection(second) is second
    kept = client.persist(first)
    normal = client.normalize_collection(second)
    assert first.key in client.futures
    assert [key for key, task in normal.dask.items() if hasattr(task, "future")] == [first.key]
    assert len(second.dask) == len(normal.dask) == 3
    assert client.compute(normal).result() == second.compute(scheduler="sync") == 4
    middle = client.persist(delayed(increment)(first))
    last = delayed(increment)(middle)
    assert len(client.normalize_collection(last).dask) == 2
    del kept, middle, normal, last
    gc.collect()
    assert client.normalize_collection(second) is second


def test_various_small_features(client):
    assert client.dashboard_link is None
    event = distributed.Event()
    assert event.client is client
    fine, failed, waiting = client.submit(increment, 1), client.submit(divide, 1, 0), client.submit(event.wait)
    with pytest.raises(TypeError, match=r"wait\(\[x, y\]\)"):
        distributed.wait(fine, failed)
    distributed.wait([fine, failed])
    client.retry([fine, failed, waiting])
    assert isinstance(failed.exception(), ZeroDivisionError)
    for wrong in (None, 0, -1, 1.0, True):
        with pytest.raises(ValueError, match="wait_for_workers"):
            client.wait_for_workers(wrong)
    ended = distributed.as_completed([fine, waiting], with_results=True)
    assert "waiting=" in repr(ended) and "done=" in repr(ended)
    client.cancel(waiting)
    results = dict(ended)
    assert results[fine] == 2 and isinstance(results[waiting], distributed.CancelledError)
    event.set()


def test_datasets_are_awaitable(client):
    async def main():
        async with Client(n_workers=1, asynchronous=True) as client:
            await client.publish_dataset(one=1, two=2)
            return await client.datasets["one"], {name async for name in client.datasets}

    assert asyncio.run(main()) == (1, {"one", "two"})
    client.datasets["one"] = 1
    assert client.datasets["one"] == 1 and list(client.datasets) == ["one"]


def test_versions(client):
    found = client.get_versions(check=True, packages=["pytest"])
    assert len(found["workers"]) == len(client.scheduler_info()["workers"])
    assert found["client"]["packages"]["pytest"] == pytest.__version__


# Actors


class Keeper:
    def __init__(self, *values):
        self.values = list(values)

    def add(self, value):
        self.values.append(value)
        return len(self.values)

    def fail(self):
        raise KeyError("missing")

    def end(self):
        import os

        os._exit(1)

    async def add_later(self, value):
        return self.add(value)

    async def add_to(self, other, value):
        return await other.add_later(value)

    async def wait_for(self, count):
        while len(self.values) < count:
            await asyncio.sleep(0)
        return list(self.values)


def add_many(keeper, count):
    return max(keeper.add(number).result() for number in range(count))


def test_calls_of_an_actor_are_made_one_at_a_time(client):
    keeper = client.submit(Keeper, 0, actor=True).result()
    calls = [keeper.add(number) for number in range(1, 50)]
    assert sorted(call.result("60s") for call in calls) == list(range(2, 51))
    assert len(client.gather(client.map(add_many, [keeper] * 4, [5] * 4))) == 4
    assert len(keeper.values) == 70
    several = client.map(Keeper, [1, 2, 3], actor=True)
    assert [future.result().values for future in several] == [[1], [2], [3]]
    with pytest.raises(TypeError, match="an actor is of a class"):
        client.submit(increment, 1, actor=True)


def test_awaiting_an_actor():
    async def main():
        async with Client(n_workers=2, asynchronous=True) as client:
            keeper = await client.submit(Keeper, actor=True)
            other = await client.submit(Keeper, actor=True)
            numbers = await keeper.add(1), await keeper.add(1), await other.add_to(keeper, 3)
            return numbers, await keeper.values

    assert asyncio.run(main()) == ((1, 2, 3), [1, 1, 3])


def wait_for(keeper, count):
    return keeper.wait_for(count).result()


async def wait_here(keeper, count):
    return await keeper.wait_for(count)


def test_asynchronous_methods_of_an_actor_wait_for_each_other(client):
    keeper = client.submit(Keeper, actor=True).result()
    # More than the number of threads.
    waiting = [keeper.wait_for(2) for _ in range(5)]
    task = client.submit(wait_for, keeper, 1)
    assert keeper.add_later(1).result("60s") == 1
    assert task.result("60s")[0] == 1
    assert keeper.add(2).result("60s") == 2
    assert [future.result("60s") for future in waiting] == [[1, 2]] * 5
    assert client.submit(wait_here, keeper, 2).result("60s") == [1, 2]


class Nested:
    def __init__(self):
        self.first = distributed.get_client().submit(Keeper, 1, actor=True).result()

    def add_to_another(self):
        second = distributed.get_client().submit(Keeper, 1, 2, actor=True).result()
        return self.first.add(5).result(), second.add(5).result()


def test_an_actor_creates_others_and_waits_for_them(client):
    for _ in range(3):
        nested = client.submit(Nested, actor=True).result("60s")
        assert nested.add_to_another().result("60s") == (2, 3)


def test_actors_stay_with_their_own_client(client):
    keeper = client.submit(Keeper, 1, actor=True).result()
    with Client(n_workers=1) as other:
        assert distributed.default_client() is other
        assert keeper.add(2).result("60s") == 2
        assert keeper.values == [1, 2]
        assert other.submit(add_many, keeper, 3).result("60s") == 5
        lost = other.submit(Keeper, 1, actor=True).result()
    with pytest.raises(ClosedClientError, match="its client has been closed"):
        lost.add(2)


def test_actors_of_several_threads_run_at_once():
    with LocalCluster(n_workers=2, processes=False) as cluster, Client(cluster) as client:
        there = client.map(Signals, ["first", "second"], actor=True)
        first, second = client.gather(there)
        assert [each.result("60s") for each in (first.meet("second"), second.meet("first"))] == ["first", "second"]


class Signals:
    def __init__(self, name):
        self.name = name

    def meet(self, other):
        distributed.Event(self.name).set()
        assert distributed.Event(other).wait(timeout="60s")
        return self.name


def test_results_of_actors_as_they_are_completed(client):
    keeper = client.submit(Keeper, actor=True).result()
    calls = [keeper.add(1), keeper.add_later(2), keeper.fail()]
    assert set(distributed.as_completed(calls)) == set(calls)
    results = distributed.as_completed(calls[:2], with_results=True)
    assert sorted(result for _, result in results) == [1, 2]
    ((call, (kind, _, _)),) = distributed.as_completed(calls[2:], with_results=True, raise_errors=False)
    assert call is calls[2] and kind is KeyError
    assert client.submit(completed_there, keeper).result("60s") == [3, 4]


def completed_there(keeper):
    results = distributed.as_completed([keeper.add(1), keeper.add_later(2)], with_results=True)
    return sorted(result for _, result in results)


def test_an_actor_is_lost_with_its_worker():
    with Client(processes=True, n_workers=1) as client:
        keeper = client.submit(Keeper, 1, actor=True).result()
        with pytest.raises(distributed.KilledWorker):
            keeper.end().result("60s")
        with pytest.raises(RuntimeError, match="is lost: the worker that had it has died"):
            keeper.add(1).result("60s")


# Absent names


def test_unknown_names_raise():
    with LocalCluster(n_workers=1) as cluster, Client(cluster) as client:
        for name, reason in absent.CLIENT.items():
            with pytest.raises(AttributeError, match=re.escape(f"'Client' object has no attribute {name!r}: {reason}")):
                getattr(client, name)
        for name, reason in absent.CLUSTER.items():
            with pytest.raises(AttributeError, match=re.escape(f"{name!r}: {reason}")):
                getattr(cluster, name)
        with pytest.raises(AttributeError, match="'Client' object has no attribute 'submitt'; did you mean 'submit'"):
            client.submitt  # noqa: B018
    for name, reason in absent.PACKAGE.items():
        with pytest.raises(AttributeError, match=re.escape(f"no attribute {name!r}: {reason}")):
            getattr(distributed, name)
    with pytest.raises(AttributeError, match="did you mean 'LocalCluster'"):
        distributed.LocalClustre  # noqa: B018


def test_every_dask_name_exists_or_is_listed_as_absent():
    peer = pytest.importorskip("distributed")
    inner = {"id", "io_loop", "name", "security", "loop", "coroutines", "rpc", "start", "register_plugin"}
    public = {name for name in dir(peer.Client) if not name.startswith("_")}
    assert public - set(dir(Client)) - set(absent.CLIENT) <= inner
    modules = {name for name in peer.__all__ if type(getattr(peer, name)).__name__ == "module"}
    known = {*dir(distributed), *absent.PACKAGE, *modules}
    assert set(peer.__all__) <= known


def test_the_guide_lists_absent_names():
    guide = Path(__file__).parents[3] / "docs" / "TASKS.md"
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", guide.read_text(encoding="utf-8"), re.M))
    told = {**absent.PACKAGE, **{f"LocalCluster.{name}": reason for name, reason in absent.CLUSTER.items()}}
    told |= {f"Client.{name}": reason for name, reason in absent.CLIENT.items()}
    assert rows == told


def test_importing_an_absent_name_raises():
    program = "from thalweg.distributed import Nanny"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, timeout=60)
    assert "cannot import name 'Nanny'" in done.stderr
