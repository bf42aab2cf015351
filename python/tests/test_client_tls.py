"""TLS of the MQTT and Redis clients, against minimal servers."""

from __future__ import annotations

import asyncio
import re
import ssl

import pytest

from certificates import make_certificate
from support import PATIENCE
from thalweg import Stream


async def broker(reader, writer):
    """Accept an MQTT 3.1.1 client that subscribes, and send it a message until it is acknowledged."""

    async def packet():
        first, length = await reader.readexactly(2)
        return first, await reader.readexactly(length)

    assert (await packet())[0] == 0x10
    writer.write(bytes([0x20, 2, 0, 0]))
    _, body = await packet()
    writer.write(bytes([0x90, 3, body[0], body[1], 1]))
    writer.write(bytes([0x32, 14, 0, 5]) + b"house" + bytes([0, 7]) + b"20.5!")
    assert await packet() == (0x40, bytes([0, 7]))
    await reader.read()
    writer.close()


async def redis(reader, writer):
    """Accept every command; count the elements of a list."""
    while line := await reader.readline():
        words = []
        for _ in range(int(line[1:])):
            length = int((await reader.readline())[1:])
            words.append((await reader.readexactly(length + 2))[:-2])
        writer.write(b":1\r\n" if words[0] == b"RPUSH" else b"+OK\r\n")
        received.extend(words[2:] if words[0] == b"RPUSH" else ())
    writer.close()


received: list[bytes] = []


async def serve(answer, certificate, key, authority=None):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    if authority is not None:
        context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(answer, "localhost", 0, ssl=context)
    # The server may listen on two addresses: either will do.
    return server, server.sockets[0].getsockname()[1]


async def drained(stream):
    return await asyncio.wait_for(stream.drain(), PATIENCE)


def test_mqtt_messages_are_read_over_tls(tmp_path):
    files = make_certificate(tmp_path)
    own = make_certificate(tmp_path, "client")

    async def main():
        server, port = await serve(broker, *files, authority=own[0])
        tls = {"ca_certs": files[0], "certfile": own[0], "keyfile": own[1]}
        messages = Stream.from_mqtt("mqtts://localhost", port, "house", asynchronous=True, **tls)
        first = asyncio.get_running_loop().create_future()
        messages.sink(lambda message: first.set_result(message.payload))
        messages.start()
        payload = await asyncio.wait_for(first, PATIENCE)
        await drained(messages)
        server.close()
        return payload

    assert asyncio.run(main()) == b"20.5!"


def test_elements_are_written_to_redis_over_tls(tmp_path):
    files = make_certificate(tmp_path)
    received.clear()

    async def main():
        server, port = await serve(redis, *files)
        source = Stream(asynchronous=True)
        source.to_redis_list(f"rediss://localhost:{port}", "rivers", ca_certs=files[0])
        await source.emit("Main")
        await drained(source)
        server.close()

    asyncio.run(main())
    assert received == [b"Main"]


@pytest.mark.parametrize(
    "make",
    [
        lambda port: Stream.from_mqtt("localhost", port, "house", tls=True, asynchronous=True),
        lambda port: Stream.from_redis_list(f"rediss://localhost:{port}", "house", asynchronous=True),
    ],
    ids=["mqtt", "redis"],
)
def test_an_untrusted_certificate_ends_the_source(tmp_path, caplog, make):
    files = make_certificate(tmp_path)

    async def main():
        server, port = await serve(broker, *files)
        source = make(port)
        source.sink(print)
        source.start()
        await asyncio.wait_for(source.finished(), PATIENCE)
        await drained(source)
        server.close()

    asyncio.run(main())
    [record] = [record for record in caplog.records if record.name == "thalweg"]
    told = r"at localhost:[0-9]+, .*certificate.*; check the server's certificate"
    assert re.search(told, record.getMessage())


def test_missing_files_are_reported_at_the_call(tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    told = re.escape(f"MQTT at broker:8883: TLS: {empty}: there is no certificate in it")
    with pytest.raises(ValueError, match=f"from_mqtt: {told}"):
        Stream.from_mqtt("broker", 8883, "house", ca_certs=empty)
    told = re.escape(f"Redis at server: TLS: {empty}: there is no certificate in it")
    with pytest.raises(ValueError, match=f"to_redis_stream: {told}"):
        Stream().to_redis_stream("rediss://server", "rivers", certfile=empty)
    with pytest.raises(ValueError, match=r"from_redis_list: .*certificates are always verified"):
        Stream.from_redis_list("rediss://server/#insecure", "rivers")
    with pytest.raises(ValueError, match="to_mqtt: `keyfile` is the key of a certificate"):
        Stream().to_mqtt("broker", 8883, "house", keyfile=empty)
