"""Elements that arrive on a port."""

from __future__ import annotations

from thalweg._thalweg.sources import LineSplitter
from thalweg.sources.source import Interrupted, Source
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_max_len, check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any

#: Size of a read from a connection, in bytes.
_CHUNK = 64 * 1024


@Stream.register_api(staticmethod)
class from_tcp(Source[bytes]):
    """Emit what arrives on a port, split at a delimiter, which stays.

    A message that is too long is a failure of this node, see `on_error`; those after it are emitted.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    delimiter: bytes
    server_kwargs: dict
        For ``asyncio.start_server``, or those of ``tornado.tcpserver.TCPServer`` that streamz is used with:
        ``ssl_options``, ``max_buffer_size``, ``read_chunk_size``. Without a ``host``, only this machine can connect.
    max_len: int
        The longest message, in bytes.

    Examples
    --------
    >>> import asyncio, socket
    >>> from thalweg import Stream
    >>> with socket.create_server(("localhost", 0)) as taken:
    ...     port = taken.getsockname()[1]
    >>> async def main():
    ...     source = Stream.from_tcp(port, asynchronous=True)
    ...     arrived = asyncio.Event()
    ...     L = source.sink_to_list()
    ...     node = source.sink(lambda line: arrived.set())
    ...     source.start()
    ...     while source.server is None:
    ...         await asyncio.sleep(0.01)
    ...     _, writer = await asyncio.open_connection("localhost", port)
    ...     writer.write(b"hello\\n")
    ...     await arrived.wait()
    ...     writer.close()
    ...     await source.drain()
    ...     return [line.strip() for line in L]
    >>> asyncio.run(main())
    [b'hello']
    """

    def __init__(
        self,
        port: int,
        delimiter: bytes = b"\n",
        server_kwargs: dict[str, Any] | None = None,
        max_len: int = MAX_LEN,
        **kwargs: Any,
    ) -> None:
        self.port: int = check_port(port, "from_tcp")
        self.delimiter = delimiter
        self.server_kwargs: dict[str, Any] = {"host": "localhost", **(server_kwargs or {})}
        given = self.server_kwargs.pop("max_buffer_size", None)
        self.server_kwargs.pop("limit", None)
        self._max_len = check_max_len(given or max_len, "from_tcp")
        self._chunk = check_max_len(self.server_kwargs.pop("read_chunk_size", None) or _CHUNK, "from_tcp")
        if "ssl_options" in self.server_kwargs:
            self.server_kwargs["ssl"] = _to_context(self.server_kwargs.pop("ssl_options"))
        _check_server_kwargs(self.server_kwargs)
        if not isinstance(delimiter, (bytes, bytearray)) or not delimiter:
            raise ValueError(f"from_tcp: `delimiter` is bytes that are not empty, not {delimiter!r}")
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        import asyncio

        from thalweg.errors import ClosedError

        tasks: set[Any] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            try:
                await self._read(reader)
            except (ConnectionError, asyncio.CancelledError):
                # The other end has gone, or this source: before Python 3.12, asyncio logs a task that ends otherwise.
                pass
            except (ClosedError, Interrupted) as error:
                self._end_with(error)
            finally:
                tasks.discard(asyncio.current_task())
                writer.close()

        server = await asyncio.start_server(serve, port=self.port, limit=self._chunk, **self.server_kwargs)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.close()
            for task in tasks:
                task.cancel()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        splitter = LineSplitter(self.delimiter, self._max_len)
        while not self.stopped:
            data = await reader.read(self._chunk)
            if not data:
                return
            for message in splitter.feed(data):
                if isinstance(message, Exception):
                    self._fail(message)
                else:
                    await self._send(message)


def _to_context(options: Any) -> Any:
    """The context that Tornado's ``ssl_options`` stand for."""
    if not isinstance(options, dict):
        return options
    import ssl

    known = {"certfile", "keyfile", "ca_certs", "cert_reqs"}
    unknown = sorted(set(options) - known)
    if unknown:
        raise TypeError(f"from_tcp: `server_kwargs`: `ssl_options` has one of {sorted(known)}, not {unknown[0]!r}")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.get("ca_certs"))
    context.load_cert_chain(options["certfile"], options.get("keyfile"))
    context.verify_mode = options.get("cert_reqs", ssl.CERT_NONE)
    return context


#: Further arguments of ``asyncio.start_server``.
_SERVER_KWARGS = frozenset(
    (
        "host",
        "family",
        "flags",
        "sock",
        "backlog",
        "ssl",
        "reuse_address",
        "reuse_port",
        "ssl_handshake_timeout",
        "ssl_shutdown_timeout",
        "keep_alive",
        "start_serving",
    )
)


def _check_server_kwargs(server_kwargs: dict[str, Any]) -> None:
    for name in server_kwargs:
        if name not in _SERVER_KWARGS:
            raise TypeError(f"from_tcp: `server_kwargs`: {name!r} is no argument for a server")
