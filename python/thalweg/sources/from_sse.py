"""A feed of server-sent events."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.database import check_position
from thalweg.http.checks import check_headers, check_url
from thalweg.runtime.intervals import check_interval
from thalweg.sources.source import Source
from thalweg.stream import Stream
from thalweg.stream.limits import MAX_LEN, check_max_len

__all__ = ["ServerSentEvent", "from_sse"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from thalweg._types import Interval
    from thalweg.database import Position


class ServerSentEvent:
    """A server-sent event.

    Parameters
    ----------
    id: str
        Id of this event, or of the last one that had an id. Empty if none had.
    event: str
        Event type: ``"message"`` if the server sends none.
    data: str
        The data.

    Examples
    --------
    >>> from thalweg.sources import ServerSentEvent
    >>> event = ServerSentEvent("7", "reading", '{"celsius": 20.5}')
    >>> event
    ServerSentEvent(id='7', event='reading', data='{"celsius": 20.5}')
    >>> event.json()
    {'celsius': 20.5}
    """

    __slots__ = ("data", "event", "id")
    __match_args__ = ("id", "event", "data")

    id: str
    event: str
    data: str

    def __init__(self, id: str, event: str, data: str) -> None:
        put = object.__setattr__
        put(self, "id", id)
        put(self, "event", event)
        put(self, "data", data)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a ServerSentEvent does not change: {name!r} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a ServerSentEvent does not change: {name!r} cannot be deleted")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ServerSentEvent):
            return NotImplemented
        return (self.id, self.event, self.data) == (other.id, other.event, other.data)

    def __hash__(self) -> int:
        return hash((self.id, self.event, self.data))

    def __repr__(self) -> str:
        return f"ServerSentEvent(id={self.id!r}, event={self.event!r}, data={self.data!r})"

    def __reduce__(self) -> tuple[type[ServerSentEvent], tuple[str, str, str]]:
        return type(self), (self.id, self.event, self.data)

    def json(self) -> Any:
        """Parse the data as JSON.

        Raises
        ------
        json.JSONDecodeError
            It is none.

        Examples
        --------
        >>> from thalweg.sources import ServerSentEvent
        >>> ServerSentEvent("", "message", "[1, 2]").json()
        [1, 2]
        """
        import json

        return json.loads(self.data)


@Stream.register_api(staticmethod)
class from_sse(Source[ServerSentEvent]):
    r"""Emit the server-sent events of a feed over HTTP.

    When the connection is lost, the source reconnects and asks for the events after the last one received. That is a
    failure of this node, see `on_error`, unless the server ended the response. The feed ends with the status 204. Any
    other status than 200, 408, 425, 429 and from 500 on, or another type than ``text/event-stream``, ends it with an
    error. At most 1024 events are buffered for the pipeline; then the server has to wait. Pauses use real time,
    whatever the pipeline's clock.

    Parameters
    ----------
    url: str
        An ``http`` or ``https`` URL. Errors show it without user, password and query.
    headers: dict
        Headers for every request, such as ``Authorization``. Their values are never shown, and not sent to another
        server by a redirect.
    last_event_id: str
        Initial ``Last-Event-ID``: of the last event that was stored, for example.
    connect_timeout: number or text
        Timeout of connecting: seconds, or a duration such as ``"500ms"``.
    idle_timeout: number or text
        Time without any data, not even a comment, after which the source reconnects.
    wait: number or text
        Pause before reconnecting, if the server does not set it. It doubles each time nothing was received, plus up to
        half of it at random.
    max_wait: number or text
        Maximum pause between attempts to connect.
    max_len: int
        Maximum size of an event, in bytes. A larger one is a failure of this node; the events after it are emitted.
    follow_anywhere: bool
        Whether to follow redirects from a public address to a private one, and from ``http`` to ``https`` and back.
    position: Position
        Where the source continues, and what it advances: see :meth:`Database.position <thalweg.Database.position>`.
        Each event needs a unique id, and the server must send all events after a given one again.

    Raises
    ------
    ValueError
        The URL or a header is invalid.

    Examples
    --------
    >>> import asyncio
    >>> from thalweg import Stream
    >>> feed = "200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1\nid: 7\ndata: [20.5, 20.7]\n\n"
    >>> answers = [feed, "204 No Content\r\n\r\n"]
    >>> async def answer(reader, writer):
    ...     await reader.readuntil(b"\r\n\r\n")
    ...     writer.write(f"HTTP/1.1 {answers.pop(0)}".encode())
    ...     writer.close()
    >>> async def main():
    ...     async with await asyncio.start_server(answer, "localhost", 0) as server:
    ...         port = server.sockets[0].getsockname()[1]
    ...         events = Stream.from_sse(f"http://localhost:{port}/", asynchronous=True)
    ...         L = events.map(lambda event: event.json()).sink_to_list()
    ...         events.start()
    ...         await events.finished()
    ...     return L
    >>> asyncio.run(main())
    [[20.5, 20.7]]
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str] | None = None,
        *,
        last_event_id: str = "",
        connect_timeout: Interval = 10,
        idle_timeout: Interval = 60,
        wait: Interval = 1,
        max_wait: Interval = 30,
        max_len: int = MAX_LEN,
        follow_anywhere: bool = False,
        position: Position | None = None,
        **kwargs: Any,
    ) -> None:
        self.url: str = check_url(url, "from_sse")
        self._events = sources.server_sent_events(
            self.url,
            ServerSentEvent,
            check_headers(headers, "from_sse"),
            last_event_id,
            check_interval(connect_timeout, "from_sse", "connect_timeout"),
            check_interval(idle_timeout, "from_sse", "idle_timeout"),
            check_interval(wait, "from_sse", "wait"),
            check_interval(max_wait, "from_sse", "max_wait"),
            check_max_len(max_len, "from_sse"),
            follow_anywhere,
            check_position(position, "from_sse"),
        )
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Emit events until stopped, or until the feed ends."""
        await self._run_in_rust(self._events)
