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
    r"""Emit the body at a URL, asked for at an interval, whenever it has changed.

    The server is told what the source has already (``If-None-Match``, ``If-Modified-Since``). From a server that
    understands neither, the body is an element each time. A request that fails is a failure of this node, see
    `on_error`, which asks again after the interval; a status that asking again does not help against (4xx, but for 408,
    425 and 429) ends the source with an error.

    Parameters
    ----------
    url: str
        An ``http`` or ``https`` URL. Errors show it without user, password and query.
    interval: number or text
        How long to wait between an answer and the next request, on the pipeline's clock: seconds, or a length of time
        such as ``"5min"``.
    headers: dict
        Headers for every request. They are shown nowhere, and not sent to another server by a redirect.
    connect_timeout: number or text
        How long connecting may take: seconds, or a length of time such as ``"500ms"``.
    time_limit: number or text
        How long a whole request may take, in real time.
    max_len: int
        The longest body, in bytes. A longer one is a failure of this node.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.

    Raises
    ------
    ValueError
        `url` is no URL, or a header is none.

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
