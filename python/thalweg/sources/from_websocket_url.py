"""Messages of a server that one connects to by a websocket."""

from __future__ import annotations

from thalweg.sinks.websockets import websocket_url
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api(staticmethod)
class from_websocket_url(Source["bytes | str"]):
    """Emit the messages, bytes or str, that a server sends by a websocket.

    When the connection is lost, which is a failure of this node, see `on_error`, there is another one, after longer and
    longer pauses; what was sent meanwhile has gone by. A server that refuses it ends the source. Where the pipeline is
    slow, the server is read no further.

    Parameters
    ----------
    url: str
        Such as ``"ws://localhost:8765"``, or ``"wss://…"`` for TLS.
    subscribe: str, bytes or list
        What to send whenever a connection has been made.
    headers: dict
        Further headers of the request, which are shown nowhere.
    reconnect: bool
        Whether there is another connection when the server has closed one; otherwise the source ends.
    connect_timeout: number or text
        How long connecting may take.
    wait: number or text
        How long to wait before connecting again. It doubles each time, up to 30 seconds.
    max_len: int
        The longest message, in bytes.
    ws_kwargs: dict
        Of those of ``websockets.connect``: ``max_size``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``ca_certs``, a file of certificates to trust instead of the system's.

    Raises
    ------
    ValueError
        The URL, a header or the certificates are none.

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
            url, headers, connect_timeout, 0, wait, max_len, dict(ws_kwargs or {}), "from_websocket_url"
        )
        #: The URL, without what may be secret.
        self.url: str = made.shown
        first = [subscribe] if isinstance(subscribe, (str, bytes, bytearray)) else list(subscribe)
        self._messages = made.messages(first, bool(reconnect))
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit messages until stopped, or until the server has no more."""
        await self._run_in_rust(self._messages)
