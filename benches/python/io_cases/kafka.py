"""Messages of a topic, through a function into another."""

from __future__ import annotations

import itertools
from typing import Any

from measure import Case, Contender, Target

from io_cases.waiting import Counting

#: The stand-in for a broker keeps so many.
MESSAGES = 20_000
MESSAGE = b"x" * 100

_groups = itertools.count()


def kafka() -> Case:
    """One partition, read from its beginning by a new group each time; a stand-in for a broker in this process."""
    import asyncio

    from thalweg import Stream
    from thalweg.testing import KafkaBroker

    broker = KafkaBroker({"river": 1})

    async def write() -> None:
        source = Stream(asynchronous=True)
        source.to_kafka("river", {"bootstrap.servers": broker.address})
        await source.emit_many([MESSAGE] * MESSAGES)
        await source.drain()

    asyncio.run(write())

    def params() -> dict[str, Any]:
        return {
            "bootstrap.servers": broker.address,
            "group.id": f"readers {next(_groups)}",
            "auto.offset.reset": "earliest",
        }

    def bare(count: int) -> None:
        import confluent_kafka

        sink = Counting(count)
        consumer = confluent_kafka.Consumer(params())
        consumer.subscribe(["river"])
        read = 0
        while read < count:
            for message in consumer.consume(min(500, count - read), 0.1):
                sink(len(message.value()))
                read += 1
        consumer.close()

    def run(library: Any, count: int) -> None:
        sink = Counting(count)
        source = library.from_kafka(["river"], params())
        source.map(len).sink(sink)
        source.start()
        sink.wait()
        source.stop()

    def thalweg(count: int) -> None:
        run(Stream, count)

    def streamz(count: int) -> None:
        import streamz

        run(streamz.Stream, count)

    return Case(
        "Kafka -> map -> sink, one message of 100 bytes",
        [
            Contender("client", bare, MESSAGES),
            Contender("thalweg", thalweg, MESSAGES),
            Contender("streamz", streamz, 5_000),
        ],
        [Target("streamz", 1 / 5)],
    )
