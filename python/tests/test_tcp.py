"""Sending and receiving messages over TCP."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

from support import PATIENCE, until
from thalweg import PipelineError, Stream


async def receive(source, count, send):
    """Return the first `count` elements of a source; `send` gets its port."""
    L, all_there = [], asyncio.Event()

    def take(x):
        L.append(x)
        if len(L) == count:
            all_there.set()

    source.sink(take)
    source.start()
    await send(source.port)
    await asyncio.wait_for(all_there.wait(), PATIENCE)
    await source.drain()
    return L


def test_many_connections_are_read_concurrently():
    async def send(port):
        writers = [(await asyncio.open_connection("localhost", port))[1] for _ in range(30)]
        for line in range(20):
            for client, writer in enumerate(writers):
                writer.write(b"%d %d\n" % (client, line))
        for writer in writers:
            writer.close()

    async def main():
        return await receive(Stream.from_tcp(0, asynchronous=True), 600, send)

    L = [tuple(map(int, line.split())) for line in asyncio.run(main())]
    for client in range(30):
        assert [line for sender, line in L if sender == client] == list(range(20))


@pytest.mark.parametrize("how", [{}, {"delimiter": b"\0"}, {"length_prefix": 1}, {"length_prefix": 8}])
def test_sent_messages_arrive(how):
    messages = ["", "river", "bed" * 80]

    async def send(port):
        sent = Stream(asynchronous=True)
        sent.to_tcp("localhost", port, **how)
        await sent.emit_many([messages[0], messages[1].encode(), bytearray(messages[2].encode())])
        await sent.drain()

    async def main():
        return await receive(Stream.from_tcp(0, asynchronous=True, **how), len(messages), send)

    ending = b"" if "length_prefix" in how else how.get("delimiter", b"\n")
    assert asyncio.run(main()) == [message.encode() + ending for message in messages]


def test_partial_messages_and_invalid_text_are_failures():
    async def main():
        source = Stream.from_tcp(0, asynchronous=True)
        failures = source.on_exception()
        told = asyncio.Event()
        L = failures.map(lambda failure: str(failure.exception)).sink_to_list()
        failures.sink(lambda failure: told.set())
        source.start()
        _, writer = await asyncio.open_connection("localhost", source.port)
        writer.write(b"half")
        writer.close()
        await asyncio.wait_for(told.wait(), PATIENCE)
        await source.drain()
        return L

    (failure,) = asyncio.run(main())
    assert failure.endswith("the connection ended within a message, after 4 bytes of it")
    with pytest.raises(PipelineError, match="a int is neither text nor bytes"):
        numbers = Stream()
        numbers.to_tcp("localhost", 1)
        numbers.emit(7)
        numbers.drain()


def test_an_unreachable_server_is_named_with_the_number_of_attempts():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = Stream()
    words.to_tcp("127.0.0.1", port, retries=1, wait="1ms")
    with pytest.raises(PipelineError, match=rf"127\.0\.0\.1:{port} cannot be reached: .*; tried 2 times"):
        words.emit("river")
        words.drain()


def test_a_taken_port_is_an_error_at_the_start():
    async def main():
        with socket.create_server(("localhost", 0)) as taken:
            source = Stream.from_tcp(taken.getsockname()[1], asynchronous=True)
            with pytest.raises(OSError, match="cannot listen at localhost"):
                source.start()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"server_kwargs": {"ssl": ssl.create_default_context()}}, "give `ssl_options`"),
        ({"server_kwargs": {"ssl_options": {"certfile": "/none"}}}, "from_tcp: TLS: /none"),
        ({"server_kwargs": {"ssl_options": {"certificate": "a"}}}, "`ssl_options` has one of"),
        ({"length_prefix": 3}, "from_tcp: `length_prefix` is 1, 2, 4 or 8 bytes, not 3"),
        ({"idle_timeout": "soon"}, "from_tcp: `idle_timeout`"),
        ({"max_connections": 0}, "from_tcp: `max_connections`"),
    ],
)
def test_wrong_arguments_are_reported_at_the_call(kwargs, error):
    with pytest.raises((TypeError, ValueError), match=error):
        Stream.from_tcp(0, **kwargs)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no `openssl` to make a certificate with")
def test_tls(tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-out", str(certificate), "-keyout", str(key)]
    subprocess.run(["openssl", "req", *made], check=True, capture_output=True, timeout=PATIENCE)

    async def send(port):
        # A client without TLS is ignored.
        _, plain = await asyncio.open_connection("localhost", port)
        plain.write(b"plain\n")
        context = ssl.create_default_context(cafile=str(certificate))
        _, writer = await asyncio.open_connection("localhost", port, ssl=context)
        writer.write(b"secret\n")
        await writer.drain()
        plain.close()
        writer.close()

    async def main():
        options = {"certfile": certificate, "keyfile": key}
        source = Stream.from_tcp(0, server_kwargs={"ssl_options": options}, asynchronous=True)
        return await receive(source, 1, send)

    assert asyncio.run(main()) == [b"secret\n"]


SCARCE = """
import resource
import sys
from thalweg import Stream

source = Stream.from_tcp(0)
lines = source.sink_to_list()
source.start()
resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
print(source.port, flush=True)
for line in sys.stdin:
    print(len(lines), flush=True)
"""


def test_connections_are_read_while_descriptors_are_scarce():
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SCARCE], stdin=pipe, stdout=pipe, text=True) as program:
        try:
            port = int(program.stdout.readline())
            clients = [socket.create_connection(("localhost", port)) for _ in range(60)]
            for client in clients:
                client.sendall(b"line\n")
                client.shutdown(socket.SHUT_WR)

            def count() -> int:
                print("how many?", file=program.stdin, flush=True)
                return int(program.stdout.readline())

            until(lambda: count() == 60)
        finally:
            program.kill()
    for client in clients:
        client.close()


def test_a_stopped_source_accepts_no_connections():
    source = Stream.from_tcp(0)
    source.sink_to_list()
    for _ in range(20):
        source.start()
        socket.create_connection(("localhost", source.port)).close()
        source.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", source.port))
    source.drain()
