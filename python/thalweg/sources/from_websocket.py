"""Messages that come by websockets."""

from __future__ import annotations

from thalweg.sinks.websockets import websocket_server
from thalweg.sources.listening import ListeningSource
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any


@Stream.register_api(staticmethod)
class from_websocket(ListeningSource["bytes | str"]):
    """Emit the messages, bytes or str, that come by websockets at a port.

    A client whose message waits for the pipeline is read no further: back pressure reaches it. One that sends what is
    too long, or no message, is told so, and its connection closed, which is a failure of this node, see `on_error`; so
    is one that does not answer pings.

    Parameters
    ----------
    host: str
        The address to listen at: ``"localhost"`` for this machine alone.
    port: int
        The port to listen at; 0 for any that is free. From `start` on, the attribute is the real one.
    serve_kwargs: dict
        Of those of ``websockets.serve``: ``max_size``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``certfile``, and ``keyfile``, ``ca_certs`` and ``cert_reqs``.
    max_len: int
        The longest message, in bytes.
    max_connections: int
        The most connections at a time; others wait to be accepted.
    origins: str or iterable of str
        The origins of pages whose visitors' browsers may connect, ``"https://example.com"`` say; ``"*"`` for any page
        there is, ``"null"`` for pages without an origin. Others are refused with 403, but for pages that this host has
        given. Clients that are no browsers may always connect.

    Raises
    ------
    ValueError
        The certificate or the key cannot be used, or an origin is none.

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
        self.serve_kwargs: dict[str, Any] = dict(serve_kwargs or {})
        self._server = websocket_server(
            host, self.port, self.serve_kwargs, max_len, max_connections, 1, origins, "from_websocket"
        )
        self._source = self._server.messages()
        super().__init__(**kwargs)
