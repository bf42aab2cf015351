"""Websocket servers and clients."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading

import pytest

from support import PATIENCE, until
from thalweg import PipelineError, Stream


def test_messages_travel_both_ways_over_websockets():
    source = Stream.from_websocket("localhost", 0, start=True)
    L = source.sink_to_list()
    sender = Stream(asynchronous=False)
    sender.to_websocket(f"ws://localhost:{source.port}")
    for message in ("text", b"bytes", "ü" * 1000, bytearray(b"more")):
        sender.emit(message)
    sender.drain()
    until(lambda: len(L) == 4)
    assert L == ["text", b"bytes", "ü" * 1000, b"more"]
    source.drain()
    assert source.server is None


def test_both_ends_interoperate_with_the_websockets_package():
    websockets = pytest.importorskip("websockets")

    async def main():
        L = []
        source = Stream.from_websocket("localhost", 0, asynchronous=True)
        source.sink(L.append)
        source.start()
        async with websockets.connect(f"ws://localhost:{source.port}") as connection:
            await connection.send("from the peer")
            while not L:
                await asyncio.sleep(0.001)
        heard = []

        async def serve(connection):
            assert connection.request.headers["X-Key"] == "7"
            async for message in connection:
                heard.append(message)

        async with websockets.serve(serve, "localhost", 0) as server:
            port = server.sockets[0].getsockname()[1]
            sent = Stream(asynchronous=True)
            sent.to_websocket(f"ws://localhost:{port}", {"additional_headers": {"X-Key": 7}, "compression": None})
            await sent.emit_many(["a", b"b"])
            await sent.drain()
        await source.drain()
        return L, heard

    assert asyncio.run(main()) == (["from the peer"], ["a", b"b"])


def test_a_websocket_is_read_at_the_pace_of_the_pipeline():
    room = threading.Semaphore(0)
    taken = []

    async def slow(x):
        taken.append(x)
        while not room.acquire(blocking=False):
            await asyncio.sleep(0.001)

    source = Stream.from_websocket("localhost", 0, start=True)
    source.sink(slow)
    sender = Stream(asynchronous=False)
    sender.to_websocket(f"ws://localhost:{source.port}")
    sender.emit_many(["0", "1", "2"])
    until(lambda: taken == ["0"])
    room.release()
    until(lambda: taken == ["0", "1"])
    room.release(5)
    until(lambda: len(taken) == 3)
    sender.drain()
    source.drain()
    assert taken == ["0", "1", "2"]


def test_an_oversized_message_ends_only_its_own_connection():
    errors = Stream(asynchronous=False)
    failures = errors.map(lambda failure: str(failure.exception)).sink_to_list()
    source = Stream.from_websocket("localhost", 0, max_len=10, start=True, on_error=errors)
    L = source.sink_to_list()
    url = f"ws://localhost:{source.port}"
    long, short = Stream(asynchronous=False), Stream(asynchronous=False)
    long.to_websocket(url, retries=0, on_error="skip")
    long.emit("too long by far")
    until(lambda: len(failures) == 1)
    short.to_websocket(url)
    short.emit("short")
    until(lambda: ["short"] == L)
    assert "a message of 15 bytes, and at most 10 are allowed" in failures[0]
    for stream in (long, short, source):
        stream.drain()


def test_all_clients_get_messages_and_send_their_own():
    shown = Stream(asynchronous=False)
    node = shown.to_websocket_clients("localhost", 0)
    viewers = [Stream.from_websocket_url(f"ws://localhost:{node.port}", on_error="skip", start=True) for _ in range(2)]
    lists = [viewer.sink_to_list() for viewer in viewers]

    def all_have_some():
        shown.emit("news")
        return all(lists)

    until(all_have_some)
    assert {*lists[0], *lists[1]} == {"news"}
    for stream in (*viewers, shown):
        stream.drain()

    asked = Stream.from_websocket("localhost", 0, start=True)
    wishes = asked.sink_to_list()
    viewer = Stream.from_websocket_url(f"ws://localhost:{asked.port}/?secret", subscribe=["one", b"two"], start=True)
    until(lambda: len(wishes) == 2)
    assert wishes == ["one", b"two"] and "secret" not in viewer.url
    viewer.drain()
    asked.drain()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no `openssl` to make a certificate with")
def test_tls_in_both_directions_and_an_untrusted_certificate(tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    made = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
    made += ["-out", str(certificate), "-keyout", str(key)]
    subprocess.run(["openssl", "req", *made], check=True, capture_output=True, timeout=PATIENCE)
    options = {"certfile": certificate, "keyfile": key}
    source = Stream.from_websocket("localhost", 0, {"ssl_options": options}, start=True)
    L = source.sink_to_list()
    url = f"wss://localhost:{source.port}"
    sender = Stream(asynchronous=False)
    sender.to_websocket(url, {"ssl_options": {"ca_certs": certificate}})
    sender.emit("secret")
    sender.drain()
    until(lambda: ["secret"] == L)
    stranger = Stream(asynchronous=False)
    stranger.to_websocket(url)
    stranger.emit("lost")
    with pytest.raises(PipelineError, match=r"cannot be reached: .*certificate.*; tried 1 times"):
        stranger.drain()
    source.drain()
    assert L == ["secret"]


def test_an_unreachable_server_is_named():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    source = Stream(asynchronous=False)
    source.to_websocket(f"ws://127.0.0.1:{port}/?token=secret", retries=1, wait=0.001)
    source.emit("lost")
    with pytest.raises(PipelineError, match=f"ws://127.0.0.1:{port}/ cannot be reached: .*tried 2 times") as raised:
        source.drain()
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("shows", [False, True])
def test_browsers_connect_from_the_same_host_and_allowed_origins(shows):
    node = Stream(asynchronous=False)
    if shows:
        server = node.to_websocket_clients("localhost", 0, origins="https://app.example")
    else:
        server = node = Stream.from_websocket("localhost", 0, origins=["https://app.example"], start=True)
        node.sink(lambda x: None)

    def status(origin):
        head = f"GET / HTTP/1.1\r\nHost: localhost:{server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        origin = f"Origin: {origin}\r\n" if origin else ""
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE) as connection:
            connection.sendall(f"{head}{key}{origin}\r\n".encode())
            return int(connection.recv(12).split()[1])

    origins = ["", f"http://localhost:{server.port}", "https://app.example", "https://evil.example", "null"]
    assert [status(origin) for origin in origins] == [101, 101, 101, 403, 403]
    node.drain()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: Stream.from_websocket("localhost", 0, origins="app.example"), "from_websocket: origin .* is a scheme"),
        (lambda: Stream.from_websocket("localhost", 0, origins=[7]), "are text, not 7"),  # type: ignore[list-item]
        (lambda: Stream.from_websocket("localhost", -1), "from_websocket: `port`"),
        (lambda: Stream.from_websocket("localhost", "8765"), "from_websocket: `port`"),  # type: ignore[arg-type]
        (lambda: Stream.from_websocket("localhost", 0, {"ssl": object()}), "give `ssl_options`"),
        (lambda: Stream.from_websocket("localhost", 0, {"origins": ["x"]}), "'origins' is not an argument"),
        (
            lambda: Stream.from_websocket("localhost", 0, {"ssl_options": {"certfile": "/no"}}),
            "from_websocket: TLS: /no",
        ),
        (lambda: Stream().to_websocket("http://localhost"), "to_websocket: http://localhost/: a WebSocket's URL"),
        (lambda: Stream().to_websocket("wss://localhost", {"ssl_options": {"ca_certs": "/no"}}), "TLS: /no"),
        (lambda: Stream().to_websocket(7), "the URL is text"),  # type: ignore[arg-type]
        (lambda: Stream.from_websocket_url("ws://localhost", subscribe=[7]), "neither text nor bytes"),  # type: ignore[list-item]
    ],
)
def test_wrong_arguments_are_reported_at_once(make, problem):
    with pytest.raises((ValueError, TypeError), match=problem):
        make()


def test_a_stopped_source_accepts_no_connections():
    source = Stream.from_websocket("localhost", 0)
    source.sink_to_list()
    for _ in range(20):
        source.start()
        socket.create_connection(("localhost", source.port)).close()
        source.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", source.port))
    source.drain()
