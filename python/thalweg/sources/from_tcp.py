"""Messages that arrive at a port."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.sources.listening import ListeningSource
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_dict
from thalweg.stream.limits import MAX_LEN, check_max_len, check_port
from thalweg.stream.server_files import server_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_tcp(ListeningSource[bytes]):
    """Emit the messages that arrive at a port, over any number of connections, each up to its delimiter.

    Messages of one connection stay in order. A message that is too long, and an incomplete one at the end of a
    connection, are failures of this node, see `on_error`; the messages after it are emitted. Back pressure reaches the
    clients.

    Parameters
    ----------
    port: int
        The port to listen on while the source runs; 0 takes any free port. From `start` on, the attribute is the actual
        port.
    delimiter: bytes
        The end of a message.
    server_kwargs: dict
        Arguments of ``tornado.tcpserver.TCPServer`` and ``asyncio.start_server``: ``host``, ``ssl_options`` (a dict
        with ``certfile``, and ``keyfile``, ``ca_certs`` and ``cert_reqs``) and ``max_buffer_size``. Without a ``host``,
        only this machine can connect.
    max_len: int
        Maximum length of a message, in bytes.
    length_prefix: int
        Instead of a delimiter: width of a big-endian length prefix, in bytes: 1, 2, 4 or 8.
    max_connections: int
        Maximum number of connections; others wait to be accepted.
    idle_timeout: number or text
        Closes connections without data for this time, in real time: seconds, or text such as ``"1min"``.

    Raises
    ------
    ValueError
        The delimiter is empty, or the certificate or the key cannot be used.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream.from_tcp(0, asynchronous=True)
    ...     arrived = asyncio.Event()
    ...     L = source.sink_to_list()
    ...     node = source.sink(lambda line: arrived.set())
    ...     source.start()
    ...     _, writer = await asyncio.open_connection("localhost", source.port)
    ...     writer.write(b"hello\\n")
    ...     await arrived.wait()
    ...     writer.close()
    ...     await source.drain()
    ...     return [line.strip() for line in L]
    >>> asyncio.run(main())
    [b'hello']

    See Also
    --------
    to_tcp
    """

    def __init__(
        self,
        port: int,
        delimiter: bytes = b"\n",
        server_kwargs: dict[str, Any] | None = None,
        max_len: int = MAX_LEN,
        *,
        length_prefix: int | None = None,
        max_connections: int = 10_000,
        idle_timeout: Interval | None = None,
        **kwargs: Any,
    ) -> None:
        self.port: int = check_port(port, "from_tcp")
        self.delimiter = delimiter
        self.server_kwargs: dict[str, Any] = {"host": "localhost"} | check_dict(
            server_kwargs, "from_tcp", "server_kwargs"
        )
        given = _understand(self.server_kwargs)
        if not isinstance(delimiter, (bytes, bytearray)) or not delimiter:
            raise ValueError(f"from_tcp: `delimiter` is bytes that are not empty, not {delimiter!r}")
        if length_prefix is not None:
            length_prefix = check_count(length_prefix, "from_tcp", "length_prefix")
        try:
            self._server = sources.TcpServer(
                self.port,
                given.get("host") or "0.0.0.0",
                bytes(delimiter),
                length_prefix,
                check_max_len(given.get("max_buffer_size") or max_len, "from_tcp"),
                check_count(max_connections, "from_tcp", "max_connections"),
                None if idle_timeout is None else check_interval(idle_timeout, "from_tcp", "idle_timeout"),
                server_files(given.get("ssl_options"), "from_tcp"),
            )
        except ValueError as error:
            raise ValueError(f"from_tcp: {error}") from None
        self._source = self._server.messages()
        super().__init__(**kwargs)


#: Supported arguments of other servers.
_UNDERSTOOD = frozenset({"host", "ssl_options", "max_buffer_size"})
#: Ignored ones.
_HARMLESS = frozenset(
    {
        *("backlog", "family", "flags", "keep_alive", "limit", "read_chunk_size", "reuse_address", "start_serving"),
        *("ssl_handshake_timeout", "ssl_shutdown_timeout"),
    }
)


def _understand(server_kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the supported ones among the arguments of other servers."""
    for name, value in server_kwargs.items():
        if name == "ssl" and value is not None:
            raise TypeError(
                "from_tcp: `server_kwargs`: give `ssl_options`, a dict with the names of files, instead of `ssl`"
            )
        if name not in _UNDERSTOOD and name not in _HARMLESS and value:
            raise TypeError(f"from_tcp: `server_kwargs`: {name!r} is not an argument for a server")
    return {name: value for name, value in server_kwargs.items() if name in _UNDERSTOOD}
