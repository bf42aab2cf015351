"""Lines of one connection, through a function into another."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

from measure import Case, Contender, Target

from io_cases.waiting import Counting

LINES = 100_000
LINE = b"what a river carries, it carries to the sea\n"


def tcp() -> Case:
    """One client, which sends as fast as it can."""

    def send(port: int, count: int) -> None:
        while True:
            try:
                client = socket.create_connection(("localhost", port))
                break
            except ConnectionRefusedError:
                # streamz reports that it listens before it does.
                time.sleep(0.001)
        with client:
            client.sendall(LINE * count)

    def sending(port: int, count: int) -> threading.Thread:
        thread = threading.Thread(target=send, args=(port, count))
        thread.start()
        return thread

    def loop(count: int) -> None:
        sink = Counting(count)
        with socket.create_server(("localhost", 0)) as server:
            client = sending(server.getsockname()[1], count)
            connection, _ = server.accept()
            with connection, connection.makefile("rb") as file:
                for line in file:
                    sink(len(line))
            client.join()

    def streams(count: int) -> None:
        async def main() -> None:
            sink, done = Counting(count), asyncio.Event()

            async def read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                async for line in reader:
                    sink(len(line))
                writer.close()
                done.set()

            async with await asyncio.start_server(read, "localhost", 0) as server:
                client = sending(server.sockets[0].getsockname()[1], count)
                await done.wait()
                client.join()

        asyncio.run(main())

    def run(library: Any, port: int, count: int) -> None:
        sink = Counting(count)
        source = library.from_tcp(port)
        source.map(len).sink(sink)
        source.start()
        while source.server is None:
            pass
        client = sending(getattr(source, "port", port) or port, count)
        sink.wait()
        client.join()
        source.stop()

    def thalweg(count: int) -> None:
        from thalweg import Stream

        run(Stream, 0, count)

    def streamz(count: int) -> None:
        from streamz import Stream

        with socket.create_server(("localhost", 0)) as taken:
            port = taken.getsockname()[1]
        run(Stream, port, count)

    return Case(
        "TCP -> map -> sink, one line",
        [
            Contender("loop", loop, LINES),
            Contender("asyncio", streams, LINES),
            Contender("thalweg", thalweg, LINES),
            Contender("streamz", streamz, 5_000),
        ],
        [Target("streamz", 1 / 20)],
    )
