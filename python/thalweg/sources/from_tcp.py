"""What arrives on a port."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from typing import Any


@Stream.register_api(staticmethod)
class from_tcp(Source):
    """Emit what arrives on a port, split at a delimiter, which stays.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    delimiter: bytes
    server_kwargs: dict
        For ``asyncio.start_server``; without a ``host``, only this machine can connect.

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
        self, port: int, delimiter: bytes = b"\n", server_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self.port = port
        self.delimiter = delimiter
        self.server_kwargs = {"host": "localhost", **(server_kwargs or {})}
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        import asyncio

        tasks: set[Any] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            try:
                while not self.stopped:
                    await self._send(await reader.readuntil(self.delimiter))
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                tasks.discard(asyncio.current_task())
                writer.close()

        server = await asyncio.start_server(serve, port=self.port, **self.server_kwargs)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.close()
            for task in tasks:
                task.cancel()
