"""How a loop is woken for elements emitted by other threads."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading

import pytest

from support import PATIENCE
from thalweg import Stream


async def feed_from_a_thread(count=20):
    """Emit from a thread into a pipeline of the running loop."""
    source = Stream(asynchronous=True)
    arrived, is_there = [], asyncio.Event()

    def arrive(x):
        arrived.append(x)
        if len(arrived) == count:
            is_there.set()

    source.buffer(3).map(lambda x: x).sink(arrive)
    thread = threading.Thread(target=lambda: [source.emit(x) for x in range(count)], daemon=True)
    thread.start()
    await asyncio.wait_for(is_there.wait(), PATIENCE)
    thread.join(PATIENCE)
    assert arrived == list(range(count))


class NoDescriptors(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as on Windows."""

    def add_reader(self, *args):
        raise NotImplementedError


def uvloops():
    return pytest.importorskip("uvloop").new_event_loop()


@pytest.mark.parametrize("make", [asyncio.new_event_loop, NoDescriptors, uvloops])
def test_a_loop_is_woken_from_a_thread(make):
    loop = make()
    try:
        loop.run_until_complete(feed_from_a_thread())
        loop.run_until_complete(feed_from_a_thread())
    finally:
        loop.close()


def test_a_loop_run_on_another_thread_is_woken():
    loop = asyncio.new_event_loop()
    try:
        thread = threading.Thread(target=loop.run_until_complete, args=(feed_from_a_thread(),))
        thread.start()
        thread.join(PATIENCE)
        loop.run_until_complete(feed_from_a_thread())
    finally:
        loop.close()


def descriptors():
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(sys.platform != "linux", reason="it counts in /proc")
def test_closed_loops_leave_no_descriptors():
    asyncio.run(feed_from_a_thread())
    before = descriptors()
    for _ in range(30):
        asyncio.run(feed_from_a_thread())
    assert descriptors() < before + 10


@pytest.mark.skipif(sys.platform != "linux", reason="it counts in /proc")
def test_freed_pipelines_leave_no_descriptors_to_their_loop():
    async def main():
        await feed_from_a_thread()
        before = descriptors()
        for _ in range(30):
            await feed_from_a_thread()
            gc.collect()
            await asyncio.sleep(0)
        assert descriptors() < before + 10

    asyncio.run(main())


@pytest.mark.parametrize("needs_loop", [False, True], ids=["plain", "buffered"])
def test_an_asynchronous_source_runs_without_a_running_loop(needs_loop):
    is_there = threading.Event()
    source = Stream.from_iterable(range(5), asynchronous=True)
    node = source.buffer(2) if needs_loop else source.map(lambda x: x)
    L = node.sink_to_list()
    node.filter(lambda x: x == 4).sink(lambda _: is_there.set())
    source.start()
    assert is_there.wait(PATIENCE)
    assert L == [0, 1, 2, 3, 4]


def test_an_asynchronous_source_uses_the_loop_running_at_its_start():
    source = Stream.from_iterable(range(3), asynchronous=True)
    threads = []
    source.sink(lambda _: threads.append(threading.current_thread()))

    async def main():
        source.start()
        await source.until_idle()
        while not source.stopped:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert threads == [threading.current_thread()] * 3
