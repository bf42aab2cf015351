"""A sink that cannot reach its server says so when its retries begin, not only when they are over."""

from __future__ import annotations

import logging
import socket

import pytest

from thalweg import PipelineError, Stream

FEW = {"retries": 1, "wait": "1ms"}

SINKS = {
    "to_kafka": lambda s, at: s.to_kafka("t", {"bootstrap.servers": at, "message.timeout.ms": 3000}),
    "to_mqtt": lambda s, at: s.to_mqtt("127.0.0.1", int(at.split(":")[1]), "t", **FEW),
    "to_nats": lambda s, at: s.to_nats(f"nats://me:secret@{at}", "t", **FEW),
    "to_redis_list": lambda s, at: s.to_redis_list(f"redis://me:secret@{at}", "t", **FEW),
    "to_redis_stream": lambda s, at: s.to_redis_stream(f"redis://me:secret@{at}", "t", **FEW),
    "to_tcp": lambda s, at: s.to_tcp("127.0.0.1", int(at.split(":")[1]), **FEW),
    "to_websocket": lambda s, at: s.to_websocket(f"ws://{at}/t?token=secret", **FEW),
}


@pytest.mark.parametrize("attach", SINKS.values(), ids=SINKS.keys())
def test_the_beginning_of_retries_is_logged_once(attach, caplog):
    with socket.socket() as unused:
        # Bound, and nobody listens.
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        source = Stream()
        attach(source, address)
        with pytest.raises((PipelineError, OSError)):
            source.emit("x")
            source.drain()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert [address in text and "cannot be reached: " in text for text in said] == [True]
    assert "secret" not in caplog.text
