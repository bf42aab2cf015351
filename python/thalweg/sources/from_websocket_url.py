"""Messages from a WebSocket server."""

from __future__ import annotations

from thalweg.sinks.websockets import websocket_url
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.arguments import check_dict
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_websocket_url(Source["bytes | str"]):
    """Connect to a WebSocket server, and emit its messages, bytes or str.

    A lost connection is a failure of this node, see `on_error`; the source reconnects with growing pauses, and misses
    the messages sent meanwhile. A server that refuses the connection ends the source. Back pressure reaches the server.

    Parameters
    ----------
    url: str
        Such as ``"ws://localhost:8765"``, or ``"wss://…"`` for TLS.
    subscribe: str, bytes or list
        Sent after every connect.
    headers: dict
        Additional headers of the request; their values are never shown.
    reconnect: bool
        Whether to reconnect when the server has closed the connection; otherwise the source ends.
    connect_timeout: number or text
        Timeout of connecting.
    wait: number or text
        Pause before the first reconnect. It doubles each time, up to 30 seconds.
    max_len: int
        Maximum length of a message, in bytes.
    ws_kwargs: dict
        Arguments of ``websockets.connect``: ``max_size``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``ca_certs``, a file of certificates to trust instead of the system's.

    Raises
    ------
    ValueError
        The URL, a header or a certificate is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream.from_websocket_url("ws://localhost:8765", subscribe='{"op": "subscribe"}')
    >>> source
    <from_websocket_url>

    See Also
    --------
    from_websocket, to_websocket
    """

    def __init__(
        self,
        url: str,
        *,
        subscribe: str | bytes | Iterable[str | bytes] = (),
        headers: Any = None,
        reconnect: bool = True,
        connect_timeout: Interval = 10,
        wait: Interval = "100ms",
        max_len: int = MAX_LEN,
        ws_kwargs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        made = websocket_url(
            url,
            headers,
            connect_timeout,
            0,
            wait,
            max_len,
            check_dict(ws_kwargs, "from_websocket_url", "ws_kwargs"),
            "from_websocket_url",
        )
        #: The URL without secrets.
        self.url: str = made.shown
        if not hasattr(subscribe, "__iter__") or isinstance(subscribe, type):
            raise TypeError(f"from_websocket_url: `subscribe` is a message or a list of messages, not {subscribe!r}")
        first = [subscribe] if isinstance(subscribe, (str, bytes, bytearray)) else list(subscribe)
        self._messages = made.messages(first, bool(reconnect))
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit messages until stopped, or until the server ends the connection."""
        await self._run_in_rust(self._messages)
