"""Messages that come by websockets."""

from __future__ import annotations

from thalweg.errors.missing_packages import need
from thalweg.sources.source import Interrupted, Source
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_max_len, check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any


@Stream.register_api(staticmethod)
class from_websocket(Source["bytes | str"]):
    """Emit the messages, bytes or str, that come by websockets at a port.

    A client whose message waits for the pipeline is read no further: back pressure reaches it. Needs the package
    ``websockets``.

    Parameters
    ----------
    host: str
        The address to listen at: ``"localhost"`` for this machine alone.
    port: int
        The port to listen at; 0 for any that is free, see `server`.
    serve_kwargs: dict
        Further arguments of ``websockets.serve``, such as ``ssl`` and ``max_size``.
    max_len: int
        The longest message, in bytes. One that is longer ends its connection.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream.from_websocket("localhost", 8765)  # doctest: +SKIP
    """

    def __init__(
        self,
        host: str,
        port: int,
        serve_kwargs: dict[str, Any] | None = None,
        max_len: int = MAX_LEN,
        **kwargs: Any,
    ) -> None:
        self._websockets = need("websockets", "websocket", "from_websocket")
        self.host = host
        self.port: int = check_port(port, "from_websocket")
        self.serve_kwargs: dict[str, Any] = {
            "max_size": check_max_len(max_len, "from_websocket"),
            **(serve_kwargs or {}),
        }
        #: The server while the source runs; its ``sockets`` tell the port.
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        from thalweg.errors import ClosedError

        async def serve(connection: Any, *_path: Any) -> None:
            try:
                async for message in connection:
                    if self.stopped:
                        return
                    await self._send(message)
            except (ClosedError, Interrupted) as error:
                self._end_with(error)
            except self._websockets.ConnectionClosed:
                # It broke off; what came before has been emitted.
                pass

        # Before anything is awaited: a client that is started right after this is not turned away.
        socket = _listen(self.host, self.port)
        server = await self._websockets.serve(serve, sock=socket, **self.serve_kwargs)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.close()
            await server.wait_closed()


def _listen(host: str, port: int) -> socket.socket:
    """Listen at a host's first address, one of the fourth version if it has one."""
    import socket

    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return socket.create_server(address[:2], family=family)
