"""The base of sources that serve HTTP."""

from __future__ import annotations

from thalweg._thalweg import sources
from thalweg.runtime.intervals import check_interval
from thalweg.sources.listening import ListeningSource
from thalweg.stream.arguments import check_count, check_dict
from thalweg.stream.limits import MAX_LEN, check_max_len, check_port
from thalweg.stream.server_files import certificate_and_key, server_files
from thalweg.stream.typevars import T

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

    from thalweg._thalweg.sources import RustSource
    from thalweg._types import Interval
    from thalweg.http.asgi import AsgiApp


class HttpSource(ListeningSource[T]):
    """Base of sources that serve HTTP."""

    _server: sources.HttpServer

    def __init__(
        self,
        port: int | None,
        path: str = "/.*",
        server_kwargs: dict[str, Any] | None = None,
        *,
        host: str = "localhost",
        max_len: int = MAX_LEN,
        max_head: int = 64 * 1024,
        read_timeout: Interval = 30,
        time_limit: Interval | None = None,
        max_connections: int = 10_000,
        max_in_flight: int = 1024,
        show_errors: bool = False,
        tls: tuple[str | PathLike[str], str | PathLike[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        name = type(self).__name__
        self._is_mounted = port is None
        self.port: int = 0 if port is None else check_port(port, name)
        if not isinstance(path, str):
            raise TypeError(f"{name}: `path` is a regular expression, not {path!r}")
        self.path = path
        self.server_kwargs: dict[str, Any] = check_dict(server_kwargs, name, "server_kwargs")
        given = _understand(self.server_kwargs, name)
        host = given.get("address", host)
        if not isinstance(host, str):
            raise TypeError(f"{name}: `host` is text, not {host!r}")
        limits = (
            check_max_len(given.get("max_body_size", max_len), name),
            check_max_len(given.get("max_header_size", max_head), name, "max_head"),
            check_interval(given.get("body_timeout", read_timeout), name, "read_timeout"),
            None if time_limit is None else check_interval(time_limit, name, "time_limit"),
            check_count(max_connections, name, "max_connections"),
            check_count(max_in_flight, name, "max_in_flight"),
        )
        options = given.get("ssl_options") if tls is None else certificate_and_key(tls, name)
        if self._is_mounted and options is not None:
            raise ValueError(f"{name}: TLS is up to the server that this is a part of: leave it out, or give a port")
        files = server_files(options, name)
        try:
            self._server = sources.HttpServer(
                None if self._is_mounted else self.port, path, host, *limits, bool(show_errors), files
            )
        except ValueError as error:
            place = "" if str(error).startswith("TLS: ") else "`path`: "
            raise ValueError(f"{name}: {place}{error}") from None
        self._source = self._make_source()
        super().__init__(**kwargs)

    def asgi(self) -> AsgiApp:
        """Return an ASGI application that passes its requests to the pipeline, as a part of another server.

        Mount it in an app of Starlette or FastAPI, with ``app.mount("/readings", source.asgi())``, or run it by itself,
        for example by uvicorn. Paths are relative to the mount point. The limits are those of the source, and the
        server's for the length of heads and the number of connections.

        The first request starts the source, unless it has been started before; so does the server, if this is its whole
        app. Then the end of the server drains the pipeline; otherwise that is up to you.

        Examples
        --------
        >>> import asyncio
        >>> from thalweg import Stream
        >>> async def main():
        ...     requests = Stream.from_http_requests(None, asynchronous=True)
        ...     node = requests.map(lambda request: request.text().upper()).respond()
        ...     app, sent = requests.asgi(), []
        ...     async def receive():
        ...         return {"type": "http.request", "body": b"river"}
        ...     async def send(message):
        ...         sent.append(message)
        ...     await app({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send)
        ...     await requests.drain()
        ...     return sent[0]["status"], sent[1]["body"]
        >>> asyncio.run(main())
        (200, b'RIVER')
        """
        from thalweg.http.asgi import AsgiApp

        return AsgiApp(self, self._server.app(self._takes_only_bodies))

    _takes_only_bodies = False

    def _open(self) -> None:
        if self._is_mounted:
            self._server.open()
        else:
            super()._open()

    def _make_source(self) -> RustSource:
        raise NotImplementedError


#: Supported arguments of Tornado's servers.
_UNDERSTOOD = frozenset({"address", "max_body_size", "max_header_size", "body_timeout", "ssl_options"})
#: Ignored ones.
_HARMLESS = frozenset({"chunk_size", "idle_connection_timeout", "max_buffer_size", "trusted_downstream"})
#: Unsupported ones, which are off in Tornado, too.
_REFUSED = frozenset({"decompress_request", "no_keep_alive", "protocol", "xheaders"})


def _understand(server_kwargs: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the supported ones among the arguments of Tornado's servers."""
    for key, value in server_kwargs.items():
        if key in _UNDERSTOOD or key in _HARMLESS or (key in _REFUSED and not value):
            continue
        known = ", ".join(sorted(_UNDERSTOOD))
        raise TypeError(f"{name}: `server_kwargs`: {key!r} is not understood; {known} are")
    return {key: value for key, value in server_kwargs.items() if key in _UNDERSTOOD and value is not None}
