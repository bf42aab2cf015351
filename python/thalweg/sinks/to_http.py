"""Posting elements over HTTP."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.http.checks import check_url
from thalweg.http.settings import settings
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_http(Sink[T]):
    r"""Post each element to a URL: text or bytes as they are, anything else as JSON.

    A number that JSON does not have, such as ``nan``, is a failure.

    An element is acknowledged when the server has answered with a status from 200 to 299; until then, its emitter
    waits.

    Parameters
    ----------
    url: str
        An ``http`` or ``https`` URL. Errors show it without user, password and query.
    headers: dict
        Headers for every request. Their values are never shown, and not sent to another server by a redirect.
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
        Maximum size of a response's body, in bytes. A larger one is a failure of this node.
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
    >>> bodies = []
    >>> async def answer(reader, writer):
    ...     head = await reader.readuntil(b"\r\n\r\n")
    ...     bodies.append(await reader.readexactly(16))
    ...     writer.write(b"HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    ...     writer.close()
    >>> async def main():
    ...     async with await asyncio.start_server(answer, "localhost", 0) as server:
    ...         readings = Stream(asynchronous=True)
    ...         readings.to_http(f"http://localhost:{server.sockets[0].getsockname()[1]}/")
    ...         await readings.emit({"celsius": 20.5})
    >>> asyncio.run(main())
    >>> bodies
    [b'{"celsius":20.5}']
    """

    def __init__(
        self,
        upstream: Stream[T],
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        max_in_flight: int = 64,
        per_host: int = 6,
        interval: Interval = 0,
        retries: int = 3,
        wait: Interval = 1,
        max_wait: Interval = 30,
        time_limit: Interval = 60,
        connect_timeout: Interval = 10,
        max_len: int = MAX_LEN,
        follow_anywhere: bool = False,
        **kwargs: Any,
    ) -> None:
        self.url: str = check_url(url, "to_http")
        self._settings = settings(
            "to_http",
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
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        _thalweg.sources.to_http(placement, self.url, self._settings, _to_json)


def _to_json(x: Any) -> str:
    import json

    return json.dumps(x, separators=(",", ":"), allow_nan=False)
