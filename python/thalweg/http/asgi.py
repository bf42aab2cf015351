"""Requests of an ASGI server."""

from __future__ import annotations

import asyncio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from thalweg._thalweg.sources import HttpApp, HttpCall
    from thalweg.sources.http_server import HttpSource

    Message = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]


class AsgiApp:
    """An `ASGI <https://asgi.readthedocs.io>`_ application whose requests are the elements of a pipeline; returned by
    :meth:`~thalweg.sources.from_http_requests.asgi`.

    Examples
    --------
    >>> from thalweg import Stream
    >>> requests = Stream.from_http_requests(None)
    >>> requests.map(lambda request: request.text().upper()).respond()
    <respond>
    >>> requests.asgi()
    <AsgiApp of <from_http_requests>>
    """

    def __init__(self, source: HttpSource[Any], app: HttpApp) -> None:
        self._source = source
        self._app = app

    def __repr__(self) -> str:
        return f"<AsgiApp of {self._source}>"

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request."""
        kind = scope["type"]
        if kind == "http":
            await self._answer(scope, receive, send)
        elif kind == "lifespan":
            await self._live(receive, send)
        elif kind == "websocket":
            # Before acceptance this is a status of 403.
            await receive()
            await send({"type": "websocket.close"})
        else:
            raise ValueError(f"{self}: HTTP is served here, not {kind!r}")

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        self._start()
        method: str = scope["method"]
        answer = asyncio.get_running_loop().create_future()
        headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
        call = self._app.begin(method, _url(scope), headers, answer)
        feeding = asyncio.ensure_future(_feed(call, receive))
        try:
            await asyncio.wait({answer, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if feeding.done() and not feeding.result():
                return
            status, response_headers, body = await answer
        finally:
            feeding.cancel()
        await send({"type": "http.response.start", "status": status, "headers": response_headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Start and end with the server."""
        while True:
            message = await receive()
            begins = message["type"] == "lifespan.startup"
            what = "startup" if begins else "shutdown"
            try:
                if begins:
                    self._start()
                else:
                    await self._drain()
            except Exception as error:
                await send({"type": f"lifespan.{what}.failed", "message": f"{self._source}: {error}"})
                return
            await send({"type": f"lifespan.{what}.complete"})
            if not begins:
                return

    def _start(self) -> None:
        if not self._source.started:
            self._source.start()

    async def _drain(self) -> None:
        if self._source.asynchronous:
            await self._source.drain()
        else:
            await asyncio.to_thread(self._source.drain)


async def _feed(call: HttpCall, receive: Receive) -> bool:
    """Pass on a request's body while it is wanted; return whether the answer is wanted."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return False
        body = message.get("body", b"")
        if body and not call.push(body):
            return True
        if not message.get("more_body", False):
            call.end()
            return True


def _url(scope: Message) -> str:
    """Return the path below the mount point, percent-encoded as received, and the query."""
    from urllib.parse import quote

    root = scope.get("root_path", "").rstrip("/")
    raw: bytes | None = scope.get("raw_path")
    if raw is None:
        path, root = quote(scope["path"], _PLAIN), quote(root, _PLAIN)
    else:
        path, root = raw.partition(b"?")[0].decode("latin-1"), quote(root, _PLAIN)
    if root and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
    query: bytes = scope.get("query_string", b"")
    return (path or "/") + ("?" + query.decode("latin-1") if query else "")


#: Characters that need no escape in a path.
_PLAIN = "/:@!$&'()*+,;=~"
