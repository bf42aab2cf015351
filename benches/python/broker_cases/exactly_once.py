"""From Kafka to Kafka, exactly once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from measure import Case, Contender, Target

from broker_cases.kafka import brokers, filled, options
from broker_cases.meter import LIMIT, Meter, scratch, unique


def exactly_once() -> Case:
    """Messages of 100 bytes; timed from the first call until readers of committed messages have all of them."""

    def measured(count: int, run: Callable[[str, Callable[[bytes], bytes], threading.Event], None]) -> float:
        from confluent_kafka import Consumer

        out, begin, meter, is_over = unique("out"), [], Meter(count), threading.Event()

        def upper(value: bytes) -> bytes:
            if not begin:
                begin.append(time.perf_counter_ns())
            return value.upper()

        def read() -> None:
            consumer = Consumer({**options(), "isolation.level": "read_committed"})
            consumer.subscribe([out])
            end = time.monotonic() + LIMIT
            while meter.left and time.monotonic() < end:
                for message in consumer.consume(512, 0.1):
                    if message.error() is None:
                        meter(len(message.value()))
            consumer.close()
            is_over.set()

        reader = threading.Thread(target=read)
        reader.start()
        run(out, upper, is_over)
        reader.join()
        meter.wait()
        return (meter.last - begin[0]) / count

    def thalweg(count: int) -> float:
        from thalweg import Stream
        from thalweg.sinks import KafkaTransactions

        def run(out: str, upper: Callable[[bytes], bytes], is_over: threading.Event) -> None:
            transactions = KafkaTransactions(unique("thalweg"))
            source = Stream.from_kafka(filled(count), options(), transactions=transactions)
            source.map(upper).to_kafka(out, {"bootstrap.servers": brokers()}, transactions=transactions)
            source.start()
            is_over.wait()
            source.drain()

        return measured(count, run)

    def quixstreams(count: int) -> float:
        from quixstreams import Application

        def run(out: str, upper: Callable[[bytes], bytes], is_over: threading.Event) -> None:
            app = Application(
                brokers(),
                consumer_group=unique("group"),
                auto_offset_reset="earliest",
                processing_guarantee="exactly-once",
                loglevel=None,
                state_dir=scratch(),
            )
            frame = app.dataframe(app.topic(filled(count), value_deserializer="bytes"))
            frame.apply(upper).to_topic(app.topic(out, value_serializer="bytes"))
            app.run(count=count, timeout=LIMIT)
            is_over.wait()

        return measured(count, run)

    return Case(
        "Kafka -> map -> Kafka, exactly once, one message",
        [Contender("thalweg", thalweg, 50_000), Contender("quixstreams", quixstreams, 20_000)],
        [Target("quixstreams", 1)],
    )
