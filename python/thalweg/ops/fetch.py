"""Responses over HTTP."""

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

    from thalweg._types import Interval


@Stream.register_api()
class fetch(Stream[HttpResponse]):
    r"""Send each element, a URL or an :class:`~thalweg.http.HttpRequest`, to its server, and emit the responses.

    A response, an :class:`~thalweg.http.HttpResponse`, has any status but those that mean that one is to ask again:
    after the last retry, they are failures of this node, see `on_error`, as are requests that find no server. 1024
    elements are in hand at most, with those that wait for their turn; then the emitter has to wait.

    Parameters
    ----------
    headers: dict
        Headers for every request. They are shown nowhere, and not sent to another server by a redirect.
    unordered: bool
        Whether each response is emitted when it is there, whatever was asked for before it.
    max_in_flight: int
        How many requests there are at a time.
    per_host: int
        How many of them are to the same host and port.
    interval: number or text
        How long to wait from one request to a host and port to the next, on the pipeline's clock: seconds, or a length
        of time such as ``"500ms"``.
    retries: int
        How often a request is sent again: when there is no connection, when it is lost or brings nothing, and for the
        status 408, 425, 429 and from 500 on; what may not be done twice, a ``POST`` say, only if there was no
        connection, or for 429 and 503.
    wait: number or text
        How long to wait before that, on the pipeline's clock, if the server does not say by ``Retry-After``. It doubles
        each time, and up to half as long again is added by chance.
    max_wait: number or text
        How far that grows.
    time_limit: number or text
        How long a whole request may take, in real time.
    connect_timeout: number or text
        How long connecting may take.
    max_len: int
        The longest body in memory, in bytes. A longer one is a failure of this node.
    max_file_len: int
        The longest body in a file, in bytes.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.
    robots: bool
        Whether to ask for nothing that a server's ``robots.txt`` (RFC 9309) does not allow, neither directly nor by a
        redirect: that is a failure of this node then. The crawler's name is what the header ``User-Agent`` begins with,
        ``thalweg`` unless `headers` has one. A ``Crawl-delay`` is followed, up to 5 minutes. A file that is not there
        (a status from 400 on) allows everything; one that cannot be had (429, a status from 500 on, no connection)
        nothing, for a minute. An answer holds for a day, on the pipeline's clock.

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

    def _blueprint(self) -> _thalweg.Blueprint:
        return _thalweg.sources.fetch(self._settings, take_apart, HttpResponse)
