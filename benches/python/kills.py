"""What is lost when a pipeline that reads from Kafka is killed again and again: thalweg and its peers.

Each reads numbers from a topic, in a group that stores its offsets in Kafka, passes them through a function that takes
a millisecond, and appends each to a file, as its documentation shows it. It is killed by SIGKILL and started again, and
the last run may finish. Started by ``cargo xtask soak peers``.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from broker_cases.kafka import brokers
from broker_cases.meter import unique

#: Minimum and maximum lifetime of a run from its first number on, in seconds. Clients commit every five seconds.
LIFETIME = 0.5, 8.0

#: Numbers in the topic for each run: more than a run of the longest lifetime takes.
PER_RUN = 5000

#: Seconds without a new number after which the last run has no more to come: a group may take 45 to notice a death.
QUIET = 60

#: Milliseconds without a sign of life after which a member counts as dead; the least that brokers allow.
SESSION = 6000


def work(number: bytes) -> str:
    """Return a number, after a millisecond."""
    time.sleep(0.001)
    return number.decode()


def append(path: str) -> Callable[[str], None]:
    """Return a function that appends a line at once: what it has written, a kill does not take back."""
    file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def write(line: str) -> None:
        os.write(file, f"{line}\n".encode())

    return write


def options(group: str) -> dict[str, Any]:
    """Return the options of a consumer."""
    return {
        "bootstrap.servers": brokers(),
        "group.id": group,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": SESSION,
    }


def thalweg(topic: str, group: str, out: str) -> None:
    """Offsets are committed once the sink has acknowledged all messages before them."""
    from thalweg import Stream

    source = Stream.from_kafka(topic, options(group))
    source.buffer(100).map(work).sink(append(out))
    source.start()
    time.sleep(3600)


def streamz(topic: str, group: str, out: str) -> None:
    """Offsets are committed by the client, at intervals."""
    from streamz import Stream

    source = Stream.from_kafka([topic], options(group))
    source.buffer(100).map(work).sink(append(out))
    source.start()
    time.sleep(3600)


def streamz_batched(topic: str, group: str, out: str) -> None:
    """Offsets are committed when nothing refers to a batch any more."""
    from streamz import Stream

    source = Stream.from_kafka_batched(topic, options(group), poll_interval=0.1, max_batch_size=500)
    source.flatten().buffer(100).map(work).sink(append(out))
    source.start()
    time.sleep(3600)


def quixstreams(topic: str, group: str, out: str) -> None:
    """Offsets are committed at intervals, with what has been processed; at least once is the default."""
    from quixstreams import Application

    with tempfile.TemporaryDirectory() as state:
        app = Application(
            brokers(),
            consumer_group=group,
            auto_offset_reset="earliest",
            consumer_extra_config={"session.timeout.ms": SESSION},
            loglevel=None,
            state_dir=state,
        )
        frame = app.dataframe(app.topic(topic, value_deserializer="bytes"))
        frame.apply(work).update(append(out))
        app.run()


def bytewax(topic: str, group: str, out: str) -> None:
    """Positions are kept in a recovery store instead of Kafka, each second."""
    from datetime import timedelta

    import bytewax.operators as op
    from bytewax.connectors.kafka import KafkaSource
    from bytewax.dataflow import Dataflow
    from bytewax.outputs import DynamicSink, StatelessSinkPartition
    from bytewax.recovery import RecoveryConfig, init_db_dir
    from bytewax.testing import cluster_main

    write = append(out)

    class Partition(StatelessSinkPartition[str]):
        def write_batch(self, items: list[str]) -> None:
            for item in items:
                write(item)

    class Sink(DynamicSink[str]):
        def build(self, step_id: str, worker_index: int, worker_count: int) -> Partition:
            return Partition()

    store = Path(f"{out}-store-{group}")
    if not store.exists():
        store.mkdir()
        init_db_dir(store, 1)
    flow = Dataflow("kills")
    source = KafkaSource([brokers()], [topic], tail=True, batch_size=100)
    numbers = op.map("map", op.input("in", flow, source), lambda message: work(message.value))
    op.output("out", numbers, Sink())
    cluster_main(flow, [], 0, recovery_config=RecoveryConfig(str(store)), epoch_interval=timedelta(seconds=1))


def faust(topic: str, group: str, out: str) -> None:
    """Offsets are committed at intervals, once agents have processed what is before them."""
    import asyncio

    import faust

    logging.disable(logging.ERROR)
    write = append(out)

    async def main() -> None:
        app = faust.App(
            group,
            datadir=tempfile.mkdtemp(prefix="faust-", dir=os.path.dirname(out)),
            broker=f"kafka://{brokers()}",
            value_serializer="raw",
            web_enabled=False,
            consumer_auto_offset_reset="earliest",
            topic_disable_leader=True,
            broker_session_timeout=SESSION / 1000,
            broker_heartbeat_interval=1.0,
        )

        async def agent(stream: Any) -> None:
            async for value in stream:
                write(work(value))

        app.agent(app.topic(topic, value_serializer="raw"))(agent)
        async with app:
            await asyncio.sleep(3600)

    asyncio.run(main())


CONTENDERS = {each.__name__: each for each in (thalweg, streamz, streamz_batched, quixstreams, bytewax, faust)}


def fill(count: int) -> str:
    """Return a topic with the numbers below `count`."""
    from confluent_kafka import Producer

    topic, producer = unique("kills"), Producer({"bootstrap.servers": brokers(), "linger.ms": 5})
    for number in range(count):
        while True:
            try:
                producer.produce(topic, str(number).encode())
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return topic


def numbers_in(path: Path) -> Counter[int]:
    """Return the numbers that have been written, and how often."""
    text = path.read_text() if path.exists() else ""
    return Counter(int(line) for line in text.splitlines())


def wait_for_growth(path: Path, size: int, seconds: float) -> bool:
    """Wait until a file is larger than `size`; return whether it became so in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if path.exists() and path.stat().st_size > size:
            return True
        time.sleep(0.01)
    return False


def killed(name: str, kills: int, chance: random.Random, directory: Path) -> Counter[int]:
    """Kill a contender this many times; return what it has written."""
    count = PER_RUN * (kills + 1)
    topic, group, out = fill(count), unique("group"), directory / name
    command = [sys.executable, "-W", "ignore", __file__, "--run", name, topic, group, str(out)]
    for run in range(kills + 1):
        size = out.stat().st_size if out.exists() else 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                if not wait_for_growth(out, size, QUIET):
                    break
                if run < kills:
                    time.sleep(chance.uniform(*LIFETIME))
                    continue
                while len(numbers_in(out)) < count and wait_for_growth(out, out.stat().st_size, QUIET):
                    time.sleep(1)
            finally:
                process.kill()
    return numbers_in(out)


def main() -> None:
    """Run all contenders, or one of them as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="number of kills of each")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random moments")
    parser.add_argument("--only", choices=CONTENDERS, help="run this contender only")
    parser.add_argument("--run", nargs=4, metavar=("NAME", "TOPIC", "GROUP", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        name, *places = given.run
        CONTENDERS[name](*places)
        return
    print("| pipeline | kills | numbers | lost | written more than once |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="kills-", ignore_cleanup_errors=True) as directory:
        for name in [given.only] if given.only else CONTENDERS:
            with contextlib.suppress(KeyboardInterrupt):
                written = killed(name, given.kills, random.Random(given.seed), Path(directory))
                count = PER_RUN * (given.kills + 1)
                again = sum(written.values()) - len(written)
                print(f"| {name} | {given.kills} | {count:,} | {count - len(written):,} | {again:,} |", flush=True)


if __name__ == "__main__":
    main()
