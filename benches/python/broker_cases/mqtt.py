"""MQTT, with quality of service 1: messages that the broker has kept for a client."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from measure import Case, Contender, Target

from broker_cases.meter import MESSAGE, Meter, through_a_map, unique

COUNT = 20_000


def mqtt() -> Case:
    """Messages of 100 bytes through `len`."""
    import paho.mqtt.client as paho

    port = urlsplit(os.environ["THALWEG_BENCH_MQTT"]).port or 0

    def client_of(name: str) -> Any:
        return paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)

    def filled(count: int) -> str:
        """Return a topic, also the id of a client for which the broker has kept the messages."""
        from thalweg import Stream

        topic = unique("mqtt")
        client = client_of(topic)
        client.on_subscribe = lambda *_: client.disconnect()
        client.connect("127.0.0.1", port)
        client.subscribe(topic, qos=1)
        client.loop_forever()
        source = Stream()
        source.to_mqtt("127.0.0.1", port, topic)
        source.emit_many([MESSAGE] * count)
        source.drain()
        return topic

    def bare(count: int) -> float:
        topic, meter = filled(count), Meter(count)
        client = client_of(topic)
        client.on_message = lambda _, __, message: meter(len(message.payload))
        client.connect("127.0.0.1", port)
        client.loop_start()
        time = meter.wait()
        client.disconnect()
        client.loop_stop()
        return time

    def thalweg(count: int) -> float:
        from thalweg import Stream

        topic = filled(count)
        source = Stream.from_mqtt("127.0.0.1", port, topic, client_id=topic)
        return through_a_map(source, lambda message: len(message.payload), count)

    return Case(
        "MQTT -> map -> sink, one message of quality 1",
        [Contender("paho", bare, COUNT), Contender("thalweg", thalweg, COUNT)],
        [Target("paho", 1 / 0.8)],
    )
