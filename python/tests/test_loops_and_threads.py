"""Pipelines built before their event loop runs, used from other threads, and moved between loops."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref

import pytest

from support import PATIENCE
from thalweg import Sink, Stream
from thalweg.runtime import program_end

# Built before the loop runs.


class Writer(Sink):
    def __init__(self, upstream, written):
        self.written = written
        super().__init__(upstream)

    async def update(self, x, who=None, metadata=None):
        await asyncio.sleep(0)
        self.written.append(x)


def decorated(function):
    def call(*args):
        return function(*args)

    return call


def a_future(written):
    def write(x):
        future = asyncio.get_running_loop().create_future()
        written.append(x)
        asyncio.get_running_loop().call_soon(future.set_result, None)
        return future

    return write


def a_coroutine(written):
    async def write(x):
        await asyncio.sleep(0)
        written.append(x)

    return write


SINKS = {
    "async def": lambda s, written: s.sink(a_coroutine(written)),
    "lambda": lambda s, written: s.sink(lambda x: a_coroutine(written)(x)),
    "decorated": lambda s, written: s.sink(decorated(a_coroutine(written))),
    "future": lambda s, written: s.sink(a_future(written)),
    "subclass": Writer,
}

BEFORE = {"no loop needed": lambda s: s.map(abs), "a loop needed": lambda s: s.buffer(2)}


@pytest.mark.parametrize("where", ["module", "coroutine"])
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE.keys())
@pytest.mark.parametrize("sink", SINKS.values(), ids=SINKS.keys())
def test_an_emit_is_awaited_wherever_the_pipeline_was_made(where, before, sink):
    written = []

    def make():
        source = Stream(asynchronous=True)
        return source, sink(before(source), written)

    made = make() if where == "module" else None

    async def main():
        source, _node = made or make()
        for x in range(3):
            await asyncio.wait_for(source.emit(x), PATIENCE)
        await source.drain()

    asyncio.run(main())
    assert written == [0, 1, 2]


@pytest.mark.parametrize("arguments", [{}, {"asynchronous": True}, {"asynchronous": False}])
@pytest.mark.parametrize("where", ["module", "coroutine"])
def test_an_asynchronous_emit_returns_an_awaitable(arguments, where):
    made = Stream(**arguments) if where == "module" else None

    async def main():
        source = made or Stream(**arguments)
        plain = source.sink_to_list()
        behind = source.buffer(2).sink_to_list()
        await asyncio.wait_for(source.emit(1, asynchronous=True), PATIENCE)
        await asyncio.wait_for(source.emit_many([2, 3], asynchronous=True), PATIENCE)
        await source.drain(asynchronous=True)
        return plain, behind

    assert asyncio.run(main()) == ([1, 2, 3], [1, 2, 3])


# Other threads.


def test_a_threads_emit_into_an_asynchronous_pipeline_runs_on_its_loop():
    async def main():
        source = Stream(asynchronous=True)
        inside, overlaps, where = 0, 0, set()

        def section(x):
            nonlocal inside, overlaps
            inside += 1
            overlaps += inside > 1
            where.add(threading.current_thread())
            inside -= 1
            return x

        async def write(x):
            section(x)

        source.map(section).sink(write)
        await asyncio.gather(*(asyncio.to_thread(lambda: [source.emit(x) for x in range(50)]) for _ in range(2)))
        return overlaps, where

    assert asyncio.run(main()) == (0, {threading.main_thread()})


@pytest.mark.parametrize("emit", ["emit", "emit_many"])
def test_a_threads_emit_into_an_asynchronous_pipeline_waits_and_raises_failures(emit):
    async def main():
        source = Stream(asynchronous=True)
        gate, taken = asyncio.Event(), []

        async def write(x):
            await gate.wait()
            taken.append(x)
            if x == 2:
                raise ValueError(x)

        source.sink(write)
        returned = []

        def feed():
            for x in range(3):
                source.emit(x) if emit == "emit" else source.emit_many([x])
                returned.append(x)

        feeding = asyncio.ensure_future(asyncio.to_thread(feed))
        await asyncio.wait([feeding], timeout=0.05)
        assert returned == []
        gate.set()
        with pytest.raises(ValueError):
            await feeding
        return taken, returned

    assert asyncio.run(main()) == ([0, 1, 2], [0, 1])


def test_a_threads_emit_can_be_awaited_on_its_own_loop():
    async def main():
        source = Stream(asynchronous=True)
        taken, threads = [], set()

        async def write(x):
            await asyncio.sleep(0)
            threads.add(threading.current_thread())
            taken.append(x)

        source.sink(write)

        async def feed():
            for x in range(3):
                await source.emit(x)
                assert taken[-1] == x

        await asyncio.to_thread(asyncio.run, feed())
        return taken, threads

    assert asyncio.run(main()) == ([0, 1, 2], {threading.main_thread()})


@pytest.mark.parametrize("build", [lambda s: s, lambda s: s.buffer(3)], ids=["no loop needed", "a loop needed"])
def test_emitting_from_a_thread_before_the_loop_is_known_explains_the_remedy(build):
    source = Stream(asynchronous=True)
    L = build(source).sink_to_list()

    async def main():
        with pytest.raises(RuntimeError, match="inside a coroutine"):
            await asyncio.to_thread(source.emit, 1)
        await source.emit(2)
        await asyncio.to_thread(source.emit, 3)
        await source.drain()

    asyncio.run(main())
    assert L == [2, 3]


def test_threads_building_concurrently_share_one_loop(python):
    done = python(
        "-c",
        "import sys, threading\n"
        "from thalweg import Stream\n"
        "from thalweg.runtime import loops\n"
        "sys.setswitchinterval(1e-5)\n"
        "s, gate = Stream(), threading.Barrier(4)\n"
        "def build():\n"
        "    gate.wait()\n"
        "    s.map(str).buffer(3).sink(print)\n"
        "threads = [threading.Thread(target=build) for _ in range(4)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(len(loops.shared_loops))\n",
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


# One loop after another.


SUSPENDING = {
    "sink": lambda s, write: s.sink(write),
    "map": lambda s, write: s.map(write).sink(lambda x: None),
    "buffer": lambda s, write: s.buffer(5).sink(write),
    "rate_limit": lambda s, write: s.rate_limit(0.001).sink(write),
    "delay": lambda s, write: s.delay(0.001).sink(write),
    "shift": lambda s, write: s.shift(0.001).sink(write),
    "partition": lambda s, write: s.partition(5, timeout=0.001).map(sum).sink(write),
    "timed_window": lambda s, write: s.timed_window(0.001).filter(None).map(sum).sink(write),
    "map_async": lambda s, write: s.map_async(write).sink(lambda x: None),
    "latest": lambda s, write: s.latest().sink(write),
    "no loop needed": lambda s, write: s.map(abs).sink(write),
}


@pytest.mark.parametrize("build", SUSPENDING.values(), ids=SUSPENDING.keys())
def test_a_pipeline_moves_to_the_running_loop(build):
    written, kept = [], []

    async def main(x):
        arrived = asyncio.Event()

        async def write(x):
            written.append(x)
            kept[-1].set()

        kept.append(arrived)
        if x == 0:
            kept.insert(0, Stream(asynchronous=True))
            kept.insert(1, build(kept[0], write))
        await kept[0].emit(x)
        await asyncio.wait_for(arrived.wait(), PATIENCE)

    for x in range(3):
        asyncio.run(main(x))
    assert written == [0, 1, 2]


def test_elements_in_flight_continue_on_the_next_loop(caplog):
    async def begin(source):
        await source.emit_many(range(3))

    async def end(source):
        await source.emit(3)
        await source.drain()

    source = Stream(asynchronous=True)
    L = source.buffer(5).rate_limit(0.001).sink_to_list()
    # `asyncio.run` would wait for the element.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(begin(source))
    loop.close()
    program_end.tell_of_closed(loop)
    assert "on the way" in caplog.text
    asyncio.run(end(source))
    assert L == [0, 1, 2, 3]


WAITING = {
    "buffer": lambda source: source.buffer(3),
    "delay": lambda source: source.delay(1),
    "latest": lambda source: source.latest(),
    "partition": lambda source: source.partition(3, timeout=1),
    "sample": lambda source: source.sample(1),
    "shift": lambda source: source.shift(1),
    "timed_window": lambda source: source.timed_window(1),
}


@pytest.mark.parametrize("has_run", [False, True], ids=["before", "later"])
@pytest.mark.parametrize("name", WAITING)
def test_a_closed_loop_takes_no_elements(name, has_run):
    loop = asyncio.new_event_loop()
    source = Stream(loop=loop)
    node = WAITING[name](source) if has_run else None
    if has_run:
        loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    # A node that sets a timer when it is made finds out that the loop is closed.
    node = node or WAITING[name](source)
    node.sink_to_list()
    with pytest.raises(RuntimeError, match="the event loop has been closed"):
        source.emit(1)


def test_a_call_lost_with_its_loop_has_failed():
    async def write(x):
        if x == 0:
            await asyncio.get_running_loop().create_future()
        written.append(x)

    async def emit(x):
        await source.emit(x)
        await asyncio.sleep(0.001)

    written = []
    source = Stream(asynchronous=True)
    source.buffer(5).sink(write)
    for x in range(2):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(emit(x))
        if x == 1:
            with pytest.raises(RuntimeError, match="was closed while the call was at work"):
                loop.run_until_complete(source.drain())
        loop.close()
    assert written == [1]


def test_a_stopped_loop_keeps_elements_in_flight():
    one, two = asyncio.new_event_loop(), asyncio.new_event_loop()
    source = Stream(asynchronous=True)
    L = source.buffer(5).rate_limit(0.2).sink_to_list()

    async def emit(x):
        await source.emit(x)

    for x in range(2):
        one.run_until_complete(emit(x))
    with pytest.raises(RuntimeError, match="has stopped"):
        two.run_until_complete(emit(2))
    while L != [0, 1] or source._pipeline.nodes()[1]._in_flight():
        one.run_until_complete(asyncio.sleep(0.001))
    two.run_until_complete(emit(2))
    two.run_until_complete(source.drain())
    one.close()
    two.close()
    assert L == [0, 1, 2]


def test_closed_loops_are_forgotten(monkeypatch):
    # Do not wait for an element delayed by 1000 s.
    monkeypatch.setattr(program_end, "PATIENCE_AT_EXIT", 0.01)
    loops, sources = [], []

    async def main():
        source = Stream(asynchronous=True)
        source.buffer(3).rate_limit(1000).sink(lambda x: asyncio.sleep(0))
        source.loop.add_callback(lambda: None)
        loops.append(weakref.ref(asyncio.get_running_loop()))
        sources.append(weakref.ref(source))
        for x in range(3):
            await source.emit(x)

    for _ in range(5):
        asyncio.run(main())
    # Objects kept by a pipeline freed in one collection are freed in the next.
    for _ in range(3):
        gc.collect()
    # The event loop policy keeps the last one.
    assert [ref() for ref in loops[:-1]] == [None] * 4
    assert [ref() for ref in sources] == [None] * 5


# Iterating.


@pytest.mark.parametrize("arguments", [{}, {"asynchronous": True}])
def test_async_for_over_elements_emitted_by_a_thread(arguments):
    async def main():
        source = Stream(**arguments)
        iteration = aiter(source.map(abs))
        feeding = asyncio.ensure_future(asyncio.to_thread(lambda: [source.emit(x) for x in range(40)]))
        got = [await asyncio.wait_for(anext(iteration), PATIENCE) for _ in range(40)]
        await feeding
        return got

    assert asyncio.run(main()) == list(range(40))


@pytest.mark.parametrize("make", [lambda: Stream(asynchronous=False), lambda: Stream().buffer(2)])
def test_async_for_over_a_pipeline_on_another_loop_is_refused(make):
    async def main():
        with pytest.raises((RuntimeError, ValueError)):
            aiter(make())

    asyncio.run(main())


# Other interpreters.


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the module goes by other names")
def test_sub_interpreters_are_refused(python):
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    make = "create('legacy')" if sys.version_info >= (3, 13) else "create(isolated=False)"
    done = python("-c", f"import {name} as i\nprint(i.run_string(i.{make}, 'import thalweg'))")
    assert "sub-interpreters" in done.stdout + done.stderr
