"""Redis streams and lists, with a real server if there is one."""

from __future__ import annotations

import asyncio
import time

import pytest

from servers import FETCHED, free_port, server
from support import PATIENCE
from thalweg import Stream


@pytest.fixture
def url(tmp_path):
    """URL of a server started for the test."""
    arguments = ["--bind", "127.0.0.1", "--save", "", "--dir", tmp_path]
    with server("redis-server", FETCHED, lambda port: [*arguments, "--port", str(port)]) as port:
        yield f"redis://127.0.0.1:{port}"


async def write(operator, url, elements):
    source = Stream(asynchronous=True)
    getattr(source, operator)(url, "key")
    await source.emit_many(elements)
    await source.drain()


async def read(source, count, fails=()):
    """Return the first elements of a source; those in `fails` fail."""
    found, all_there = [], asyncio.Event()

    def take(x):
        found.append(x)
        if len(found) == count:
            all_there.set()
        if x in fails:
            raise ValueError("not yet")

    source.map(lambda x: x if isinstance(x, bytes) else x.fields["value"]).sink(take)
    source.start()
    await asyncio.wait_for(all_there.wait(), PATIENCE)
    await source.drain()
    return found


@pytest.mark.parametrize("kind", ["stream", "list"])
def test_acknowledged_entries_are_read_once_and_failed_ones_again(url, kind):
    def source():
        if kind == "stream":
            return Stream.from_redis_stream(url, "key", "group", asynchronous=True)
        return Stream.from_redis_list(url, "key", asynchronous=True)

    async def main():
        await write(f"to_redis_{kind}", url, ["one", b"two", bytearray(b"three")])
        first = await read(source(), 3, fails=[b"two"])
        await write(f"to_redis_{kind}", url, ["four"])
        return first, await read(source(), 2)

    assert asyncio.run(main()) == ([b"one", b"two", b"three"], [b"two", b"four"])


def test_entries_have_ids_and_fields(url):
    async def main():
        await write("to_redis_stream", url, [{"value": "20.5", "place": b"roof"}, "18"])
        source = Stream.from_redis_stream(url, "key", "group", asynchronous=True)
        entries = source.sink_to_list()
        await read(source, 2)
        return entries

    first, second = asyncio.run(main())
    assert first.fields == {"value": b"20.5", "place": b"roof"}
    assert second.fields == {"value": b"18"}
    assert first.id < second.id


def test_a_non_entry_fails_alone(url):
    async def main():
        source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
        found = problems.sink_to_list()
        source.to_redis_list(url, "key", on_error=problems)
        await source.emit_many(["one", 2, "three"])
        await source.drain()
        return found, await read(Stream.from_redis_list(url, "key", asynchronous=True), 2)

    [failure], there = asyncio.run(main())
    assert failure.element == 2
    assert "neither text nor bytes" in str(failure.exception)
    assert there == [b"one", b"three"]


def test_a_program_without_a_loop(url):
    source = Stream()
    source.to_redis_list(url, "key")
    source.emit("one")
    source.drain()
    values = Stream.from_redis_list(url, "key")
    found = values.sink_to_list()
    values.start()
    end = time.monotonic() + PATIENCE
    while not found and time.monotonic() < end:
        time.sleep(0.01)
    values.drain()
    assert found == [b"one"]


def test_an_unreachable_server_is_named():
    port = free_port()

    async def main():
        source, problems = Stream(asynchronous=True), Stream(asynchronous=True)
        found = problems.sink_to_list()
        source.to_redis_stream(f"redis://me:secret@127.0.0.1:{port}", "key", retries=1, wait="1ms", on_error=problems)
        await source.emit("one")
        await source.drain()
        return found

    [failure] = asyncio.run(main())
    assert f"Redis at 127.0.0.1:{port}: not written to key `key`" in str(failure.exception)
    assert "secret" not in str(failure.exception)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"key": ""}, "`key` is text that is not empty"),
        ({"url": "http://localhost"}, "the URL is not a Redis URL"),
        ({"wait": -1}, "`wait`"),
    ],
)
def test_wrong_arguments_are_reported_at_once(arguments, problem):
    given = {"url": "redis://localhost", "key": "words", **arguments}
    with pytest.raises(ValueError, match=f"from_redis_list.*{problem}"):
        Stream.from_redis_list(**given)
    with pytest.raises(ValueError, match=f"from_redis_stream.*{problem}"):
        Stream.from_redis_stream(group="group", **given)
    with pytest.raises(ValueError, match=f"to_redis_stream.*{problem}"):
        Stream().to_redis_stream(**given)
