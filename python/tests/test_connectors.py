"""Feeds and lines over HTTP."""

from __future__ import annotations

import asyncio

import pytest

from support import PATIENCE
from thalweg import Stream

FEED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1\n"
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


def follow(answers, **kwargs):
    """Return the events of a server with one response per connection, the requests, and the failures."""
    requests, answers = [], list(answers)

    async def answer(reader, writer):
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        for piece in answers.pop(0):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def main():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://user:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/?secret"
            failures = Stream(asynchronous=True)
            source = Stream.from_sse(url, wait=0.001, on_error=failures, asynchronous=True, **kwargs)
            events, failed = source.sink_to_list(), failures.map(lambda failure: str(failure.exception)).sink_to_list()
            source.start()
            await asyncio.wait_for(source.finished(), 60)
            await asyncio.sleep(0)
            return events, failed

    return *asyncio.run(main()), requests


def test_a_feed_cut_within_a_character_resumes_after_its_last_event():
    text = "id: 1\ndata: Grüße\n\nevent: end\nid: 2\ndata: ü".encode()
    answers = [
        [FEED, text[: text.index(b"\xc3") + 1], text[text.index(b"\xc3") + 1 : -1]],
        [FEED + b"id: 2\nevent: end\ndata: 1\ndata: 2\n\n"],
        [GONE],
    ]
    events, failures, requests = follow(answers, headers={"X-Key": "7"})
    assert [(event.id, event.event, event.data) for event in events] == [
        ("1", "message", "Grüße"),
        ("2", "end", "1\n2"),
    ]
    assert failures == []
    assert ["last-event-id: 1" in request for request in requests] == [False, True, False]
    assert "last-event-id: 2" in requests[2] and all("x-key: 7" in request for request in requests)


def test_feed_failures_belong_to_the_node_and_hide_secrets():
    busy = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
    answers = [[busy], [FEED + b"data: 0123456789\n\ndata: a\n\n"], [GONE]]
    events, failures, _ = follow(answers, max_len=8)
    assert [event.data for event in events] == ["a"]
    assert failures[0].endswith("/ answered 503 Service Unavailable") and "longer than 8 bytes" in failures[1]
    assert not any("secret" in failure for failure in failures)


def test_a_permanent_error_ends_a_feed(caplog):
    events, failures, _ = follow([[b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]])
    assert events == failures == []
    assert "/ answered 404 Not Found" in caplog.text and "secret" not in caplog.text


def test_a_restarted_feed_resumes_after_its_last_event():
    requests = []
    answers = [FEED + b"id: 1\ndata: a\n\n", GONE, FEED + b"id: 2\ndata: b\n\n", GONE]

    async def answer(reader, writer):
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(answers.pop(0))
        writer.close()

    async def main():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
            source = Stream.from_sse(url, wait=0.001, asynchronous=True)
            L = source.map(lambda event: event.data).sink_to_list()
            for _ in range(2):
                source.start()
                await asyncio.wait_for(source.finished(), PATIENCE)
            return L

    assert asyncio.run(main()) == ["a", "b"]
    assert "last-event-id: 1" in requests[2] and "last-event-id: 2" in requests[3]


def test_a_feed_checks_its_arguments():
    for url, headers, error in [
        ("nowhere", None, 'from_sse: cannot ask "nowhere": relative URL without a base'),
        ("ftp://localhost/", None, "from_sse: cannot ask .*: its scheme is neither `http` nor `https`"),
        ("http://localhost/", {"a b": "c"}, 'from_sse: cannot ask .*: "a b" is not the name of a header'),
    ]:
        with pytest.raises(ValueError, match=error):
            Stream.from_sse(url, headers)
    with pytest.raises(TypeError, match="from_sse: `headers` are text, not int as for 'a'"):
        Stream.from_sse("http://localhost/", {"a": 1})
    with pytest.raises(TypeError, match="from_sse: `url` is text, not 1"):
        Stream.from_sse(1)


def test_an_event_is_a_value():
    import pickle

    from thalweg.sources import ServerSentEvent

    event = ServerSentEvent("1", "message", "{}")
    assert event == pickle.loads(pickle.dumps(event)) and len({event, ServerSentEvent("1", "message", "{}")}) == 1
    assert event != ServerSentEvent("2", "message", "{}") and event.json() == {}
    with pytest.raises(AttributeError, match="'data' cannot be set"):
        event.data = "a"


def read(source_of, answers):
    """Return the elements of a source that reads from a server with these responses, and the requests."""
    requests, answers = [], list(answers)

    async def answer(reader, writer):
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(answers.pop(0))
        writer.close()

    async def main():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            source = source_of(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/?secret")
            L = source.sink_to_list()
            source.start()
            await asyncio.wait_for(source.finished(), 60)
            return L

    return asyncio.run(main()), requests


def test_http_lines_are_read_until_the_connection_breaks(caplog):
    whole = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\na\r\nGr\xc3\xbc\xc3\x9fe"
    lines, _ = read(lambda url: Stream.from_http_lines(url, asynchronous=True), [whole])
    assert lines == ["a", "Grüße"] and caplog.text == ""
    broken = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na\nhalf"
    lines, _ = read(lambda url: Stream.from_http_lines(url, asynchronous=True), [broken])
    assert lines == ["a"] and "lost the connection to http://127.0.0.1:" in caplog.text and "secret" not in caplog.text


def test_a_polled_body_is_emitted_when_it_has_changed(caplog):
    answers = [
        b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 1\r\n\r\na',
        b"HTTP/1.1 304 Not Modified\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nb",
        b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n",
    ]
    bodies, requests = read(lambda url: Stream.from_http_poll(url, "1ms", asynchronous=True), answers)
    assert bodies == [b"a", b"b"] and "answered 410 Gone" in caplog.text
    assert ['if-none-match: "1"' in request for request in requests] == [False, True, True, False]


def test_http_sources_check_their_arguments():
    for make in [Stream.from_http_lines, lambda url: Stream.from_http_poll(url, "1s")]:
        with pytest.raises(ValueError, match=r'from_http_.*: cannot ask "ftp://localhost/": its scheme'):
            make("ftp://localhost/")
    with pytest.raises(ValueError, match="from_http_poll: `interval`"):
        Stream.from_http_poll("http://localhost/", 0)
