"""HTTP in both directions: requests that a pipeline answers, and requests that it sends."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support import PATIENCE
from thalweg import RefCounter, Stream
from thalweg.http import HttpRequest, HttpResponse


async def ask(port, head, body=b"", headers=b""):
    """Return status, headers and body of the response to a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = b"Content-Length: %d" % len(body)
    writer.write(b"\r\n".join([head + b" HTTP/1.1", b"Host: me", b"Connection: close", length + headers, b"", body]))
    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    return int(lines[0].split()[1]), lines[1:], body


async def listening(source):
    source.start()
    while source.server is None:
        await asyncio.sleep(0.001)
    return source.port


def serve(make, *requests, **kwargs):
    """Send requests together to a pipeline that `make` builds from their source; return the responses."""

    async def main():
        source = Stream.from_http_requests(0, asynchronous=True, **kwargs)
        node = make(source)
        port = await listening(source)
        answers = await asyncio.gather(*[ask(port, b"POST /", body) for body in requests])
        await source.drain()
        del node
        return [(status, body) for status, _, body in answers]

    return asyncio.run(main())


def number(request):
    return int(request.body)


@pytest.mark.parametrize(
    ("make", "answers"),
    [
        (lambda s: s.map(lambda x: {"x": x}).respond(), [(200, b'{"x": 1}'), (200, b'{"x": 2}')]),
        (lambda s: s.filter(lambda x: x > 1).map(str).respond(), [(204, b""), (200, b"2")]),
        (lambda s: s.map(lambda x: [str(x), "again"]).flatten().respond(), [(200, b"1"), (200, b"2")]),
        (lambda s: s.partition(2).map(sum).respond(), [(200, b"3"), (200, b"3")]),
        (lambda s: s.buffer(4).map(lambda x: (201, b"%d" % x)).respond(), [(201, b"1"), (201, b"2")]),
        (lambda s: s.scatter().map(str).gather().respond(), [(200, b"1"), (200, b"2")]),
        (lambda s: s.map(lambda x: None).respond(), [(204, b"")] * 2),
        (lambda s: s.map(lambda x: HttpResponse(b"", 202)).respond(), [(202, b"")] * 2),
        (lambda s: s.map(lambda x: {x}).respond(), [(500, b"the pipeline failed on this")] * 2),
        (
            lambda s: s.map(lambda x: 1 // (x - 1)).map(str).respond(),
            [(500, b"the pipeline failed on this"), (200, b"1")],
        ),
        (lambda s: s.sink_to_list(), [(204, b"")] * 2),
    ],
)
def test_a_request_is_answered_with_its_result(make, answers):
    assert serve(lambda requests: make(requests.map(number)), b"1", b"2") == answers


def test_custom_nodes_and_async_functions_keep_the_request():
    class Twice(Stream):
        def update(self, x, who=None, metadata=None):
            return self._emit(2 * x, metadata)

    async def later(x):
        await asyncio.sleep(0)
        return str(x)

    assert serve(lambda s: Twice(s.map(number)).map(later).respond(), b"1", b"2") == [(200, b"2"), (200, b"4")]


def test_a_request_is_passed_on_unchanged():
    async def main():
        source = Stream.from_http_requests(0, path="/in/.*", max_len=8, show_errors=True, asynchronous=True)
        L = source.sink_to_list()
        source.map(lambda request: request.json()).respond()
        port = await listening(source)
        good = await ask(port, b"PUT /in/a%20b?c=d&c=e", b"[1]", b"\r\nX-Key: 7\r\nX-Key: 8")
        others = [
            await ask(port, b"GET /out"),
            await ask(port, b"POST /in/", b"123456789"),
            await ask(port, b"POST /in/", b"?"),
        ]
        await source.drain()
        return good, others, L[0]

    (status, headers, body), others, request = asyncio.run(main())
    assert (status, body) == (200, b"[1]") and "content-type: application/json" in headers
    assert [status for status, _, _ in others] == [404, 413, 500] and b"Expecting value" in others[2][2]
    assert (request.method, request.path, request.query) == ("PUT", "/in/a%20b", {"c": "e"})
    assert request.headers["x-key"] == "7, 8" and request.text() == "[1]"
    assert pickle.loads(pickle.dumps(request)).json() == [1]


def test_full_and_slow_pipelines_answer_with_their_status():
    async def main():
        full = Stream.from_http_requests(0, max_in_flight=1, asynchronous=True)
        seen = asyncio.Event()
        sinks = [full.partition(2).map(len).respond(), full.sink(lambda request: seen.set())]
        port = await listening(full)
        first = asyncio.ensure_future(ask(port, b"GET /"))
        await asyncio.wait_for(seen.wait(), PATIENCE)
        refused = await ask(port, b"GET /")
        # The drain sends the window.
        await full.drain()
        slow = Stream.from_http_requests(0, time_limit="1ms", asynchronous=True)
        sinks.append(slow.partition(2).map(len).respond())
        late = await ask(await listening(slow), b"GET /")
        await slow.drain()
        return refused, await first, late

    refused, first, late = asyncio.run(main())
    assert refused[0] == 503 and "retry-after: 1" in refused[1]
    assert (first[0], first[2]) == (200, b"1")
    assert late[0] == 504


def test_slow_requests_are_answered_concurrently():
    async def main():
        all_there, count = asyncio.Event(), 0

        async def slow(request):
            nonlocal count
            count += 1
            if count == 5:
                all_there.set()
            # Each request waits for all the others: sequential processing would never answer any.
            await asyncio.wait_for(all_there.wait(), PATIENCE)
            return request.body

        source = Stream.from_http_requests(0, asynchronous=True)
        source.map_async(slow, parallelism=5).respond()
        port = await listening(source)
        answers = await asyncio.gather(*[ask(port, b"POST /", b"%d" % x) for x in range(5)])
        await source.drain()
        return [body for _, _, body in answers]

    assert asyncio.run(main()) == [b"0", b"1", b"2", b"3", b"4"]


def test_an_element_without_a_request_cannot_respond():
    source = Stream()
    source.respond()
    with pytest.raises(Exception, match="does not come from a request"):
        source.emit(1)


def test_a_server_can_be_restarted_and_reports_errors():
    async def main():
        source = Stream.from_http_server(0, asynchronous=True)
        L = source.sink_to_list()
        for body in [b"a", b"b"]:
            port = await listening(source)
            assert (await ask(port, b"POST /", body))[0] == 200
            source.stop()
            await source.finished()
        assert source.server is None
        port = await listening(source)
        second = Stream.from_http_server(port, asynchronous=True)
        with pytest.raises(OSError, match=f"cannot listen at localhost:{port}"):
            second.start()
        assert second.stopped
        await source.drain()
        return L

    assert asyncio.run(main()) == [b"a", b"b"]


def test_a_server_listens_after_its_start_and_releases_the_port():
    async def main():
        source = Stream.from_http_server(0, asynchronous=True)
        source.start()
        assert source.port > 0
        with socket.create_connection(("localhost", source.port)):
            pass
        # Before its start.
        source.stop()
        socket.create_server(("localhost", source.port)).close()
        await source.finished()
        assert source.server is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("kwargs", "error"),
    [
        ({"max_in_flight": 0}, "from_http_requests: `max_in_flight`"),
        ({"time_limit": "soon"}, "from_http_requests: `time_limit`"),
        ({"host": 5}, "from_http_requests: `host`"),
        ({"path": "("}, "from_http_requests: `path`"),
        ({"server_kwargs": {"xheaders": True}}, "'xheaders' is not understood"),
        ({"server_kwargs": {"ssl_options": {"certfile": "/none"}}}, "from_http_requests: TLS: /none"),
        ({"tls": ("/none", "/none")}, "from_http_requests: TLS: /none"),
        ({"tls": "a.pem"}, "from_http_requests: `tls` is a pair of files"),
    ],
)
def test_wrong_server_arguments_are_reported_at_the_call(kwargs, error):
    with pytest.raises((TypeError, ValueError), match=error):
        Stream.from_http_requests(0, **kwargs)


class Site:
    """A server whose responses depend on the path and the number of requests for it."""

    def __init__(self, answer):
        self.asked, self.bodies, self.most, self._now = Counter(), [], 0, 0
        lock, site = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                with lock:
                    site._now += 1
                    site.most = max(site.most, site._now)
                    site.asked[self.path] += 1
                    site.bodies.append(self.rfile.read(int(self.headers.get("content-length", 0))))
                status, headers, body = answer(self.path, site.asked[self.path])
                with lock:
                    site._now -= 1
                self.send_response(status)
                for name, value in [*headers.items(), ("Content-Length", str(len(body)))]:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def answer_by_path(path, count):
    if path == "/busy" and count < 3:
        return 503, {"Retry-After": "0"}, b""
    if path == "/missing":
        return 404, {}, b"nothing"
    if path == "/down":
        return 500, {}, b""
    return 200, {"X-Path": path}, path.encode()


@pytest.mark.parametrize("within", [False, True])
def test_responses_arrive_in_order_and_busy_servers_are_retried(within):
    failures = []
    paths = ["/busy", "/missing", "/down", *(f"/{x}" for x in range(20))]

    def build(**kwargs):
        urls = Stream(**kwargs)
        responses = urls.fetch(wait=0.001, max_wait=0.001, per_host=3, on_error=urls_failed(**kwargs))
        return urls, responses.sink_to_list()

    def urls_failed(**kwargs):
        failed = Stream(**kwargs)
        failed.sink(failures.append)
        return failed

    async def inside(site):
        urls, L = build(asynchronous=True)
        for path in paths:
            await urls.emit(site.url + path)
        await urls.drain()
        return L

    def outside(site):
        urls, L = build()
        for path in paths:
            urls.emit(site.url + path)
        urls.drain()
        return L

    with Site(answer_by_path) as site:
        L = asyncio.run(inside(site)) if within else outside(site)
    assert [response.text() for response in L] == ["/busy", "nothing", *paths[3:]]
    assert [response.status for response in L[:3]] == [200, 404, 200]
    assert L[2].headers["x-path"] == "/0" and L[2].url.endswith("/0") and L[2].ok and not L[1].ok
    assert [str(failure.exception) for failure in failures] == [f"{site.url}/down answered 500 Internal Server Error"]
    assert (site.asked["/busy"], site.asked["/down"]) == (3, 4) and site.most <= 3


def test_unordered_responses_arrive_as_they_finish():
    go_on = threading.Event()

    def answer(path, count):
        if path == "/slow":
            go_on.wait(PATIENCE)
        return 200, {}, path.encode()

    with Site(answer) as site:
        urls = Stream()
        texts = urls.fetch(unordered=True).map(lambda response: response.text())
        L = texts.sink_to_list()
        texts.sink(lambda text: go_on.set())
        urls.emit(site.url + "/slow")
        urls.emit(site.url + "/quick")
        urls.drain()
    assert L == ["/quick", "/slow"]


def test_between_scatter_and_gather_fetch_waits_for_its_urls():
    with Site(answer_by_path) as site:
        paths = Stream()
        pages = paths.scatter(backend="thread").map(lambda path: site.url + path).fetch().map(lambda page: page.text())
        L = pages.gather().sink_to_list()
        paths.emit_many(["/1", "/2", "/3"])
        paths.drain()
    assert L == ["/1", "/2", "/3"]


def test_a_body_is_saved_to_a_file(tmp_path):
    with Site(answer_by_path) as site:
        requests = Stream()
        L = requests.fetch(per_host=1).sink_to_list()
        requests.emit(HttpRequest("GET", site.url + "/a", file=tmp_path / "a.txt"))
        requests.emit(HttpRequest("POST", site.url + "/b", {"X-Key": "7"}, "body"))
        requests.drain()
    assert (L[0].file, L[0].body) == (tmp_path / "a.txt", b"") and (tmp_path / "a.txt").read_text() == "/a"
    assert (L[1].file, L[1].text()) == (None, "/b") and site.bodies == [b"", b"body"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_an_element_is_done_when_the_server_has_accepted_it():
    done = []
    with Site(lambda path, count: (200 if count < 4 else 400, {}, b"")) as site:
        source = Stream()
        source.to_http(site.url, retries=0)
        for x in ["text", b"bytes", {"celsius": 20.5}]:
            source.emit(x, metadata=[{"ref": RefCounter(cb=lambda x=x: done.append(x))}])
        with pytest.raises(Exception, match="answered 400 Bad Request"):
            source.emit("refused", metadata=[{"ref": RefCounter(cb=lambda: done.append("refused"))}])
    assert site.bodies == [b"text", b"bytes", b'{"celsius":20.5}', b"refused"]
    assert done == ["text", b"bytes", {"celsius": 20.5}]


def test_urls_disallowed_by_robots_txt_fail_without_a_request():
    def answer(path, count):
        if path == "/robots.txt":
            return 200, {}, b"User-agent: river-bot\nDisallow: /private\n\nUser-agent: *\nDisallow: /"
        return 200, {}, path.encode()

    bad = Stream()
    failures = bad.map(lambda failure: str(failure.exception)).sink_to_list()
    with Site(answer) as site:
        urls = Stream()
        pages = urls.fetch({"User-Agent": "River-Bot/1.0"}, robots=True, on_error=bad)
        L = pages.map(lambda response: response.text()).sink_to_list()
        for path in ["/a", "/private/b?key=secret", "/c"]:
            urls.emit(site.url + path)
        urls.drain()
    assert L == ["/a", "/c"] and sorted(site.asked) == ["/a", "/c", "/robots.txt"]
    assert failures == [
        f"{site.url}/private/b is not asked for, since its server's robots.txt says "
        '"Disallow: /private" to "river-bot"'
    ]
    assert site.asked["/robots.txt"] == 1


def test_an_invalid_request_fails_alone_and_arguments_are_checked():
    bad = Stream()
    failures = bad.map(lambda failure: str(failure.exception)).sink_to_list()
    urls = Stream()
    urls.fetch(on_error=bad).sink_to_list()
    for x in ["nowhere", 80, "ftp://localhost/"]:
        urls.emit(x)
    urls.drain()
    assert failures == [
        'cannot ask "nowhere": relative URL without a base',
        "fetch: an element is a URL or an HttpRequest, not 80",
        'cannot ask "ftp://localhost/": its scheme is neither `http` nor `https`',
    ]
    with pytest.raises(ValueError, match="fetch: `retries`"):
        urls.fetch(retries=-1)
    with pytest.raises(ValueError, match='to_http: cannot ask "ftp://localhost/"'):
        urls.to_http("ftp://localhost/")


@pytest.mark.parametrize("kind", ["from_http_server", "from_http_requests"])
def test_a_stopped_source_accepts_no_connections(kind):
    source = getattr(Stream, kind)(0)
    source.sink_to_list()
    for _ in range(20):
        source.start()
        socket.create_connection(("localhost", source.port)).close()
        source.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("localhost", source.port))
    source.drain()


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_have_are_failures(number):
    with pytest.raises(ValueError, match="JSON"):
        HttpResponse({"celsius": number})
    source = Stream()
    source.to_http("http://127.0.0.1:1/")
    with pytest.raises(ValueError, match="JSON"):
        source.emit({"celsius": number})
