"""`from_nats` and `to_nats`, with a real server if there is one."""

from __future__ import annotations

import asyncio
import time

import pytest

from servers import BUILT, free_port, server
from support import PATIENCE
from thalweg import Stream
from thalweg.sinks import NatsRecord


@pytest.fixture
def url(tmp_path):
    """URL of a server with JetStream, started for the test."""
    fixed = ["--addr", "127.0.0.1", "--jetstream", "--store_dir", tmp_path]
    with server("nats-server", BUILT, lambda port: [*fixed, "--port", str(port)]) as port:
        yield f"nats://127.0.0.1:{port}"


async def write(url, elements, **kwargs):
    source = Stream(asynchronous=True)
    source.to_nats(url, "numbers", "NUMBERS", create=True, **kwargs)
    await source.emit_many(elements)
    await source.drain()


async def read(url, count, fails=()):
    """Return the first messages of the stream; those in `fails` fail the first time."""
    source = Stream.from_nats(url, "numbers", "NUMBERS", "group", redeliver_after="1ms", asynchronous=True)
    found, all_there = [], asyncio.Event()

    def take(message):
        found.append(message)
        if len(found) == count:
            all_there.set()
        if message.payload in fails and message.deliveries == 1:
            raise ValueError("not yet")

    source.sink(take)
    source.start()
    await asyncio.wait_for(all_there.wait(), PATIENCE)
    await source.drain()
    return found


def test_acknowledged_messages_are_delivered_once_and_failed_ones_again(url):
    async def main():
        await write(url, ["one", b"two", bytearray(b"three")])
        first = await read(url, 4, fails=[b"two"])
        await write(url, ["four"])
        return first, await read(url, 1)

    first, second = asyncio.run(main())
    assert [message.payload for message in first] == [b"one", b"two", b"three", b"two"]
    assert [message.deliveries for message in first] == [1, 1, 1, 2]
    assert [message.payload for message in second] == [b"four"]


def test_records_have_headers_and_deduplicating_ids(url):
    async def main():
        record = NatsRecord("20.5", headers={"unit": "celsius"}, id="roof-17")
        await write(url, [record, record, NatsRecord(b"18")])
        return await read(url, 2)

    first, second = asyncio.run(main())
    assert first.subject == "numbers"
    assert first.headers["unit"] == "celsius"
    assert (first.sequence, second.sequence) == (1, 2)
    assert second.payload == b"18"


def test_a_non_message_fails_alone(url):
    async def main():
        source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
        found = problems.sink_to_list()
        source.to_nats(url, "numbers", "NUMBERS", create=True, on_error=problems)
        await source.emit_many(["one", 2, "three"])
        await source.drain()
        return found, await read(url, 2)

    [failure], there = asyncio.run(main())
    assert failure.element == 2
    assert "neither text nor bytes" in str(failure.exception)
    assert [message.payload for message in there] == [b"one", b"three"]


def test_without_a_stream_and_without_a_loop(url):
    messages = Stream.from_nats(url, "readings.*")
    found = messages.map(lambda message: (message.subject, message.payload)).sink_to_list()
    messages.start()
    source = Stream()
    source.to_nats(url, "readings.roof")
    end = time.monotonic() + PATIENCE
    # Messages published before the subscription are lost.
    while not found and time.monotonic() < end:
        source.emit("one")
        time.sleep(0.01)
    source.drain()
    messages.drain()
    assert found[0] == ("readings.roof", b"one")


def test_a_missing_stream_is_named(url, caplog):
    async def main():
        messages = Stream.from_nats(url, "numbers", "MISSING", "group", asynchronous=True)
        messages.sink_to_list()
        messages.start()
        await messages.finished()

    asyncio.run(main())
    assert "of stream `MISSING`: " in caplog.text
    assert "check the stream's name" in caplog.text


def test_an_unreachable_server_is_named():
    port = free_port()

    async def main():
        source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
        found = problems.sink_to_list()
        source.to_nats(f"nats://me:secret@127.0.0.1:{port}", "x", retries=1, wait="1ms", on_error=problems)
        await source.emit("one")
        await source.drain()
        return found

    [failure] = asyncio.run(main())
    text = str(failure.exception)
    assert f"NATS at 127.0.0.1:{port}: not written to subject `x`: " in text
    assert "tried 2 times" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Stream.from_nats("http://localhost", "x"), "from_nats: NATS at localhost: the URL is not a NATS URL"),
        (lambda: Stream.from_nats("nats://localhost", "x", "X"), "from_nats: .* by a durable consumer"),
        (lambda: Stream.from_nats("nats://localhost", ""), "from_nats: `subject` is text that is not empty"),
        (lambda: Stream().to_nats("nats://localhost", "x.*"), "to_nats: .* without wildcards"),
        (lambda: Stream().to_nats("nats://localhost", "x", retries=-1), "to_nats: `retries` is a number from 0 on"),
    ],
)
def test_wrong_arguments(make, problem):
    with pytest.raises(ValueError, match=problem):
        make()
