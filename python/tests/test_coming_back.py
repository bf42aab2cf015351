"""Async functions that await an `emit` leading back to themselves do not deadlock."""

from __future__ import annotations

import asyncio
import threading

import pytest

from support import PATIENCE
from thalweg import Sink, Stream

LAST = 30


def again(to, log, last=LAST):
    async def function(x):
        log.append(x)
        if x < last:
            await to.emit(x + 1)
        return x

    return function


class Collector(Sink):
    def __init__(self, upstream, function):
        self.function = function
        super().__init__(upstream)

    async def update(self, x, who=None, metadata=None):
        await self.function(x)


class Middle(Stream):
    def __init__(self, upstream, function):
        self.function = function
        super().__init__(upstream)

    async def update(self, x, who=None, metadata=None):
        await self.function(x)
        await asyncio.gather(*(one for one in self._emit(x)))


async def until(condition):
    """Yield until a condition holds: if emitters do not wait, the rest arrives later."""

    async def wait():
        while not condition():
            await asyncio.sleep(0)

    await asyncio.wait_for(wait(), PATIENCE)


OPERATORS = {
    "sink": lambda s, f: s.sink(f),
    "sink after a map": lambda s, f: s.map(lambda x: x).sink(f),
    "lambda": lambda s, f: s.sink(lambda x: f(x)),
    "map": lambda s, f: s.map(f).sink(lambda x: None),
    "filter": lambda s, f: s.filter(f).sink(lambda x: None),
    "starmap": lambda s, f: s.map(lambda x: (x,)).starmap(f).sink(lambda x: None),
    "map_async": lambda s, f: s.map_async(f).sink(lambda x: None),
    "map_async, three": lambda s, f: s.map_async(f, parallelism=3).sink(lambda x: None),
    "full buffer": lambda s, f: s.buffer(1).sink(f),
    "full buffers": lambda s, f: s.buffer(1).map(f).buffer(1).sink(lambda x: None),
    "rate_limit": lambda s, f: s.rate_limit(0.001).sink(f),
    "sink subclass": lambda s, f: Collector(s, f),
    "subclass": lambda s, f: Middle(s, f).sink(lambda x: None),
    "task": lambda s, f: s.sink(lambda x: asyncio.ensure_future(f(x))),
}


@pytest.mark.parametrize("how", ["plain", "create_task", "gather", "wait_for", "emit_many"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_awaiting_operator_can_emit_back_into_the_pipeline(operator, how):
    async def main():
        source = Stream(asynchronous=True)
        log = []

        async def function(x):
            log.append(x)
            if x < LAST:
                if how == "plain":
                    await source.emit(x + 1)
                elif how == "create_task":
                    await asyncio.create_task(source_emit(x + 1))
                elif how == "gather":
                    await asyncio.gather(source_emit(x + 1), asyncio.sleep(0))
                elif how == "wait_for":
                    await asyncio.wait_for(source_emit(x + 1), PATIENCE)
                else:
                    await source.emit_many([x + 1])
            return x

        async def source_emit(x):
            await source.emit(x)

        OPERATORS[operator](source, function)
        await asyncio.wait_for(source.emit(0), 20)
        await until(lambda: len(log) > LAST)
        assert log == list(range(LAST + 1))
        await source.drain()

    asyncio.run(asyncio.wait_for(main(), 2 * PATIENCE))


@pytest.mark.parametrize("buffered", [False, True])
def test_two_pipelines_emit_into_each_other(buffered):
    async def main():
        ping, pong = Stream(asynchronous=True), Stream(asynchronous=True)
        log = []
        (ping.buffer(1) if buffered else ping).sink(again(pong, log))
        (pong.buffer(1) if buffered else pong).sink(again(ping, log))
        for _ in range(4):
            await asyncio.wait_for(ping.emit(0), 20)
        await until(lambda: len(log) == 4 * (LAST + 1))

    asyncio.run(main())


def test_a_blocking_emit_back_into_the_pipeline():
    source = Stream()
    log = []
    source.sink(again(source, log))
    source.emit(0)
    assert log == list(range(LAST + 1))


def test_the_outer_element_waits_for_those_it_caused():
    async def main():
        source = Stream(asynchronous=True)
        done = []

        async def function(x):
            if x < 3:
                await source.emit(x + 1)
            await asyncio.sleep(0)
            done.append(x)

        source.sink(function)
        await source.emit(0)
        assert sorted(done) == [0, 1, 2, 3]

    asyncio.run(main())


def test_a_crawler_requeues_and_sees_failures():
    async def main():
        source = Stream(asynchronous=True)
        seen = set()

        async def crawl(page):
            if page == 13:
                raise ValueError("gone")
            for link in (2 * page, 2 * page + 1):
                if link < 64 and link not in seen:
                    seen.add(link)
                    await source.emit(link)

        source.sink(crawl)
        with pytest.raises(ValueError, match="gone"):
            await asyncio.wait_for(source.emit(1), PATIENCE)
        assert len(seen) == 62 - 2 - 4

    asyncio.run(main())


WAYS = {
    "buffer and map_async": lambda s, f: s.buffer(3).map_async(f, parallelism=2),
    "two buffers": lambda s, f: s.buffer(3).map(f).buffer(2),
    "concurrent calls": lambda s, f: s.buffer(2).map(f, concurrency=2).buffer(1),
    "windows": lambda s, f: s.buffer(1).map(f).sliding_window(1).flatten().buffer(1),
}


@pytest.mark.parametrize("build", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("is_an_edge", [True, False])
def test_a_crawler_with_full_queues(build, is_an_edge):
    async def main():
        source = Stream(asynchronous=True)
        crawled = asyncio.get_running_loop().create_future()
        pages = []

        async def crawl(page):
            await asyncio.sleep(0)
            pages.append(page)
            if len(pages) == 401:
                crawled.set_result(None)
            return [2 * page + 1, 2 * page + 2] if page < 200 else []

        links = build(source, crawl).flatten()
        if is_an_edge:
            links.connect(source)
        else:

            async def again(page):
                await source.emit(page)

            links.sink(again)
        await source.emit(0)
        await crawled
        assert sorted(pages) == list(range(401))
        await source.drain()

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


@pytest.mark.parametrize("build", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("is_an_edge", [True, False])
def test_a_crawler_on_a_separate_loop(build, is_an_edge):
    source, pages, crawled = Stream(), [], threading.Event()

    async def crawl(page):
        pages.append(page)
        if len(pages) == 401:
            crawled.set()
        return [2 * page + 1, 2 * page + 2] if page < 200 else []

    links = build(source, crawl).flatten()
    if is_an_edge:
        links.connect(source)
    else:
        links.sink(source.emit)
    source.emit(0)
    assert crawled.wait(PATIENCE)
    assert sorted(pages) == list(range(401))
