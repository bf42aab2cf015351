"""Sending elements over a WebSocket."""

from __future__ import annotations

from thalweg.sinks.sink import Sink
from thalweg.sinks.websockets import websocket_url
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count, check_dict
from thalweg.stream.limits import MAX_LEN
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval, Placement


@Stream.register_api()
class to_websocket(Sink[T]):
    """Send elements, bytes or str, over a WebSocket, which is opened for the first one.

    Elements that arrive while others are sent are grouped, and acknowledged when the server has answered a ping sent
    after them: it has read them then. If the connection breaks, unacknowledged messages are sent again over a new one,
    and may arrive twice. If the server stays unreachable after the retries, that is a failure of this node, see
    `on_error`.

    Parameters
    ----------
    uri: str
        Such as ``"ws://localhost:8765"``, or ``"wss://…"`` for TLS.
    ws_kwargs: dict
        Arguments of ``websockets.connect``: ``additional_headers``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``ca_certs``, a file of certificates to trust instead of the system's.
    confirm: bool
        Whether to wait until the server has read the messages.
    connect_timeout: number or text
        Timeout of connecting.
    retries: int
        Number of retries when the server cannot be reached.
    wait: number or text
        Pause before the first retry. It doubles each time, up to 30 seconds.
    max_len: int
        Maximum elements sent together; as many may wait.
    on_error:
        See :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        The URL, a header or a certificate is invalid.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.to_websocket("ws://localhost:8765")

    See Also
    --------
    from_websocket, to_websocket_clients
    """

    def __init__(
        self,
        upstream: Stream[T],
        uri: str,
        ws_kwargs: dict[str, Any] | None = None,
        *,
        confirm: bool = True,
        connect_timeout: Interval = 10,
        retries: int = 10,
        wait: Interval = "100ms",
        max_len: int = 1024,
        **kwargs: Any,
    ) -> None:
        self.uri = uri
        self.ws_kwargs: dict[str, Any] = check_dict(ws_kwargs, "to_websocket", "ws_kwargs")
        if type(retries) is not int or not 0 <= retries < 2**32:
            raise ValueError(f"to_websocket: `retries` is a number from 0 on, not {retries!r}")
        self._url = websocket_url(uri, None, connect_timeout, retries, wait, MAX_LEN, self.ws_kwargs, "to_websocket")
        self._options = (check_count(max_len, "to_websocket", "max_len"), bool(confirm))
        super().__init__(upstream, **kwargs)

    def _build(self, placement: Placement) -> None:
        self._url.send(placement, *self._options)
