"""Sending elements over TCP."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.runtime.intervals import check_interval
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.limits import check_port
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_tcp(Sink[T]):
    r"""Send each element, text or bytes, to a port, followed by a delimiter.

    Elements that arrive while others are sent are grouped.

    An element is acknowledged when the system has taken it; only the other end could confirm its arrival. If the
    connection breaks, acknowledged elements may be lost; others are sent again over a new one. If the server stays
    unreachable after the retries, that is a failure of this node, see `on_error`.

    Parameters
    ----------
    host: str
        The host name or address to connect to.
    port: int
        The port.
    delimiter: bytes
        Sent after each element. An element that contains it will be read as two.
    length_prefix: int
        Instead of a delimiter: width of a big-endian length prefix, in bytes: 1, 2, 4 or 8.
    connect_timeout: number or text
        Timeout of connecting.
    retries: int
        Number of retries when the server cannot be reached.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    max_len: int
        Maximum elements sent together; as many may wait.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     lines = asyncio.get_running_loop().create_future()
    ...     async def read(reader, writer):
    ...         lines.set_result(await reader.read())
    ...         writer.close()
    ...     async with await asyncio.start_server(read, "localhost", 0) as server:
    ...         words = Stream(asynchronous=True)
    ...         node = words.to_tcp("localhost", server.sockets[0].getsockname()[1])
    ...         await words.emit_many(["river", "bed"])
    ...         await words.drain()
    ...         return await lines
    >>> asyncio.run(main())
    b'river\nbed\n'

    See Also
    --------
    from_tcp
    """

    def __init__(
        self,
        upstream: Stream[T],
        host: str,
        port: int,
        delimiter: bytes = b"\n",
        *,
        length_prefix: int | None = None,
        connect_timeout: Interval = 10,
        retries: int = 10,
        wait: Interval = "100ms",
        max_len: int = 1024,
        **kwargs: Any,
    ) -> None:
        if not isinstance(host, str) or not host:
            raise TypeError(f"to_tcp: `host` is the name of a host, not {host!r}")
        if not isinstance(delimiter, (bytes, bytearray)) or not delimiter:
            raise ValueError(f"to_tcp: `delimiter` is bytes that are not empty, not {delimiter!r}")
        self.host: str = host
        self.port: int = check_port(port, "to_tcp")
        self.delimiter: bytes = bytes(delimiter)
        if length_prefix is not None:
            length_prefix = check_count(length_prefix, "to_tcp", "length_prefix")
        self.length_prefix = length_prefix
        if type(retries) is not int or not 0 <= retries < 2**32:
            raise ValueError(f"to_tcp: `retries` is a number from 0 on, not {retries!r}")
        self._limits = (
            check_interval(connect_timeout, "to_tcp", "connect_timeout"),
            retries,
            check_interval(wait, "to_tcp", "wait"),
            check_count(max_len, "to_tcp", "max_len"),
        )
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        try:
            _thalweg.sources.to_tcp(placement, self.host, self.port, self.delimiter, self.length_prefix, *self._limits)
        except ValueError as error:
            raise ValueError(f"to_tcp: {error}") from None
