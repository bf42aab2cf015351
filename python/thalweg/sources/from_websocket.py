"""Messages from the clients of a WebSocket server."""

from __future__ import annotations

from thalweg.sinks.websockets import websocket_server
from thalweg.sources.listening import ListeningSource
from thalweg.stream import Stream
from thalweg.stream.arguments import check_dict
from thalweg.stream.limits import MAX_LEN, check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


@Stream.register_api(staticmethod)
class from_websocket(ListeningSource["bytes | str"]):
    """Serve WebSockets at a port, and emit the messages, bytes or str, from all clients.

    Back pressure reaches the clients. The connection of a client that sends an invalid message, or one that is too
    long, is closed with a reason, which is a failure of this node, see `on_error`; so is that of a client that does not
    answer pings.

    Parameters
    ----------
    host: str
        The address to listen on: ``"localhost"`` for this machine only.
    port: int
        The port to listen on; 0 takes any free port. From `start` on, the attribute is the actual port.
    serve_kwargs: dict
        Arguments of ``websockets.serve``: ``max_size``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``certfile``, and ``keyfile``, ``ca_certs`` and ``cert_reqs``.
    max_len: int
        Maximum length of a message, in bytes.
    max_connections: int
        Maximum number of connections; others wait to be accepted.
    origins: str or iterable of str
        The origins of pages whose visitors' browsers may connect, such as ``"https://example.com"``; ``"*"`` for any
        page, ``"null"`` for pages without an origin. Others are refused with 403, except pages of this host. Clients
        that are not browsers may always connect.

    Raises
    ------
    ValueError
        The certificate or the key cannot be used, or an origin is invalid.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> async def main():
    ...     source = Stream.from_websocket("localhost", 0, asynchronous=True)
    ...     L = source.sink_to_list()
    ...     source.start()
    ...     sent = Stream(asynchronous=True)
    ...     node = sent.to_websocket(f"ws://localhost:{source.port}")
    ...     await sent.emit_many(["river", b"bed"])
    ...     await sent.drain()
    ...     await source.drain()
    ...     return L
    >>> asyncio.run(main())
    ['river', b'bed']

    See Also
    --------
    from_websocket_url, to_websocket, to_websocket_clients
    """

    def __init__(
        self,
        host: str,
        port: int,
        serve_kwargs: dict[str, Any] | None = None,
        max_len: int = MAX_LEN,
        *,
        max_connections: int = 10_000,
        origins: str | Iterable[str] = (),
        **kwargs: Any,
    ) -> None:
        self.host = host
        self.port: int = check_port(port, "from_websocket")
        self.serve_kwargs: dict[str, Any] = check_dict(serve_kwargs, "from_websocket", "serve_kwargs")
        self._server = websocket_server(
            host, self.port, self.serve_kwargs, max_len, max_connections, 1, origins, "from_websocket"
        )
        self._source = self._server.messages()
        super().__init__(**kwargs)
