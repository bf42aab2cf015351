"""HTTP requests."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.http import HttpResponse
from thalweg.http.request import take_apart
from thalweg.http.settings import settings
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class fetch(Stream[HttpResponse]):
    r"""Send each element, a URL or an :class:`~thalweg.http.HttpRequest`, to its server, and emit the responses.

    A response, an :class:`~thalweg.http.HttpResponse`, may have any status, except that those that ask for a retry are
    failures of this node after the last retry, see `on_error`, as are requests that cannot be sent. At most 1024
    elements are in progress or queued; then the emitter waits.

    Parameters
    ----------
    headers: dict
        Headers for every request. Their values are never shown, and not sent to another server by a redirect.
    unordered: bool
        Whether responses are emitted as they arrive, instead of in the order of the requests.
    max_in_flight: int
        Maximum number of concurrent requests.
    per_host: int
        Maximum number of concurrent requests to the same host and port.
    interval: number or text
        Minimum time between requests to the same host and port, on the pipeline's clock: seconds, or a duration such as
        ``"500ms"``.
    retries: int
        Maximum number of retries per request: if connecting fails, if the connection is lost or stalls, and for the
        statuses 408, 425, 429 and from 500 on; requests that are not idempotent, such as ``POST``, only if connecting
        failed, or for 429 and 503.
    wait: number or text
        Pause before the first retry, on the pipeline's clock, if the server does not set it by ``Retry-After``. It
        doubles each time, plus up to half of it at random.
    max_wait: number or text
        Maximum pause between retries.
    time_limit: number or text
        Timeout of a whole request, in real time.
    connect_timeout: number or text
        Timeout of connecting.
    max_len: int
        Maximum size of a body in memory, in bytes. A larger one is a failure of this node.
    max_file_len: int
        Maximum size of a body in a file, in bytes.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.
    robots: bool
        Whether to obey a server's ``robots.txt`` (RFC 9309), also for redirects: a disallowed request is a failure of
        this node. The crawler's name is the first word of the header ``User-Agent``, or ``thalweg`` if `headers` has
        none. A ``Crawl-delay`` of up to 5 minutes is respected. A missing file (a status from 400 on) allows
        everything; an unavailable one (429, a status from 500 on, no connection) disallows everything for a minute. The
        file is cached for a day, on the pipeline's clock.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def answer(reader, writer):
    ...     await reader.readuntil(b"\r\n\r\n")
    ...     writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n20.5")
    ...     writer.close()
    >>> async def main():
    ...     async with await asyncio.start_server(answer, "localhost", 0) as server:
    ...         port = server.sockets[0].getsockname()[1]
    ...         urls = Stream(asynchronous=True)
    ...         L = urls.fetch().map(lambda response: response.json()).sink_to_list()
    ...         await urls.emit(f"http://localhost:{port}/")
    ...         await urls.drain()
    ...     return L
    >>> asyncio.run(main())
    [20.5]
    """

    def __init__(
        self,
        upstream: Stream[Any],
        headers: Mapping[str, str] | None = None,
        *,
        unordered: bool = False,
        max_in_flight: int = 64,
        per_host: int = 6,
        interval: Interval = 0,
        retries: int = 3,
        wait: Interval = 1,
        max_wait: Interval = 30,
        time_limit: Interval = 60,
        connect_timeout: Interval = 10,
        max_len: int = MAX_LEN,
        max_file_len: int = 16 * 1024**3,
        follow_anywhere: bool = False,
        robots: bool = False,
        **kwargs: Any,
    ) -> None:
        self._settings = settings(
            "fetch",
            headers,
            connect_timeout=connect_timeout,
            follow_anywhere=follow_anywhere,
            max_in_flight=max_in_flight,
            per_host=per_host,
            interval=interval,
            retries=retries,
            wait=wait,
            max_wait=max_wait,
            time_limit=time_limit,
            max_len=max_len,
            max_file_len=max_file_len,
            ordered=not unordered,
            robots=robots,
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.fetch(placement, self._settings, take_apart, HttpResponse)
