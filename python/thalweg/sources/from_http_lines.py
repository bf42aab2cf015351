"""The lines of an HTTP response."""

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
class from_http_lines(Source[str]):
    r"""Emit the lines of an HTTP response as they arrive.

    For a growing log, or a file of JSON lines that is larger than memory. Lines end with ``\n`` or ``\r\n``, which is
    removed. A line that is not UTF-8 or is too long is a failure of this node, see `on_error`; the lines after it are
    emitted. An incomplete response, or a status that is not a success, ends the source with an error.

    Parameters
    ----------
    url: str
        An ``http`` or ``https`` URL. Errors show it without user, password and query.
    headers: dict
        Headers for the request. Their values are never shown, and not sent to another server by a redirect.
    connect_timeout: number or text
        Timeout of connecting: seconds, or a duration such as ``"500ms"``.
    idle_timeout: number or text
        Maximum time without data.
    max_len: int
        Maximum length of a line, in bytes.
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
    >>> async def answer(reader, writer):
    ...     await reader.readuntil(b"\r\n\r\n")
    ...     writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n20.5\n20.7")
    ...     writer.close()
    >>> async def main():
    ...     async with await asyncio.start_server(answer, "localhost", 0) as server:
    ...         port = server.sockets[0].getsockname()[1]
    ...         lines = Stream.from_http_lines(f"http://localhost:{port}/", asynchronous=True)
    ...         L = lines.map(float).sink_to_list()
    ...         lines.start()
    ...         await lines.finished()
    ...     return L
    >>> asyncio.run(main())
    [20.5, 20.7]
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        connect_timeout: Interval = 10,
        idle_timeout: Interval = 60,
        max_len: int = MAX_LEN,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> None:
        self.url: str = check_url(url, "from_http_lines")
        self._lines = sources.http_lines(
            self.url,
            check_headers(headers, "from_http_lines"),
            check_interval(connect_timeout, "from_http_lines", "connect_timeout"),
            check_interval(idle_timeout, "from_http_lines", "idle_timeout"),
            check_max_len(max_len, "from_http_lines"),
            follow_anywhere,
        )
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit lines until stopped, or until the response ends."""
        await self._run_in_rust(self._lines)
