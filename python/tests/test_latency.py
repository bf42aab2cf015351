"""Latency of elements: by the pipeline's clock, in compiled chains, and across engines."""

from __future__ import annotations

import asyncio

import pytest

from thalweg import Stream, VirtualClock
from thalweg.tasks import Client

NOTHING = {"count": 0, "mean": None, "p50": None, "p99": None, "max": None}


def test_latency_grows_after_the_node_where_elements_wait():
    clock = VirtualClock()
    source = Stream(loop=clock)
    buffer = source.buffer(9)
    limited = buffer.rate_limit("1s")
    sink = limited.map(abs).sink(lambda x: None)
    assert sink.latency() == NOTHING
    for x in range(4):
        source.emit(x)
        clock.advance("20ms")
    clock.advance("10s")
    assert buffer.latency() == {"count": 4, "mean": 0.0, "p50": 0.0, "p99": 0.0, "max": 0.0}
    latency = sink.latency()
    assert latency["count"] == 4
    # The last one was emitted at 0.06 s and arrived at 3 s.
    assert latency["max"] == pytest.approx(2.94)
    assert source.latency() == NOTHING


def test_an_awaited_sink_counts_its_own_duration():
    clock = VirtualClock()

    async def write(x):
        await asyncio.sleep(3)

    source = Stream(loop=clock)
    sink = source.sink(write)
    sink.latency()
    source.emit(1)
    assert sink.latency()["max"] == 3.0


def test_compiled_chains_are_timed_and_stay_compiled():
    seen = []
    source = Stream()
    first = source.map(lambda x: x + 1)
    second = first.accumulate(lambda total, x: total + x, start=0)
    sink = second.sink(seen.append)
    source.emit_many(range(100))
    assert "def chain" in source.explain()
    sink.latency()
    for x in range(100, 1000):
        source.emit(x)
    source.emit_many(range(1000, 2000))
    totals, total = [], 0
    for x in range(2000):
        total += x + 1
        totals.append(total)
    assert seen == totals
    assert "def chain" in source.explain()
    counts = {node.latency()["count"] for node in (first, second, sink)}
    assert len(counts) == 1
    assert 1 <= counts.pop() < 1900
    assert [node.counters()["received"] for node in (first, second, sink)] == [2000] * 3


def test_timed_elements_keep_their_metadata():
    seen = []

    class Metadata(Stream):
        def update(self, x, who=None, metadata=None):
            seen.append(metadata)
            return self._emit(x, metadata=metadata)

    source = Stream()
    node = Metadata(upstream=source.map(abs))
    sink = node.sink(lambda x: None)
    sink.latency()
    source.emit(1)
    source.emit(2, metadata=[{"offset": 7}])
    assert seen == [[], [{"offset": 7}]] or seen == [None, [{"offset": 7}]]
    assert sink.latency()["count"] >= 1


@pytest.mark.parametrize("processes", [False, True])
def test_elements_returning_from_an_engine_are_timed(processes):
    with Client(n_workers=1, processes=processes) as client, Stream() as source:
        sink = source.scatter(client).map(abs).buffer(3).gather().sink(lambda x: None)
        sink.latency()
        source.emit(-1)
        source.drain()
        latency = sink.latency()
    assert latency["count"] == 1
    assert latency["max"] > 0
