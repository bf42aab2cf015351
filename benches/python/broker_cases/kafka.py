"""Kafka."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
from typing import Any

from measure import Case, Contender, Target

from broker_cases.meter import LIMIT, MESSAGE, Meter, scratch, through_a_map, unique

#: Nanoseconds without a message after which no more are expected.
QUIET = 2_000_000_000


def brokers() -> str:
    """Return the address of Kafka."""
    return os.environ["THALWEG_TEST_KAFKA"]


@functools.cache
def filled(count: int) -> str:
    """Return a topic with this many messages."""
    from confluent_kafka import Producer

    topic, producer = unique("kafka"), Producer({"bootstrap.servers": brokers(), "linger.ms": 5})
    for _ in range(count):
        while True:
            try:
                producer.produce(topic, MESSAGE)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return topic


def options() -> dict[str, Any]:
    """Return the options of a new group's consumer."""
    return {"bootstrap.servers": brokers(), "group.id": unique("group"), "auto.offset.reset": "earliest"}


def kafka() -> Case:
    """Messages of 100 bytes through `len`."""

    def client(count: int) -> float:
        from confluent_kafka import Consumer

        meter, consumer = Meter(count), Consumer(options())
        consumer.subscribe([filled(count)])
        while meter.left:
            for message in consumer.consume(512, 1):
                meter(len(message.value()))
        consumer.close()
        return meter.wait()

    def thalweg(count: int) -> float:
        from thalweg import Stream

        return through_a_map(Stream.from_kafka(filled(count), options()), len, count)

    def streamz(count: int) -> float:
        from streamz import Stream

        # streamz does not emit all messages: only the emitted ones are timed.
        times: list[int] = []
        source = Stream.from_kafka([filled(count)], options())
        source.map(len).sink(lambda _: times.append(time.perf_counter_ns()))
        source.start()
        while not times or (len(times) < count and time.perf_counter_ns() - times[-1] < QUIET):
            time.sleep(0.01)
        source.stop()
        return (times[-1] - times[0]) / len(times)

    def quixstreams(count: int) -> float:
        from quixstreams import Application

        meter = Meter(count)
        app = Application(
            brokers(), consumer_group=unique("group"), auto_offset_reset="earliest", loglevel=None, state_dir=scratch()
        )
        frame = app.dataframe(app.topic(filled(count), value_deserializer="bytes"))
        frame.apply(len).update(meter)
        app.run(count=count, timeout=LIMIT)
        return meter.wait()

    def bytewax(count: int) -> float:
        import bytewax.operators as op
        from bytewax.connectors.kafka import KafkaSource
        from bytewax.dataflow import Dataflow
        from bytewax.outputs import DynamicSink, StatelessSinkPartition
        from bytewax.testing import run_main

        meter = Meter(count)

        class Partition(StatelessSinkPartition):
            def write_batch(self, items: list[Any]) -> None:
                for item in items:
                    meter(item)

        class Sink(DynamicSink):
            def build(self, step_id: str, worker_index: int, worker_count: int) -> Partition:
                return Partition()

        flow = Dataflow("bench")
        source = KafkaSource([brokers()], [filled(count)], tail=False, batch_size=1000)
        lengths = op.map("map", op.input("in", flow, source), lambda message: len(message.value))
        op.output("out", lengths, Sink())
        run_main(flow)
        return meter.wait()

    def faust(count: int) -> float:
        import faust

        logging.disable(logging.ERROR)

        async def main() -> float:
            meter, name = Meter(count), unique("faust")
            app = faust.App(
                name,
                datadir=scratch(),
                broker=f"kafka://{brokers()}",
                value_serializer="raw",
                web_enabled=False,
                consumer_auto_offset_reset="earliest",
                topic_disable_leader=True,
            )

            async def agent(stream: Any) -> None:
                async for value in stream:
                    meter(len(value))

            app.agent(app.topic(filled(count), value_serializer="raw"))(agent)
            async with app:
                while not meter.done.is_set():
                    await asyncio.sleep(0.01)
            return meter.wait()

        return asyncio.run(main())

    return Case(
        "Kafka -> map -> sink, one message",
        [
            Contender("confluent", client, 200_000),
            Contender("thalweg", thalweg, 200_000),
            Contender("streamz", streamz, 20_000),
            Contender("quixstreams", quixstreams, 20_000),
            Contender("bytewax", bytewax, 100_000),
            Contender("faust", faust, 20_000),
        ],
        [Target("streamz", 1 / 5), Target("quixstreams", 1), Target("bytewax", 1), Target("faust", 1)],
    )
