"""What is posted to a port."""

from __future__ import annotations

from thalweg.sources.source import Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@Stream.register_api(staticmethod)
class from_http_server(Source):
    """Emit the body of every HTTP POST to a port. Needs Tornado.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    path: str
        A regular expression for the paths to answer.
    server_kwargs: dict
        For ``tornado.httpserver.HTTPServer``, and ``address``; without it, only this machine can connect.

    Examples
    --------
    >>> import asyncio, socket
    >>> from thalweg import Stream
    >>> with socket.create_server(("localhost", 0)) as taken:
    ...     port = taken.getsockname()[1]
    >>> async def main():
    ...     from tornado.httpclient import AsyncHTTPClient
    ...
    ...     source = Stream.from_http_server(port, asynchronous=True)
    ...     L = source.sink_to_list()
    ...     source.start()
    ...     while source.server is None:
    ...         await asyncio.sleep(0.01)
    ...     answer = await AsyncHTTPClient().fetch(f"http://localhost:{port}/", method="POST", body=b"hello")
    ...     await source.drain()
    ...     return answer.body, L
    >>> asyncio.run(main())
    (b'OK', [b'hello'])
    """

    def __init__(
        self, port: int, path: str = "/.*", server_kwargs: dict[str, Any] | None = None, **kwargs: Any
    ) -> None:
        self.port = port
        self.path = path
        self.server_kwargs = dict(server_kwargs or {})
        self._address = self.server_kwargs.pop("address", "localhost")
        self.server: Any = None
        super().__init__(**kwargs)

    async def run(self) -> None:
        """Listen until stopped."""
        from tornado.httpserver import HTTPServer
        from tornado.web import Application, RequestHandler

        source = self

        class Handler(RequestHandler):
            async def post(self) -> None:
                await source._send(self.request.body)
                self.write("OK")

        server = HTTPServer(Application([(self.path, Handler)]), **self.server_kwargs)
        server.listen(self.port, self._address)
        self.server = server
        try:
            while not self.stopped:
                await self._pause(3600)
        finally:
            self.server = None
            server.stop()
            await server.close_all_connections()
