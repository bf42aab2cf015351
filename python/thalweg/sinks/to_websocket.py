"""Elements as messages of a websocket."""

from __future__ import annotations

from thalweg.errors.missing_packages import need
from thalweg.sinks.sink import Sink
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from thalweg._types import Metadata


@Stream.register_api()
class to_websocket(Sink):
    """Send elements, bytes or str, to a websocket, which is opened for the first.

    Needs the package ``websockets``.

    Parameters
    ----------
    uri: str
        Such as ``"ws://localhost:8765"``, or ``"wss://…"`` for TLS.
    ws_kwargs: dict
        For ``websockets.connect``.
    on_error:
        See :class:`~thalweg.Stream`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> source = Stream()
    >>> node = source.to_websocket("ws://localhost:8765")  # doctest: +SKIP
    """

    def __init__(self, upstream: Stream, uri: str, ws_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self._websockets = need("websockets", "websocket", "to_websocket")
        self.uri = uri
        self.ws_kwargs: dict[str, Any] = dict(ws_kwargs or {})
        self.ws: Any = None
        self._opening: Any = None
        super().__init__(upstream, ensure_io_loop=True, **kwargs)

    async def update(self, x: Any, who: Stream | None = None, metadata: Metadata = None) -> None:
        """Send an element; elements are sent in order."""
        import asyncio

        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self.ws is None:
                self.ws = await self._websockets.connect(self.uri, **self.ws_kwargs)
            await self.ws.send(x)

    def _drained(self) -> None:
        ws, self.ws = self.ws, None
        loop = self._event_loop
        if ws is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(lambda: loop.create_task(ws.close()))

    def destroy(self, streams: Iterable[Stream] | None = None) -> None:
        """Disconnect the sink from its upstreams, let go of it, and close the websocket."""
        super().destroy(streams)
        self._drained()
