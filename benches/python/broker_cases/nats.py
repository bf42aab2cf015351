"""NATS, a stream of JetStream."""

from __future__ import annotations

import asyncio
import functools
import os

from measure import Case, Contender, Target

from broker_cases.meter import LIMIT, MESSAGE, Meter, through_a_map, unique

COUNT = 20_000


def nats() -> Case:
    """Messages of 100 bytes through `len`."""
    url = os.environ["THALWEG_BENCH_NATS"]

    @functools.cache
    def filled(count: int) -> str:
        """Return a stream, also its subject."""
        from thalweg import Stream

        name, source = unique("nats"), Stream()
        source.to_nats(url, name, name, create=True)
        source.emit_many([MESSAGE] * count)
        source.drain()
        return name

    def bare(count: int) -> float:
        async def main() -> float:
            import nats as client

            meter, connection = Meter(count), await client.connect(url)
            name = filled(count)
            consumer = await connection.jetstream().pull_subscribe(name, unique("durable"), stream=name)
            while meter.left:
                for message in await consumer.fetch(256, LIMIT):
                    meter(len(message.data))
                    await message.ack()
            await connection.close()
            return meter.wait()

        return asyncio.run(main())

    def thalweg(count: int) -> float:
        from thalweg import Stream

        name = filled(count)
        source = Stream.from_nats(url, name, name, unique("durable"))
        return through_a_map(source, lambda message: len(message.payload), count)

    return Case(
        "JetStream -> map -> sink, one message",
        [Contender("nats-py", bare, COUNT), Contender("thalweg", thalweg, COUNT)],
        [Target("nats-py", 1 / 0.8)],
    )
