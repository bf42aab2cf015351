"""Pipelines that answer requests inside an ASGI server."""

from __future__ import annotations

import asyncio
import threading

import pytest

from support import PATIENCE
from thalweg import Stream


async def ask(app, path="/", *pieces, method="POST", **scope):
    """Return status, headers and body of the response to a request with a chunked body."""
    coming = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    coming.append({"type": "http.request", "body": b"", "more_body": False})
    sent = []

    async def receive():
        await asyncio.sleep(0)
        # Like a server, sends nothing more until the client disconnects.
        return coming.pop(0) if coming else await asyncio.get_running_loop().create_future()

    async def send(message):
        sent.append(message)

    whole = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b"", **scope}
    await asyncio.wait_for(app(whole, receive, send), PATIENCE)
    begin, end = sent
    return begin["status"], dict(begin["headers"]), end["body"]


def serve(make, *requests, **kwargs):
    """Send requests together to a pipeline that `make` builds from their source; return the responses."""

    async def main():
        source = Stream.from_http_requests(None, asynchronous=True, **kwargs)
        node = make(source)
        app = source.asgi()
        answers = await asyncio.gather(*[ask(app, *request) for request in requests])
        await source.drain()
        del node
        return answers

    return asyncio.run(main())


def test_a_request_is_answered_with_its_result():
    def make(source):
        return source.map(lambda request: 10 // int(request.body)).map(lambda x: {"x": x} if x < 9 else None).respond()

    answers = serve(make, ("/", b"5"), ("/", b"1"), ("/", b"0"), ("/", b"1", b"0"))
    assert [(status, body) for status, _, body in answers] == [
        (200, b'{"x": 2}'),
        (204, b""),
        (500, b"the pipeline failed on this"),
        (200, b'{"x": 1}'),
    ]
    assert answers[0][1] == {b"content-type": b"application/json", b"content-length": b"8"}
    assert b"content-length" not in answers[1][1]


@pytest.mark.parametrize(
    ("scope", "url"),
    [
        ({"path": "/a b"}, "/a%20b"),
        ({"path": "/a b", "raw_path": b"/a%20b", "query_string": b"c=%2f"}, "/a%20b?c=%2f"),
        ({"path": "/in/a", "root_path": "/in"}, "/a"),
        ({"path": "/in/a", "raw_path": b"/in/a", "root_path": "/in"}, "/a"),
        ({"path": "/in", "root_path": "/in"}, "/"),
        ({"path": "/inner", "root_path": "/in"}, "/inner"),
        # Before 0.33, Starlette's mounts passed only the rest of the path.
        ({"path": "/a", "root_path": "/in"}, "/a"),
    ],
)
def test_a_request_is_passed_on_unchanged(scope, url):
    async def main():
        source = Stream.from_http_requests(None, asynchronous=True)
        L = source.sink_to_list()
        headers = [(b"x-key", b"7"), (b"x-key", b"\xe9"), (b"no name", b"8")]
        answer = await ask(source.asgi(), method="PUT", headers=headers, **scope)
        await source.drain()
        return answer, L

    (status, _, _), [request] = asyncio.run(main())
    assert (status, request.method, request.url) == (204, "PUT", url)
    assert request.headers == {"x-key": "7, \ufffd"}


def test_an_oversized_body_is_not_read_to_its_end():
    asked = 0

    async def main():
        nonlocal asked
        source = Stream.from_http_requests(None, asynchronous=True, max_len=1000, path="/in")
        source.map(lambda request: str(len(request.body))).respond()
        app, sent = source.asgi(), []

        async def endless():
            nonlocal asked
            asked += 1
            return {"type": "http.request", "body": b"x" * 100, "more_body": True}

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/in", "headers": []}
        await asyncio.wait_for(app(scope, endless, send), PATIENCE)
        elsewhere = await ask(app, "/out", b"x" * 100)
        whole = await ask(app, "/in", b"x" * 1000)
        await source.drain()
        return sent[0]["status"], elsewhere[0], whole

    long, elsewhere, whole = asyncio.run(main())
    assert (long, elsewhere, whole[0], whole[2]) == (413, 404, 200, b"1000")
    assert asked <= 21


def test_a_full_or_closing_pipeline_answers_503():
    async def main():
        source = Stream.from_http_requests(None, max_in_flight=1, asynchronous=True)
        seen = asyncio.Event()
        sinks = [source.partition(2).map(len).respond(), source.sink(lambda request: seen.set())]
        app = source.asgi()
        first = asyncio.ensure_future(ask(app))
        await asyncio.wait_for(seen.wait(), PATIENCE)
        refused = await ask(app)
        # The drain sends the window.
        await source.drain()
        closing = await ask(app)
        del sinks
        return refused, await first, closing

    refused, first, closing = asyncio.run(main())
    assert refused[0] == 503 and refused[1][b"retry-after"] == b"1"
    assert (first[0], first[2]) == (200, b"1")
    assert (closing[0], closing[2]) == (503, b"the pipeline is closing")


def test_bodies_are_answered_once_accepted_and_only_posts_are_accepted():
    async def main():
        source = Stream.from_http_server(None, asynchronous=True)
        L = source.map(int).sink_to_list()
        app = source.asgi()
        answers = [await ask(app, "/", b"1"), await ask(app, "/", b"x"), await ask(app, method="GET")]
        await source.drain()
        return [status for status, _, _ in answers], L

    assert asyncio.run(main()) == ([200, 500, 405], [1])


def test_a_head_has_the_length_and_no_body():
    def make(source):
        return source.map(lambda request: "river").respond()

    async def main():
        source = Stream.from_http_requests(None, asynchronous=True)
        node = make(source)
        answer = await ask(source.asgi(), method="HEAD")
        await source.drain()
        del node
        return answer

    status, headers, body = asyncio.run(main())
    assert (status, headers[b"content-length"], body) == (200, b"5", b"")


def test_a_client_that_disconnects_within_its_body_is_dropped():
    async def main():
        source = Stream.from_http_requests(None, max_in_flight=1, asynchronous=True)
        L = source.sink_to_list()
        app, sent = source.asgi(), []
        coming = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]

        async def receive():
            return coming.pop(0)

        async def send(message):
            sent.append(message)

        await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
        after = await ask(app, "/", b"whole")
        await source.drain()
        return sent, after[0], [request.body for request in L]

    assert asyncio.run(main()) == ([], 204, [b"whole"])


def test_a_pipeline_on_its_own_thread_answers_the_calling_loop():
    threads = set()

    def upper(request):
        threads.add(threading.get_ident())
        return request.text().upper()

    source = Stream.from_http_requests(None, asynchronous=False)
    source.map(upper).respond()
    app = source.asgi()

    async def main():
        return await asyncio.gather(*[ask(app, "/", b"river") for _ in range(20)])

    # Works on two loops in succession.
    for _ in range(2):
        assert {body for _, _, body in asyncio.run(main())} == {b"RIVER"}
    source.drain()
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("asynchronous", [True, False])
def test_the_lifespan_starts_and_drains_the_pipeline(asynchronous):
    sent, messages = [], [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def main():
        source = Stream.from_http_requests(None, asynchronous=asynchronous)
        L = source.partition(2).map(len).sink_to_list()
        app = source.asgi()
        waiting = None

        async def receive():
            nonlocal waiting
            message = messages.pop(0)
            if message["type"] == "lifespan.shutdown":
                assert source.started
                waiting = asyncio.ensure_future(ask(app))
                # Wait until it is in the window.
                while not source.counters()["sent"]:
                    await asyncio.sleep(0)
            return message

        async def send(message):
            sent.append(message["type"])

        await asyncio.wait_for(app({"type": "lifespan"}, receive, send), PATIENCE)
        return (await waiting)[0], L

    assert asyncio.run(main()) == (204, [1])
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_websockets_are_refused_and_unknown_scopes_raise():
    async def main():
        app, sent = Stream.from_http_requests(None).asgi(), []

        async def receive():
            return {"type": "websocket.connect"}

        async def send(message):
            sent.append(message)

        await app({"type": "websocket"}, receive, send)
        with pytest.raises(ValueError, match="HTTP is served here, not 'smtp'"):
            await app({"type": "smtp"}, receive, send)
        return sent

    assert asyncio.run(main()) == [{"type": "websocket.close"}]


def test_the_app_can_be_mounted_in_starlette_and_served_by_uvicorn():
    applications = pytest.importorskip("starlette.applications")
    uvicorn = pytest.importorskip("uvicorn")

    async def main():
        source = Stream.from_http_requests(None, asynchronous=True)
        source.map(lambda request: f"{request.url} {request.text()}").respond()
        app = applications.Starlette()
        app.mount("/in", source.asgi())
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", ws="none"))
        serving = asyncio.ensure_future(server.serve())
        while not server.started:
            await asyncio.sleep(0.001)
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /in/a%20b?c HTTP/1.1\r\nHost: me\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbed")
        answer = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        server.should_exit = True
        await serving
        await source.drain()
        return answer

    answer = asyncio.run(main())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"\r\n\r\n/a%20b?c bed")
