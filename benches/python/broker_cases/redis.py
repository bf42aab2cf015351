"""Redis, a stream."""

from __future__ import annotations

import functools
import os

from measure import Case, Contender, Target

from broker_cases.meter import MESSAGE, Meter, through_a_map, unique

COUNT = 50_000


def redis() -> Case:
    """Entries with one field of 100 bytes through `len`."""
    import redis as client

    url = os.environ["THALWEG_BENCH_REDIS"]

    @functools.cache
    def filled(count: int) -> str:
        key, connection = unique("redis"), client.Redis.from_url(url)
        for begin in range(0, count, 1000):
            adding = connection.pipeline(transaction=False)
            for _ in range(begin, min(begin + 1000, count)):
                adding.xadd(key, {"value": MESSAGE})
            adding.execute()
        return key

    def bare(count: int) -> float:
        key, group, meter = filled(count), unique("group"), Meter(count)
        connection = client.Redis.from_url(url)
        connection.xgroup_create(key, group, "0")
        while meter.left:
            entries = connection.xreadgroup(group, "bench", {key: ">"}, count=256)[0][1]
            for _, fields in entries:
                meter(len(fields[b"value"]))
            connection.xack(key, group, *(number for number, _ in entries))
        connection.close()
        return meter.wait()

    def thalweg(count: int) -> float:
        from thalweg import Stream

        source = Stream.from_redis_stream(url, filled(count), unique("group"))
        return through_a_map(source, lambda entry: len(entry.fields["value"]), count)

    return Case(
        "Redis stream -> map -> sink, one entry",
        [Contender("redis-py", bare, COUNT), Contender("thalweg", thalweg, COUNT)],
        [Target("redis-py", 1 / 0.8)],
    )
