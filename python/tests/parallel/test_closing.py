"""Elements in flight when a client is closed or the program is interrupted."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from types import SimpleNamespace

import pytest

pytest.importorskip("thalweg.core")

from support import PATIENCE, rest_of
from thalweg import Stream, VirtualClock
from thalweg.parallel.backends import closing
from thalweg.tasks import Client, LocalCluster

KINDS = ["threads", "processes"]


def options(kind):
    return {"n_workers": 2, "processes": kind == "processes", "set_as_default": False}


def slow(x):
    time.sleep(0.002)
    return x


def slower(x):
    time.sleep(0.1)
    return x


@pytest.fixture(scope="module", autouse=True)
def functions_travel_by_value():
    cloudpickle = pytest.importorskip("cloudpickle")
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


PIPELINES = {
    "a chain": lambda s, client: s.scatter(client).map(slow).buffer(50).gather(),
    "before the engine": lambda s, client: s.buffer(50).scatter(client).map(slow).gather(),
    "several tasks": lambda s, client: s.scatter(client).map(slow).buffer(50).map(slow).buffer(50).gather(),
    "twice": lambda s, client: (
        s.scatter(client).map(slow).buffer(50).gather().buffer(9).scatter(client).map(slow).gather()
    ),
    "with limits": lambda s, client: s.buffer(50).scatter(client).map(slow, time_limit=PATIENCE).map(slow).gather(),
    "a state": lambda s, client: s.buffer(50).scatter(client).accumulate(lambda _, x: slow(x)).gather(),
    "out of order": lambda s, client: s.scatter(client, unordered=True).map(slow).buffer(50).gather(),
}


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["with", "close", "shutdown", "cluster"])
def test_nothing_is_lost(kind, pipeline, end):
    source = Stream()
    cluster = LocalCluster(n_workers=2, processes=kind == "processes")
    with Client(cluster) if end == "cluster" else Client(**options(kind)) as client:
        L = PIPELINES[pipeline](source, client).sink_to_list()
        for x in range(40):
            source.emit(x)
        if end in ("close", "shutdown"):
            getattr(client, end)()
            assert sorted(L) == list(range(40))
    cluster.close()
    assert sorted(L) == list(range(40))


@pytest.mark.parametrize("pipeline", sorted(set(PIPELINES) - {"with limits"}))
@pytest.mark.parametrize("end", ["with", "shutdown"])
@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_nothing_is_lost_on_executors(kind, pipeline, end):
    """Elements were lost that had yet to be sent when the `with` block of an executor was left."""
    options = {"mp_context": get_context("forkserver")} if kind is ProcessPoolExecutor else {}
    source = Stream()
    with kind(2, **options) as pool:
        L = PIPELINES[pipeline](source, pool).sink_to_list()
        for x in range(40):
            source.emit(x)
        if end == "shutdown":
            pool.shutdown()
            assert sorted(L) == list(range(40))
    assert sorted(L) == list(range(40))


def test_an_executor_that_drops_its_calls_waits_for_nothing():
    source, release = Stream(), threading.Event()
    pool = ThreadPoolExecutor(1)
    source.scatter(pool).map(lambda x: release.wait(PATIENCE)).buffer(5).gather().sink_to_list()
    source.emit_many(range(3))
    pool.shutdown(wait=False, cancel_futures=True)
    assert not release.is_set()
    release.set()
    with suppress(Exception):
        source.drain()


def test_an_executor_of_a_stream_ends_with_its_last_reference():
    source = Stream()
    pool = ThreadPoolExecutor(1)
    source.scatter(pool).map(str).gather().sink_to_list()
    source.emit(1)
    source.drain()
    (thread,) = pool._threads
    del source, pool
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_lost_while_the_loop_is_busy(kind, monkeypatch):
    """`close` waits for results past the engine and for elements not yet sent, however busy the loop is."""
    source, release, looks = Stream(), threading.Event(), []

    def look(pause):
        looks.append(pause)
        if len(looks) == 20:
            release.set()
        threading.Event().wait(pause)

    monkeypatch.setattr(closing, "time", SimpleNamespace(sleep=look, monotonic=time.monotonic))
    with Client(**options(kind)) as client:
        L = source.buffer(50).scatter(client).map(slow).gather().sink_to_list()
        source.emit_many(range(10))
        source.loop.add_callback(release.wait, PATIENCE)
    release.set()
    assert L == list(range(10))


@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("end", ["with", "close"])
def test_nothing_is_lost_asynchronously(kind, pipeline, end):
    async def main():
        async with Client(asynchronous=True, **options(kind)) as client:
            source = Stream(asynchronous=True)
            L = PIPELINES[pipeline](source, client).sink_to_list()
            for x in range(40):
                await source.emit(x)
            if end == "close":
                await client.close()
                assert sorted(L) == list(range(40))
        return L

    assert sorted(asyncio.run(main())) == list(range(40))


def test_nothing_is_lost_without_gather():
    with Client(**options("threads")) as client:
        source = Stream()
        elements = source.scatter(client).map(slow).map(str).sink_to_list()
        source.emit_many(range(10))
    assert [element.result(PATIENCE) for element in elements] == [str(x) for x in range(10)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocking_sink_does_not_delay_close_for_ever(kind):
    may_go = threading.Event()
    client = Client(**options(kind))
    source = Stream()
    L = []
    # The sink blocks the loop that emitters need, once the first result is there.
    source.scatter(client).map(slower).buffer(50).gather().sink(lambda x: may_go.wait(PATIENCE) and L.append(x))
    for x in range(8):
        source.emit(x)
    client.close(timeout="50ms")
    assert client.closed
    assert not may_go.is_set()
    may_go.set()
    # Elements not delivered by then are reported.
    try:
        source.drain()
    except Exception:
        assert L == sorted(set(L))
    else:
        assert L == list(range(8))


@pytest.mark.parametrize("kind", KINDS)
def test_a_blocking_asynchronous_sink_does_not_delay_close_for_ever(kind):
    async def main():
        client = Client(asynchronous=True, **options(kind))
        source, may_go = Stream(asynchronous=True), asyncio.Event()
        L = []

        async def sink(x):
            await may_go.wait()
            L.append(x)

        source.scatter(client).map(slow).buffer(50).gather().sink(sink)
        for x in range(20):
            await source.emit(x)
        await client.close(timeout=0.05)
        assert client.closed
        assert not L
        may_go.set()
        try:
            await source.drain()
        except Exception:
            return L == sorted(set(L))
        return L == list(range(20))

    assert asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_close_does_not_wait_for_elements_past_the_client(kind):
    """Elements in windows after `gather` no longer need the client: waiting for them would never end."""
    source, may_go = Stream(), Future()
    pairs, late = [], []

    async def sink(x):
        await asyncio.wrap_future(may_go)
        late.append(x)

    with Client(**options(kind)) as client:
        gathered = source.scatter(client).map(slow).gather()
        gathered.partition(2).sink(pairs.append)
        gathered.buffer(9).sink(sink)
        source.scatter(client).partition(9).sink_to_list()
        source.emit_many(range(3))
    assert (pairs, late) == ([(0, 1)], [])
    may_go.set_result(None)
    source.drain()
    assert (pairs, late) == ([(0, 1), (2,)], [0, 1, 2])


def test_close_does_not_wait_on_a_virtual_clock():
    source = Stream(loop=VirtualClock())
    with Client(**options("threads")) as client:
        source.delay("1h").scatter(client).map(slow).gather().sink_to_list()
        source.emit(1)


def test_a_blocking_close_inside_the_loop_reports_what_is_left():
    """A blocking `close` can't wait there: the stream delivers everything, or reports undelivered elements."""

    async def main():
        source = Stream(asynchronous=True)
        with Client(**options("threads")) as client:
            L = source.buffer(50).scatter(client).map(slow).gather().sink_to_list()
            for x in range(20):
                await source.emit(x)
        with pytest.raises(Exception, match=r"clos|cancel"):
            await source.drain()
        return L

    L = asyncio.run(main())
    assert L == sorted(set(L))


def test_closing_in_a_separate_asyncio_task():
    with Client(**options("threads")) as client:
        source = Stream()
        L = source.scatter(client).map(lambda x: client.close()).gather().sink_to_list()
        source.emit(1)
    assert L == [None]


PROGRAM = """
import os, sys, time
from thalweg import Stream
from thalweg.tasks import Client

def slow(x):
    time.sleep(0.01)
    return x

client = Client(processes={processes}, n_workers=2)
source = Stream()
source.scatter(client).map(slow).buffer(50).gather().sink(lambda x: print(x, flush=True))
for x in range(40):
    source.emit(x)
"""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "end", ["", "client.close()", "del client", "sys.exit()", "del source", "client.__exit__(None, None, None)"]
)
def test_a_program_that_ends_without_closing(python, kind, end):
    ended = python("-c", PROGRAM.format(processes=kind == "processes") + end)
    assert ended.stdout.split() == [str(x) for x in range(40)], ended.stderr
    assert (ended.stderr, ended.returncode) == ("", 0)


INTERRUPTED = (
    PROGRAM
    + """
with client:
    print("ready", flush=True)
    # Short sleeps: a signal that arrives just as Python goes to sleep is handled only afterwards.
    while True:
        time.sleep(0.02)
"""
)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
@pytest.mark.parametrize("whom", ["the program", "its workers, too"])
@pytest.mark.parametrize("kind", KINDS)
def test_ctrl_c(tmp_path, kind, whom):
    path = tmp_path / "program.py"
    path.write_text(INTERRUPTED.format(processes=kind == "processes"))
    with subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            lines = []
            while not lines or lines[-1] != "ready":
                line = process.stdout.readline()
                assert line
                lines.append(line.strip())
            (os.kill if whom == "the program" else os.killpg)(process.pid, signal.SIGINT)
            output, errors = rest_of(process)
        finally:
            process.kill()
    delivered = [line for line in [*lines, *output.split()] if line != "ready"]
    assert delivered == [str(x) for x in range(40)], errors
    assert errors.strip().endswith("KeyboardInterrupt")
    assert process.returncode == -signal.SIGINT
