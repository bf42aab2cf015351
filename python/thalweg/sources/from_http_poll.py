"""The body at a URL, whenever it has changed."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.http.checks import check_headers, check_url
from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_max_len

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_http_poll(Source[bytes]):
    r"""Request a URL at an interval, and emit the body whenever it has changed.

    Requests are conditional (``If-None-Match``, ``If-Modified-Since``). A server that supports neither sends the body
    each time, and each is an element. A failed request is a failure of this node, see `on_error`, and is repeated after
    the interval; a permanent one (a status 4xx except 408, 425 and 429) ends the source with an error.

    Parameters
    ----------
    url: str
        An ``http`` or ``https`` URL. Errors show it without user, password and query.
    interval: number or text
        Pause between a response and the next request, on the pipeline's clock: seconds, or a duration such as
        ``"5min"``.
    headers: dict
        Headers for every request. Their values are never shown, and not sent to another server by a redirect.
    connect_timeout: number or text
        Timeout of connecting: seconds, or a duration such as ``"500ms"``.
    time_limit: number or text
        Timeout of a whole request, in real time.
    max_len: int
        Maximum size of a body, in bytes. A larger one is a failure of this node.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.

    Raises
    ------
    ValueError
        The URL or a header is invalid.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> answers = [
    ...     b'HTTP/1.1 200 OK\r\nETag: "1"\r\nContent-Length: 4\r\n\r\n20.5',
    ...     b"HTTP/1.1 304 Not Modified\r\n\r\n",
    ...     b'HTTP/1.1 200 OK\r\nETag: "2"\r\nContent-Length: 4\r\n\r\n20.7',
    ... ]
    >>> async def answer(reader, writer):
    ...     await reader.readuntil(b"\r\n\r\n")
    ...     writer.write(answers.pop(0) if answers else b"HTTP/1.1 304 Not Modified\r\n\r\n")
    ...     writer.close()
    >>> async def main():
    ...     async with await asyncio.start_server(answer, "localhost", 0) as server:
    ...         port = server.sockets[0].getsockname()[1]
    ...         bodies = Stream.from_http_poll(f"http://localhost:{port}/", "1ms", asynchronous=True)
    ...         L = bodies.sink_to_list()
    ...         bodies.start()
    ...         while len(L) < 2:
    ...             await asyncio.sleep(0.001)
    ...         await bodies.drain()
    ...     return L
    >>> asyncio.run(main())
    [b'20.5', b'20.7']
    """

    def __init__(
        self,
        url: str,
        interval: Interval,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: Interval = 10,
        time_limit: Interval = 60,
        max_len: int = MAX_LEN,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> None:
        self.url: str = check_url(url, "from_http_poll")
        self.interval: float = check_interval(interval, "from_http_poll", "interval")
        if not self.interval:
            raise ValueError("from_http_poll: `interval` is more than 0")
        self._bodies = sources.http_poll(
            self.url,
            self.interval,
            check_headers(headers, "from_http_poll"),
            check_interval(connect_timeout, "from_http_poll", "connect_timeout"),
            check_interval(time_limit, "from_http_poll", "time_limit"),
            check_max_len(max_len, "from_http_poll"),
            follow_anywhere,
        )
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit bodies until stopped."""
        await self._run_in_rust(self._bodies)
