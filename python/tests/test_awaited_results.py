"""Awaitable results of functions of pipelines without an event loop: Tornado's coroutines, and futures of loops."""

from __future__ import annotations

import asyncio
import functools
import threading

import pytest
from tornado import gen

from support import PATIENCE
from thalweg import Sink, Stream


def tornado_sink(source, written):
    @gen.coroutine
    def write(x):
        yield gen.sleep(0.001)
        written.append(x)

    source.sink(write)


def partial_of_tornado(source, written):
    @gen.coroutine
    def write(end, x):
        yield gen.sleep(0.001)
        written.append(x)

    source.sink(functools.partial(write, "end"))


def tornado_update(source, written):
    class Slow(Stream):
        @gen.coroutine
        def update(self, x, who=None, metadata=None):
            yield gen.sleep(0.001)
            yield self._emit(x)

    Slow(source).sink(written.append)


@pytest.mark.parametrize("build", [tornado_sink, partial_of_tornado, tornado_update])
@pytest.mark.parametrize("in_a_loop", [False, True])
def test_coroutines_of_tornado_run_without_a_loop_of_the_caller(build, in_a_loop):
    def run():
        source, written = Stream(), []
        build(source, written)
        source.emit_many(range(3))
        source.drain(PATIENCE)
        return written

    async def main():
        return run()

    assert sorted(asyncio.run(main()) if in_a_loop else run()) == [0, 1, 2]


def futures(source, begin):
    source.sink(begin)


def lists_of_futures(source, begin):
    class Beginning(Sink):
        def update(self, x, who=None, metadata=None):
            return [begin(x)]

    Beginning(source)


@pytest.mark.parametrize("build", [futures, lists_of_futures])
@pytest.mark.parametrize("many", [False, True])
def test_an_emitter_does_not_wait_for_a_future_of_its_own_loop(build, many):
    async def main():
        source, written, begun = Stream(), [], []

        async def write(x):
            written.append(x)
            if len(written) == 3:
                done.set()

        def begin(x):
            # Later elements are on the pipeline's own loop.
            begun.append(asyncio.get_running_loop())
            return asyncio.ensure_future(write(x))

        build(source, begin)
        done = threading.Event()
        if many:
            source.emit_many(range(3))
        else:
            for x in range(3):
                source.emit(x)
        while not done.is_set():
            await asyncio.sleep(0)
        await source.until_idle(PATIENCE, asynchronous=True)
        assert begun[0] is asyncio.get_running_loop()
        return written

    assert sorted(asyncio.run(asyncio.wait_for(main(), PATIENCE))) == [0, 1, 2]


@pytest.mark.parametrize("build", [futures, lists_of_futures])
def test_a_future_of_a_loop_that_does_not_run_fails_its_element(build):
    loop = asyncio.new_event_loop()
    source = Stream()
    build(source, lambda x: loop.create_future())
    with pytest.raises(RuntimeError, match="belongs to an event loop that does not run"):
        source.emit(1)
    loop.close()


@pytest.mark.parametrize("outcome", ["result", "error", "cancelled", "done before"])
def test_a_future_of_another_threads_loop_is_awaited(outcome):
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    theirs = []

    def settle(future):
        if outcome == "error":
            future.set_exception(ValueError("bad"))
        elif outcome == "cancelled":
            future.cancel()
        else:
            future.set_result(None)

    async def begin():
        future = loop.create_future()
        if outcome == "done before":
            settle(future)
        else:
            loop.call_soon(settle, future)
        return future

    def awaited(x):
        theirs.append(asyncio.run_coroutine_threadsafe(begin(), loop).result())
        return theirs[-1]

    source = Stream()
    source.sink(awaited)
    try:
        if outcome in ("error", "cancelled"):
            with pytest.raises(ValueError if outcome == "error" else RuntimeError):
                source.emit(1)
        else:
            source.emit(1)
        assert theirs[0].done()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
