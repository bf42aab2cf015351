"""Readings from one Kafka topic, their running average to another: killed and restarted, it loses none.

With an address, such as ``localhost:9092``, it reads there until Ctrl-C. Otherwise it starts a test broker.
"""

from __future__ import annotations

import asyncio
import sys

from thalweg import Stream
from thalweg.testing import KafkaBroker


def average(sums: tuple[float, int], x: float) -> tuple[tuple[float, int], str]:
    """Add a number; return the new sums, and the average as text."""
    total, count = sums[0] + x, sums[1] + 1
    return (total, count), str(total / count)


async def averages(address: str, **kwargs: bool) -> str | None:
    """Read until the end of the topic, or for ever; return the last average."""
    brokers = {"bootstrap.servers": address}
    params = {**brokers, "group.id": "averages", "auto.offset.reset": "earliest"}
    rejected = Stream[object](asynchronous=True)
    rejected.map(str).to_kafka("rejected", brokers)
    readings = Stream.from_kafka("readings", params, asynchronous=True, **kwargs)
    # Invalid numbers go to a separate topic instead of blocking the others.
    numbers = readings.map(float, on_error=rejected)
    written = numbers.accumulate(average, start=(0.0, 0), returns_state=True).to_kafka("averages", brokers)
    last = written.sink_to_list()
    readings.start()
    await readings.finished()
    await readings.drain()
    return last[-1].decode() if last else None


async def write(address: str) -> None:
    """Write a hundred readings, and an invalid line."""
    source = Stream[str](asynchronous=True)
    source.to_kafka("readings", {"bootstrap.servers": address})
    await source.emit_many([*map(str, range(100)), "?"])
    await source.drain()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(averages(sys.argv[1]))
    else:
        with KafkaBroker({"readings": 1, "averages": 1, "rejected": 1}) as broker:
            asyncio.run(write(broker.address))
            print(f"the average of 100 readings is {asyncio.run(averages(broker.address, until_end=True))}")
