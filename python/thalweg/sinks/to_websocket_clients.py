"""Elements shown to all who connect by a websocket."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.sink import Sink
from thalweg.sinks.websockets import websocket_server
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_port
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


@Stream.register_api()
class to_websocket_clients(Sink[T]):
    """Send elements, bytes or str, to all who are connected to a port by a websocket.

    Who connects gets the elements from then on. One who is too slow misses some, and its connection is closed: nobody
    waits for it.

    Parameters
    ----------
    host: str
        The address to listen at: ``"localhost"`` for this machine alone.
    port: int
        The port to listen at, from now on; 0 for any that is free. The attribute is the real one.
    serve_kwargs: dict
        As those of :class:`~thalweg.from_websocket`.
    max_behind: int
        How many elements a client may be behind.
    max_connections: int
        The most connections at a time; others wait to be accepted.
    origins: str or iterable of str
        As those of :class:`~thalweg.from_websocket`.
    on_error:
        See :class:`~thalweg.Stream`.

    Raises
    ------
    OSError
        It cannot listen there.
    ValueError
        The certificate or the key cannot be used, or an origin is none.

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
            host, port, dict(serve_kwargs or {}), MAX_LEN, max_connections, max_behind, origins, "to_websocket_clients"
        )
        self.port: int = self._server.listen()
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return self._server.show(1024)
