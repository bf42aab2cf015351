"""Requests on connections that are kept. The clients are in another process, and time them."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
from typing import Any

from measure import Case, Contender, Target

CONNECTIONS = 32
REQUESTS = 50_000


def nanoseconds_per_request(port: int, count: int) -> float:
    """Send requests, each connection one at a time."""
    program = os.environ["THALWEG_BENCH_LOAD"]
    numbers = [str(number) for number in (port, CONNECTIONS, max(count, CONNECTIONS), 0)]
    return float(subprocess.run([program, "--load", *numbers], check=True, capture_output=True, text=True).stdout)


def free_port() -> int:
    """Return a port for a server that does not say which one it took."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def http_in() -> Case:
    """Bodies of 20 bytes."""

    def thalweg(count: int) -> float:
        from thalweg import Stream

        lengths: list[int] = []
        source = Stream.from_http_server(0)
        source.map(len).sink(lengths.append)
        source.start()
        figure = nanoseconds_per_request(source.port, count)
        source.drain()
        assert set(lengths) == {20}
        return figure

    def streamz(count: int) -> float:
        from streamz import Stream

        lengths: list[int] = []
        port = free_port()
        source = Stream.from_http_server(port)
        source.map(len).sink(lengths.append)
        source.start()
        figure = nanoseconds_per_request(port, count)
        source.stop()
        assert set(lengths) == {20}
        return figure

    return Case(
        "HTTP -> map -> sink, one request",
        [Contender("thalweg", thalweg, REQUESTS), Contender("streamz", streamz, 5_000)],
        [Target("streamz", 1 / 15)],
    )


def http_reply() -> Case:
    """Each answered with its length."""

    def thalweg(count: int) -> float:
        from thalweg import Stream

        requests = Stream.from_http_requests(0)
        requests.map(lambda request: str(len(request.body))).respond()
        requests.start()
        figure = nanoseconds_per_request(requests.port, count)
        requests.drain()
        return figure

    def fastapi(count: int) -> float:
        import uvicorn
        from fastapi import FastAPI, Request
        from fastapi.responses import PlainTextResponse

        app = FastAPI()

        async def length(request: Any) -> str:
            return str(len(await request.body()))

        # FastAPI reads it, and knows no names of this function.
        length.__annotations__["request"] = Request
        app.post("/", response_class=PlainTextResponse)(length)
        return served(uvicorn, app, count)

    def starlette(count: int) -> float:
        import uvicorn
        from starlette.requests import Request
        from starlette.responses import PlainTextResponse

        async def app(scope: Any, receive: Any, send: Any) -> None:
            body = await Request(scope, receive).body()
            await PlainTextResponse(str(len(body)))(scope, receive, send)

        return served(uvicorn, app, count)

    def served(uvicorn: Any, app: Any, count: int) -> float:
        port = free_port()
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=asyncio.run, args=[server.serve()])
        thread.start()
        while not server.started:
            pass
        try:
            return nanoseconds_per_request(port, count)
        finally:
            server.should_exit = True
            thread.join()

    return Case(
        "HTTP -> map -> response, one request",
        [
            Contender("thalweg", thalweg, REQUESTS),
            Contender("fastapi", fastapi, 20_000),
            Contender("starlette", starlette, 20_000),
        ],
        [Target("fastapi", 1)],
    )
