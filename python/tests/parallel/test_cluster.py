"""Streams on a Dask cluster in separate processes on loopback; results match streamz."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from operator import add
from pathlib import Path

import pytest

pytest.importorskip("thalweg.core")
distributed = pytest.importorskip("distributed")

from thalweg import BuildError, Stream  # noqa: E402
from thalweg.tasks import AioClient, Client  # noqa: E402

PATIENCE = 60


class Cluster:
    """A scheduler and two workers, with one thread each."""

    def __init__(self, directory):
        self.directory = Path(directory)
        self.file = self.directory / "scheduler.json"
        self.workers = []
        self.processes = []
        self.scheduler = self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file)
        for _ in range(2):
            self.add_worker()

    def start(self, name, *arguments):
        if name == "worker":
            arguments = (*arguments, "--no-dashboard", "--local-directory", self.directory)
        else:
            arguments = (*arguments, "--no-dashboard")
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.dask_{name}", *map(str, arguments)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
            # Functions of a test module are pickled by value; the package is imported from this process's path.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        self.processes.append(process)
        return process

    def add_worker(self):
        arguments = ("--host", "127.0.0.1", "--nthreads", 1, "--scheduler-file", self.file, "--no-nanny")
        self.workers.append(self.start("worker", *arguments))

    def client(self, **options):
        deadline = time.monotonic() + PATIENCE
        while not self.file.exists():
            assert time.monotonic() < deadline, "the scheduler has not come up"
            time.sleep(0.05)
        client = distributed.Client(scheduler_file=str(self.file), timeout=PATIENCE, **options)
        if not options.get("asynchronous"):
            client.wait_for_workers(2, timeout=PATIENCE)
        return client

    def address(self):
        with self.client():
            return json.loads(self.file.read_text())["address"]

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    import cloudpickle  # type: ignore[import-untyped, unused-ignore]

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.end()


@pytest.fixture
def client(cluster):
    with cluster.client() as client:
        yield client


def is_odd(x):
    return x % 2


def fail_on_2(x):
    if x == 2:
        raise ArithmeticError("two")
    return x


def drained(build, inputs, **options):
    source = Stream()
    L = build(source.scatter(**options)).gather().sink_to_list()
    for x in inputs:
        source.emit(x)
    source.drain()
    return L


@pytest.mark.parametrize(
    "build",
    [
        lambda s: s.map(add, 1),
        lambda s: s.map(add, 1).buffer(10),
        lambda s: s.map(add, 1).buffer(10).map(str),
        lambda s: s.accumulate(add),
        lambda s: s.accumulate(lambda state, x: (state + x, (state, x)), start=0, returns_state=True),
        lambda s: s.map(lambda x: (x, x)).starmap(add),
        lambda s: s.zip(s.map(add, 1)),
        lambda s: s.sliding_window(2),
        lambda s: s.partition(2).map(sum),
        lambda s: s.map(add, 1).zip(s.map(add, 2)).map(sum).accumulate(add),
    ],
)
def test_results_match_streamz(client, build):
    import streamz
    import streamz.dask

    source = streamz.Stream()
    theirs = build(source.scatter()).gather().sink_to_list()
    for x in range(6):
        source.emit(x)
    deadline = time.monotonic() + PATIENCE
    ours = drained(build, range(6), client=client)
    # streamz cannot tell when it is done.
    while len(theirs) < len(ours) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ours == theirs
    assert ours


def test_a_failure_affects_one_element_and_names_its_node(client):
    source = Stream()
    L = source.scatter(client).map(fail_on_2).buffer(20).gather().sink_to_list()
    for x in range(10):
        source.emit(x)
    with pytest.raises(ArithmeticError, match="two") as caught:
        source.drain()
    assert L == [x for x in range(10) if x != 2]
    assert caught.value.__notes__ == ["in map(fail_on_2), on element 3: 2"]
    # The traceback of the worker.
    assert "in fail_on_2" in str(caught.value.__cause__)


def test_only_surviving_elements_arrive_in_order(client):
    """Faults of the peers: `filter` raised, `unique` passed equal values, and elements dropped by a filter corrupted
    states and were lost together with their batch."""
    assert drained(lambda s: s.filter(is_odd), range(6), client=client) == [1, 3, 5]
    assert drained(lambda s: s.filter(is_odd).accumulate(add), range(6), client=client) == [1, 4, 9]
    assert drained(lambda s: s.filter(is_odd).partition(2), range(8), client=client) == [(1, 3), (5, 7)]
    assert drained(lambda s: s.filter(is_odd).zip(s.remove(is_odd)), range(4), client=client) == [(1, 0), (3, 2)]
    assert drained(lambda s: s.map(add, 10).union(s), range(2), client=client) == [10, 0, 11, 1]
    assert drained(lambda s: s.map(str).unique(), [1, 1, 2, 1], client=client) == ["1", "2"]
    assert drained(lambda s: s.zip_latest(s.map(add, 1)), range(3), client=client)[-1] == (2, 3)
    assert drained(lambda s: s.pluck([0, 1]), ["abc", "def"], client=client) == [("a", "b"), ("d", "e")]
    assert drained(lambda s: s.map(fail_on_2, on_error="skip").accumulate(add), range(5), client=client) == [0, 1, 4, 8]


def test_a_busy_cluster_gets_batches(client):
    submitted = []
    submit = client.submit

    def counting(function, *args, **kwargs):
        submitted.append(function.__name__)
        return submit(function, *args, **kwargs)

    client.submit = counting
    assert drained(lambda s: s.map(add, 1).filter(is_odd).buffer(100), range(300), client=client) == [*range(1, 301, 2)]
    assert set(submitted) == {"run"}
    assert len(submitted) < 100


def test_in_the_loop_of_an_asynchronous_client(cluster):
    async def main():
        async with cluster.client(asynchronous=True) as client:
            source = Stream(asynchronous=True)
            L = source.scatter(client).map(add, 1).filter(is_odd).buffer(10).accumulate(add).gather().sink_to_list()
            for x in range(10):
                await source.emit(x)
            await source.drain()
            return L

    assert asyncio.run(main()) == [1, 4, 9, 16, 25]


@pytest.mark.parametrize("stateful", [False, True])
def test_nothing_is_lost_with_a_worker(tmp_path, stateful):
    """A worker is killed in the middle of a stream: its elements are computed again."""
    cluster = Cluster(tmp_path)
    try:
        with cluster.client() as client:
            source = Stream()
            mapped = source.scatter(client).map(slowly).buffer(20)
            if stateful:
                mapped = mapped.accumulate(add)
            L = mapped.gather().sink_to_list()
            for x in range(200):
                source.emit(x)
                if x == 100:
                    victim = cluster.workers[0]
                    os.kill(victim.pid, signal.SIGKILL)
            source.drain()
        expected = [sum(range(x + 1)) for x in range(200)] if stateful else list(range(200))
        assert L == expected
    finally:
        cluster.end()


def slowly(x):
    time.sleep(0.002)
    return x


def test_nothing_is_lost_when_the_client_is_closed_first(cluster):
    with cluster.client() as client:
        source = Stream()
        scattered = source.scatter(client)
        L = (
            scattered.map(slowly)
            .buffer(50)
            .filter(is_odd)
            .partition(2)
            .map(sum)
            .accumulate(add)
            .gather()
            .sink_to_list()
        )
        for x in range(40):
            source.emit(x)
    assert L == [sum(range(1, 4 * n, 2)) for n in range(1, 11)]


@pytest.mark.parametrize("end", ["with", "close", "close in time"])
def test_nothing_is_lost_when_an_asynchronous_client_is_closed_first(cluster, end):
    async def main():
        async with cluster.client(asynchronous=True) as client:
            source = Stream(asynchronous=True)
            L = source.buffer(50).scatter(client).map(slowly).buffer(50).map(add, 1).gather().sink_to_list()
            for x in range(40):
                await source.emit(x)
            if end == "close in time":
                await client.close(timeout=PATIENCE)
            elif end == "close":
                await client.close()
        return L

    assert asyncio.run(main()) == list(range(1, 41))


# thalweg's client, at the address of the cluster.


@pytest.fixture(scope="module")
def address(cluster):
    return cluster.address()


@pytest.mark.parametrize("options", [{}, {"backend": "dask"}, {"client": None}])
def test_a_thalweg_client_of_a_dask_cluster(address, options):
    with Client(address) as client:
        options = {**options, "client": client} if "client" in options else options
        source = Stream()
        scattered = source.scatter(**options)
        assert scattered._session.backend.engine is client
        L = scattered.map(add, 1).filter(is_odd).buffer(10).accumulate(add).gather().sink_to_list()
        for x in range(10):
            source.emit(x)
    assert L == [1, 4, 9, 16, 25]


@pytest.mark.parametrize("kind", [AioClient, lambda address: Client(address, asynchronous=True)])
def test_an_asynchronous_thalweg_client_of_a_dask_cluster(address, kind):
    async def main():
        async with kind(address) as client:
            source = Stream(asynchronous=True)
            L = source.buffer(50).scatter(client).map(add, 1).filter(is_odd).accumulate(add).gather().sink_to_list()
            for x in range(10):
                await source.emit(x)
        return L

    assert asyncio.run(main()) == [1, 4, 9, 16, 25]


def test_a_cluster_cannot_stop_calls(address):
    with Client(address) as client:
        scattered = Stream().scatter(client)
        with pytest.raises(BuildError, match=r"map\(abs\): `time_limit`: Dask .*processes=True"):
            scattered.map(abs, time_limit=1)
        assert not list(scattered.downstreams)


def test_nothing_is_lost_at_the_end_of_a_program(python, cluster):
    program = f"""
from distributed import Client
from thalweg import Stream

client = Client(scheduler_file={str(cluster.file)!r})
source = Stream()
source.scatter().map(lambda x: x + 1).buffer(50).gather().sink(print)
for x in range(100):
    source.emit(x)
"""
    ended = python("-c", program)
    assert ended.stdout.split() == [str(x) for x in range(1, 101)], ended.stderr
    assert ended.returncode == 0
