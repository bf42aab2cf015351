"""Broadcasting elements to the clients of a WebSocket server."""

from __future__ import annotations

from thalweg.sinks.sink import Sink
from thalweg.sinks.websockets import websocket_server
from thalweg.stream import Stream
from thalweg.stream.arguments import check_dict
from thalweg.stream.limits import MAX_LEN, check_port
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Placement


@Stream.register_api()
class to_websocket_clients(Sink[T]):
    """Serve WebSockets at a port, and send elements, bytes or str, to all connected clients.

    A client gets the elements from its connect on. A client that is too slow is disconnected, so that nobody waits for
    it.

    Parameters
    ----------
    host: str
        The address to listen on: ``"localhost"`` for this machine only.
    port: int
        The port to listen on, from now on; 0 takes any free port. The attribute is the actual port.
    serve_kwargs: dict
        As those of :class:`~thalweg.from_websocket`.
    max_behind: int
        Maximum number of elements that a client may be behind.
    max_connections: int
        Maximum number of connections; others wait to be accepted.
    origins: str or iterable of str
        As those of :class:`~thalweg.from_websocket`.
    on_error:
        See :class:`~thalweg.Stream`.

    Raises
    ------
    OSError
        The address cannot be listened on.
    ValueError
        The certificate or the key cannot be used, or an origin is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.to_websocket_clients("localhost", 0)
    >>> node.port > 0
    True
    >>> source.drain()

    See Also
    --------
    to_websocket, from_websocket_url
    """

    def __init__(
        self,
        upstream: Stream[T],
        host: str,
        port: int,
        serve_kwargs: dict[str, Any] | None = None,
        *,
        max_behind: int = 1024,
        max_connections: int = 10_000,
        origins: str | Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        self.host: str = host
        port = check_port(port, "to_websocket_clients")
        self._server = websocket_server(
            host,
            port,
            check_dict(serve_kwargs, "to_websocket_clients", "serve_kwargs"),
            MAX_LEN,
            max_connections,
            max_behind,
            origins,
            "to_websocket_clients",
        )
        self.port: int = self._server.listen()
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        self._server.show(placement, 1024)
