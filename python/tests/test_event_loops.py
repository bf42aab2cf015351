"""Where pipelines run: on the user's loop, on a loop thread, or without a loop."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import signal
import subprocess
import sys
import threading
import time

import pytest

from support import PATIENCE
from thalweg import Stream


def run_all(*functions):
    """Run each function on its own thread to the end; raise their exceptions."""
    errors = []

    def run(function):
        try:
            function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive(), "a thread hangs"
    for error in errors:
        raise error


async def add_later(x):
    await asyncio.sleep(0)
    return x + 1


# The user's loop.


async def _pipeline():
    source = Stream(asynchronous=True)
    L = source.map(add_later).buffer(3).rate_limit(0.001).sink_to_list()
    assert source.loop.asyncio_loop is asyncio.get_running_loop()
    for x in range(4):
        await source.emit(x)
    await source.emit_many(range(4, 6))
    await source.drain()
    return L


def test_predicates_are_awaited():
    async def is_odd(x):
        await asyncio.sleep(0)
        return x % 2

    async def main():
        source = Stream(asynchronous=True)
        odd, even = source.filter(is_odd).sink_to_list(), source.remove(is_odd).sink_to_list()
        await source.emit_many(range(4))
        return odd, even

    assert asyncio.run(main()) == ([1, 3], [0, 2])


def test_under_asyncio_run():
    assert asyncio.run(_pipeline()) == [1, 2, 3, 4, 5, 6]
    assert asyncio.run(_pipeline()) == [1, 2, 3, 4, 5, 6]


def test_under_uvloop():
    uvloop = pytest.importorskip("uvloop")
    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop)
        if hasattr(asyncio, "Runner")
        else _Runner(uvloop.new_event_loop()) as runner
    ):
        assert runner.run(_pipeline()) == [1, 2, 3, 4, 5, 6]


class _Runner:
    def __init__(self, loop):
        self.loop = loop

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.loop.close()

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)


def test_functions_run_on_the_loops_thread():
    async def main():
        source = Stream(asynchronous=True)
        threads = source.buffer(2).map(lambda x: threading.get_ident()).sink_to_list()
        await source.emit(1)
        await source.drain()
        return threads

    assert asyncio.run(main()) == [threading.get_ident()]


def test_awaiting_a_completed_emit_does_not_yield():
    async def main():
        source = Stream(asynchronous=True)
        L = source.map(str).sink_to_list()
        others = []
        asyncio.get_running_loop().call_soon(others.append, 1)
        for x in range(100):
            await source.emit(x)
        assert others == []
        return len(L)

    assert asyncio.run(main()) == 100


def test_an_emit_that_is_not_awaited_is_still_delivered():
    async def main():
        source = Stream(asynchronous=True)
        L = source.map(add_later).sink_to_list()
        source.emit(1)
        await source.drain()
        return L

    assert asyncio.run(main()) == [2]


def test_emits_can_be_gathered_and_cancelled():
    async def main():
        source = Stream(asynchronous=True)
        L = source.rate_limit(0.001).sink_to_list()
        await asyncio.gather(*(source.emit(x) for x in range(5)))
        slow = Stream(asynchronous=True)
        never = slow.sink(lambda x: asyncio.get_running_loop().create_future())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(slow.emit(1), 0.01)
        assert never.counters()["received"] == 1
        return L

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


def test_a_pipeline_built_before_the_loop_runs():
    source = Stream(asynchronous=True)
    L = source.map(add_later).sink_to_list()

    async def main():
        await source.emit(1)
        return source.loop.asyncio_loop is asyncio.get_running_loop()

    assert asyncio.run(main())
    assert L == [2]


def test_a_timed_pipeline_built_before_the_loop_runs():
    source = Stream(asynchronous=True)
    L = source.rate_limit(0.001).buffer(2).sink_to_list()

    async def main():
        for x in range(3):
            await source.emit(x)
        await source.drain()

    asyncio.run(main())
    assert L == [0, 1, 2]


def test_an_explicit_loop():
    loop = asyncio.new_event_loop()
    source = Stream(loop=loop, asynchronous=True)
    L = source.buffer(2).sink_to_list()

    async def main():
        await source.emit(1)
        await source.drain()

    loop.run_until_complete(main())
    loop.close()
    assert L == [1]


def test_an_explicit_loop_on_another_thread():
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    source = Stream(loop=loop)
    threads = source.map(lambda x: threading.get_ident()).sink_to_list()
    assert source.emit(1) is None
    assert threads == [thread.ident]
    source.drain()
    loop.call_soon_threadsafe(loop.stop)
    thread.join(PATIENCE)
    loop.close()


def test_async_for():
    async def main():
        source = Stream(asynchronous=True)

        async def feed():
            for x in range(100):
                await source.emit(x)
            await source.drain()

        feeding = asyncio.ensure_future(feed())
        got = [x async for x in source.map(lambda x: x * x)]
        await feeding
        return got

    assert asyncio.run(main()) == [x * x for x in range(100)]


def test_async_for_can_be_left():
    async def main():
        source = Stream(asynchronous=True)

        async def feed():
            for x in range(100):
                await source.emit(x)

        feeding = asyncio.ensure_future(feed())
        async for x in source.map(str):
            if x == "3":
                break
        await asyncio.wait_for(feeding, PATIENCE)
        return list(source.downstreams)

    assert asyncio.run(main()) == []


def test_async_for_may_be_collected_with_its_pipeline(monkeypatch):
    async def main():
        node = Stream(asynchronous=True).map(str)
        # A cycle: the collector chooses what it finalizes first.
        node.iteration = aiter(node)

    raised = []
    monkeypatch.setattr(sys, "unraisablehook", raised.append)
    for _ in range(2):
        asyncio.run(main())
        gc.collect()
    assert raised == []


def test_async_with_drains():
    async def main():
        async with Stream(asynchronous=True) as source:
            L = source.partition(2).buffer(3).sink_to_list()
            await source.emit_many(range(3))
        return L

    assert asyncio.run(main()) == [(0, 1), (2,)]


# Tornado's loop.


def test_under_tornado_with_gen_coroutine():
    ioloop = pytest.importorskip("tornado.ioloop")
    gen = pytest.importorskip("tornado.gen")

    @gen.coroutine
    def write(x):
        yield gen.sleep(0.001)
        L.append(x)

    @gen.coroutine
    def main():
        source = Stream(asynchronous=True)
        source.map(lambda x: x + 1).sink(write)
        for x in range(3):
            yield source.emit(x)

    L = []
    loop = ioloop.IOLoop(make_current=False)
    loop.run_sync(main)
    assert L == [1, 2, 3]
    loop.close()


def test_under_tornado_with_async_def():
    ioloop = pytest.importorskip("tornado.ioloop")
    loop = ioloop.IOLoop(make_current=False)
    assert loop.run_sync(_pipeline) == [1, 2, 3, 4, 5, 6]
    loop.close()


def test_an_explicit_tornado_loop():
    ioloop = pytest.importorskip("tornado.ioloop")
    loop = ioloop.IOLoop(make_current=False)

    async def main():
        source = Stream(loop=loop, asynchronous=True)
        L = source.buffer(2).sink_to_list()
        assert source.loop is loop
        await source.emit(1)
        await source.drain()
        return L

    assert loop.run_sync(main) == [1]
    loop.close()


# A loop thread.


def test_a_blocking_emit_returns_when_the_element_is_accepted():
    source = Stream(asynchronous=False)
    L = source.map(add_later).sink_to_list()
    for x in range(5):
        assert source.emit(x) is None
        assert L[-1] == x + 1
    assert source.emit_many(range(5, 8)) is None
    assert list(range(1, 9)) == L


def test_blocking_emits_of_several_threads():
    source = Stream(asynchronous=False)
    L = source.map(add_later).sink_to_list()
    run_all(*(lambda n=n: [source.emit(1000 * n + x) for x in range(100)] for n in range(4)))
    assert sorted(L) == sorted(1000 * n + x + 1 for n in range(4) for x in range(100))


def test_emits_of_several_threads_without_a_loop():
    source = Stream()
    totals = source.accumulate(lambda total, x: total + x, 0).sink_to_list()
    run_all(*(lambda: [source.emit(1) for _ in range(2000)] for _ in range(4)))
    assert totals == list(range(1, 8001))


def test_two_pipelines_that_emit_into_each_other_from_two_threads():
    a, b = Stream(), Stream()
    to_b, to_a = a.filter(lambda x: x > 0), b.filter(lambda x: x > 0)
    to_b.sink(lambda x: b.emit(x - 1))
    to_a.sink(lambda x: a.emit(x - 1))
    seen_a, seen_b = a.sink_to_list(), b.sink_to_list()
    run_all(lambda: [a.emit(3) for _ in range(300)], lambda: [b.emit(3) for _ in range(300)])
    a.drain()
    b.drain()
    assert len(seen_a) + len(seen_b) == 2 * 300 * 4


def test_two_blocking_pipelines_that_emit_into_each_other():
    a, b = Stream(asynchronous=False), Stream(loop=VirtualClockOnAThread().loop)
    L = b.map(add_later).sink_to_list()
    a.map(add_later).sink(b.emit)
    run_all(lambda: [a.emit(x) for x in range(50)])
    b.drain()
    assert sorted(L) == list(range(2, 52))


class VirtualClockOnAThread:
    """Another loop on another thread."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()


def test_the_gil_is_free_while_emit_blocks():
    release = threading.Event()

    def hold(x):
        return asyncio.get_running_loop().run_in_executor(None, release.wait, PATIENCE)

    source = Stream(asynchronous=False)
    source.sink(hold)

    def others():
        # Runs only if `emit` has released the GIL.
        while source.downstreams and not source.counters()["sent"]:
            time.sleep(0)
        release.set()

    run_all(lambda: source.emit(1), others)


# Without a loop.


def test_there_is_no_loop_until_a_node_needs_one():
    source = Stream()
    node = source.map(str).partition(2).flatten().zip(source).unique(hashable=False)
    node.sink(print)
    assert source.loop is None
    node.buffer(2)
    assert source.loop is not None
    assert source.asynchronous is None


def test_a_function_that_returns_an_awaitable_without_a_loop():
    source, L = Stream(), []

    async def write(x):
        await asyncio.sleep(0.001)
        L.append(x)

    source.sink(lambda x: write(x))
    assert source.loop is None
    for x in range(3):
        assert source.emit(x) is None
    source.emit_many([3, 4])
    assert L == [0, 1, 2, 3, 4]
    assert source.loop is not None


def test_a_full_join_does_not_block_emitters_without_a_loop():
    a, b = Stream(), Stream()
    L = a.zip(b, maxsize=2).sink_to_list()
    a.emit_many(range(5))
    for x in range(5, 8):
        a.emit(x)
    b.emit_many("abcdefgh")
    assert [x for x, _ in L] == list(range(8))


def test_a_with_block_drains():
    with Stream() as source:
        L = source.partition(2).sink_to_list()
        source.emit_many(range(3))
    assert L == [(0, 1), (2,)]


# Emitting from functions of the pipeline.


def test_feedback_runs_in_constant_stack():
    source = Stream()
    down = source.map(lambda x: x - 1)
    L = down.filter(lambda x: x % 10_000 == 0).sink_to_list()
    down.filter(lambda x: x > 0).sink(source.emit)
    source.emit(100_000)
    assert list(range(90_000, -1, -10_000)) == L


@pytest.mark.parametrize("emit", ["edge", "update"])
def test_feedback_by_an_edge_or_by_update(emit):
    source = Stream()
    down = source.map(lambda x: x - 1).filter(lambda x: x > 0)
    if emit == "edge":
        down.connect(source)
    else:
        down.sink(source.update)
    L = down.sink_to_list()
    source.emit(5)
    assert sorted(L, reverse=True) == [4, 3, 2, 1]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_feedback_on_a_loop(asynchronous):
    def build():
        source = Stream(asynchronous=asynchronous)
        down = source.map(add_later).map(lambda x: x - 2)
        L = down.sink_to_list()
        down.filter(lambda x: x > 0).sink(source.emit)
        return source, L

    if asynchronous:

        async def main():
            source, L = build()
            await source.emit(50)
            await source.drain()
            return L

        L = asyncio.run(main())
    else:
        source, L = build()
        source.emit(50)
        source.drain()
    assert list(range(49, -1, -1)) == L


def test_emitting_into_another_pipeline_with_a_full_buffer():
    async def main():
        source, other = Stream(asynchronous=True), Stream(asynchronous=True)
        L = other.buffer(1).rate_limit(0.001).sink_to_list()
        source.sink(other.emit)
        for x in range(5):
            await source.emit(x)
        await other.drain()
        return L

    assert asyncio.run(main()) == [0, 1, 2, 3, 4]


# Ctrl-C.


INTERRUPTED = """if True:
    import asyncio, threading, time
    from thalweg import Stream
    source = Stream(asynchronous=False)
    L = source.partition(2).sink_to_list()
    def hold(x):
        print("holding", flush=True)
        return asyncio.get_running_loop().create_future()
    source.sink(hold)
    try:
        source.emit(1)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    import os
    os._exit(0)
"""


def interrupt(script, until):
    """Run a script, send it Ctrl-C when it prints `until`, and return its output and exit code."""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = ""
        for line in process.stdout:
            said += line
            if line.strip() == until:
                break
        # The line may be printed before the process waits; the signal must work either way.
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.wait(PATIENCE)
    return said + out, err, process.returncode


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_reaches_a_blocking_emit():
    said, err, code = interrupt(INTERRUPTED, "holding")
    assert said.split() == ["holding", "interrupted"], err
    assert code == 0


@pytest.mark.parametrize("operator", ["map_async", "map", "sink"])
def test_an_asynchronous_function_runs_in_the_context_of_its_emitter(operator):
    request = contextvars.ContextVar("request", default="none")

    async def main():
        source = Stream(asynchronous=True)
        seen = []

        async def note(x):
            await asyncio.sleep(0)
            seen.append((x, request.get()))

        async def emit(x):
            request.set(f"request {x}")
            await source.emit(x)

        node = getattr(source, operator)(note)
        await asyncio.gather(*(emit(x) for x in range(2)))
        await source.drain()
        assert sorted(seen) == [(0, "request 0"), (1, "request 1")]
        del node

    asyncio.run(main())
