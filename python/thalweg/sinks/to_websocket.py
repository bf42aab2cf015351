"""Elements as messages of a websocket."""

from __future__ import annotations

from thalweg import _thalweg
from thalweg.sinks.sink import Sink
from thalweg.sinks.websockets import websocket_url
from thalweg.stream import Stream
from thalweg.stream.arguments import check_count
from thalweg.stream.limits import MAX_LEN
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thalweg._types import Interval


@Stream.register_api()
class to_websocket(Sink[T]):
    """Send elements, bytes or str, to a websocket, which is opened for the first.

    Those that have come during the sending before are sent together, and acknowledged when the server has answered a
    ping that was sent behind them: it has read them then. Over a connection that breaks, messages that were not are
    sent again over another one, and may come twice. A server that cannot be reached is tried again; then it is the
    failure of this node, see `on_error`.

    Parameters
    ----------
    uri: str
        Such as ``"ws://localhost:8765"``, or ``"wss://…"`` for TLS.
    ws_kwargs: dict
        Of those of ``websockets.connect``: ``additional_headers``, ``ping_interval`` and ``ping_timeout``, and also
        ``ssl_options``, a dict with ``ca_certs``, a file of certificates to trust instead of the system's.
    confirm: bool
        Whether to wait for the server to have read what was sent.
    connect_timeout: number or text
        How long connecting may take.
    retries: int
        How often a server that cannot be reached is tried again.
    wait: number or text
        How long to wait before that. It doubles each time, up to 30 seconds.
    max_len: int
        The most elements that are sent together; as many may wait for it.
    on_error:
        See :class:`~thalweg.Stream`.

    Raises
    ------
    ValueError
        The URL, a header or the certificates are none.

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
        self.ws_kwargs: dict[str, Any] = dict(ws_kwargs or {})
        if type(retries) is not int or not 0 <= retries < 2**32:
            raise ValueError(f"to_websocket: `retries` is a number from 0 on, not {retries!r}")
        self._url = websocket_url(uri, None, connect_timeout, retries, wait, MAX_LEN, self.ws_kwargs, "to_websocket")
        self._options = (check_count(max_len, "to_websocket", "max_len"), bool(confirm))
        super().__init__(upstream, **kwargs)

    def _blueprint(self) -> _thalweg.Blueprint:
        return self._url.send(*self._options)
