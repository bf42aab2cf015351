"""`from_mqtt` and `to_mqtt`, with a real broker if there is one."""

from __future__ import annotations

import asyncio
import time

import pytest

from servers import FETCHED, free_port, server
from support import PATIENCE
from thalweg import PipelineError, Stream


@pytest.fixture
def port(tmp_path):
    """Port of a broker started for the test."""

    def arguments(port):
        settings = tmp_path / "settings"
        settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
        return ["-c", settings]

    with server("mosquitto", FETCHED, arguments) as port:
        yield port


async def write(port, topic, payloads, **kwargs):
    source = Stream(asynchronous=True)
    source.to_mqtt("127.0.0.1", port, topic, **kwargs)
    await source.emit_many(payloads)
    await source.drain()


async def read(count, *args, **kwargs):
    """Return the first messages of a topic, acknowledged."""
    messages = Stream.from_mqtt(*args, asynchronous=True, **kwargs)
    found, all_there = [], asyncio.Event()

    def take(message):
        found.append(message)
        if len(found) == count:
            all_there.set()

    messages.sink(take)
    messages.start()
    await asyncio.wait_for(all_there.wait(), PATIENCE)
    await messages.drain()
    return found


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_messages_arrive_unchanged(port, version):
    async def main():
        await write(port, "house/roof", ["20.5"], retain=True, version=version)
        return await read(1, "127.0.0.1", port, "house/+", version=version)

    [message] = asyncio.run(main())
    assert (message.topic, message.payload, message.qos, message.retain) == ("house/roof", b"20.5", 1, True)


def test_messages_for_a_disconnected_client_are_kept(port):
    async def main():
        await write(port, "words", ["first"], retain=True)
        await read(1, "127.0.0.1", port, "words", client_id="reader")
        await write(port, "words", [""], retain=True)
        await write(port, "words", [b"second", "third"])
        return await read(3, "127.0.0.1", port, "words", client_id="reader")

    # The empty message makes the broker forget the first one.
    assert [message.payload for message in asyncio.run(main())] == [b"", b"second", b"third"]


def test_failed_messages_are_delivered_again(port):
    async def main():
        await write(port, "words", ["first"], retain=True)
        await read(1, "127.0.0.1", port, "words", client_id="reader")
        await write(port, "words", [""], retain=True)
        await write(port, "words", ["one", "two", "three"])
        messages = Stream.from_mqtt("127.0.0.1", port, "words", client_id="reader", asynchronous=True)
        seen, all_there = [], asyncio.Event()

        def take(message):
            seen.append(message.payload)
            if len(seen) == 4:
                all_there.set()
            if message.payload == b"two":
                raise ValueError("not yet")

        messages.sink(take)
        messages.start()
        await asyncio.wait_for(all_there.wait(), PATIENCE)
        await messages.drain()
        return seen, await read(1, "127.0.0.1", port, "words", client_id="reader")

    seen, again = asyncio.run(main())
    assert seen == [b"", b"one", b"two", b"three"]
    assert [message.payload for message in again] == [b"two"]


def test_a_program_without_a_loop(port):
    source = Stream()
    source.to_mqtt("127.0.0.1", port, "words", retain=True)
    source.emit("one")
    source.drain()
    messages = Stream.from_mqtt("127.0.0.1", port, "words")
    found = messages.map(lambda message: message.payload).sink_to_list()
    messages.start()
    end = time.monotonic() + PATIENCE
    while not found and time.monotonic() < end:
        time.sleep(0.01)
    messages.drain()
    assert found == [b"one"]


def test_an_unreachable_broker_is_named():
    port = free_port()

    async def main():
        source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
        found = problems.sink_to_list()
        source.to_mqtt("127.0.0.1", port, "words", retries=1, wait="1ms", on_error=problems)
        await source.emit("one")
        await source.drain()
        return found

    [failure] = asyncio.run(main())
    assert isinstance(failure.exception, PipelineError)
    assert f"MQTT at 127.0.0.1:{port}: not written to topic `words`" in str(failure.exception)
    assert failure.element == "one"


def test_credentials_are_not_shown():
    source = Stream.from_mqtt("localhost", 1883, "words", user="me", pw="secret")
    assert "secret" not in repr(source) + repr(vars(source))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"topic": ""}, "`topic` is text that is not empty"),
        ({"qos": 2}, "`qos` is 0 or 1, not 2"),
        ({"version": "4"}, "`version` is '3.1.1' or '5', not '4'"),
        ({"client_id": ""}, "the client's id is empty"),
        ({"client_kwargs": {"bind_port": 1}}, "`client_kwargs` has `bind_port`"),
        ({"port": 70000}, "`port` is a number from 0 to 65535"),
    ],
)
def test_wrong_arguments_are_reported_at_once(arguments, problem):
    given = {"host": "localhost", "port": 1883, "topic": "words", **arguments}
    with pytest.raises(ValueError, match=f"from_mqtt: .*{problem}"):
        Stream.from_mqtt(**given)
    with pytest.raises(ValueError, match=f"to_mqtt: .*{problem}"):
        Stream().to_mqtt(**given)


def test_a_wildcard_topic_is_refused_by_the_sink():
    with pytest.raises(ValueError, match="nothing can be written to it"):
        Stream().to_mqtt("localhost", 1883, "house/+")
