"""Messages of brokers through a `map` to a sink, beside bare clients and peers."""

from __future__ import annotations

import os
from collections.abc import Callable

from measure import Case

from broker_cases.exactly_once import exactly_once
from broker_cases.kafka import kafka
from broker_cases.mqtt import mqtt
from broker_cases.nats import nats
from broker_cases.redis import redis

_ALL: dict[str, tuple[str, Callable[[], Case]]] = {
    "kafka": ("THALWEG_TEST_KAFKA", kafka),
    "kafka-exactly-once": ("THALWEG_TEST_KAFKA", exactly_once),
    "mqtt": ("THALWEG_BENCH_MQTT", mqtt),
    "nats": ("THALWEG_BENCH_NATS", nats),
    "redis": ("THALWEG_BENCH_REDIS", redis),
}

#: Cases whose servers are available.
CASES = {name: case for name, (variable, case) in _ALL.items() if variable in os.environ}
