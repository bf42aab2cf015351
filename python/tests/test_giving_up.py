"""Emitters that give up waiting: what has not been taken is withdrawn, what has been goes on."""

from __future__ import annotations

import asyncio

import pytest

from support import PATIENCE
from thalweg import Stream, VirtualClock


def held(source):
    return sum(node.counters()["held"] for node in source._pipeline.nodes())


@pytest.mark.parametrize("build", [lambda s: s.buffer(2).rate_limit(3600), lambda s: s.rate_limit(3600)])
def test_what_is_cancelled_leaves_nothing_behind(build):
    async def main():
        source = Stream(asynchronous=True)
        build(source).sink(lambda x: None)
        taken = 0
        for x in range(200):
            try:
                await asyncio.wait_for(source.emit(x), 0.001)
                taken += 1
            except asyncio.TimeoutError:
                pass
        await asyncio.sleep(0)
        assert taken < 10
        assert held(source) < 10

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_what_has_been_taken_goes_on():
    async def main():
        source, done, begun = Stream(asynchronous=True), [], asyncio.Event()

        async def slow(x):
            begun.set()
            await asyncio.sleep(0.01)
            done.append(x)

        source.sink(slow)
        emitting = asyncio.ensure_future(_await(source.emit(1)))
        await begun.wait()
        emitting.cancel()
        await source.drain()
        assert done == [1]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


async def _await(awaitable):
    await awaitable


def test_what_nobody_awaits_is_not_withdrawn():
    async def main():
        source = Stream(asynchronous=True)
        L = source.rate_limit(0.001).sink_to_list()
        for x in range(5):
            source.emit(x)
        await source.drain()
        assert L == [0, 1, 2, 3, 4]

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("many", [False, True])
def test_an_emit_that_blocks_has_a_timeout(many):
    source = Stream(loop=VirtualClock())
    L = source.rate_limit("1h").sink_to_list()
    emit = (lambda x, **options: source.emit_many([x, x], **options)) if many else source.emit
    source.emit(0, timeout=1)
    for x in range(20):
        with pytest.raises(TimeoutError):
            emit(x, timeout="1s")
    assert held(source) == 0
    assert L == [0]


def test_on_a_loop_of_its_own_too():
    source = Stream()
    L = source.rate_limit(3600).sink_to_list()
    source.emit(0, timeout=PATIENCE)
    with pytest.raises(TimeoutError):
        source.emit(1, timeout=0.01)
    assert L == [0]
    assert held(source) == 0


def test_a_timeout_is_a_length_of_time():
    with pytest.raises(ValueError, match="emit: `timeout`"):
        Stream().emit(1, timeout=-1)
