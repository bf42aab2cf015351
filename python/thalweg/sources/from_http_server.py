"""Elements posted to a port."""

from __future__ import annotations

from thalweg.errors.missing_packages import need
from thalweg.sources.limits import check_port
from thalweg.sources.source import Interrupted, Source
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


@Stream.register_api(staticmethod)
class from_http_server(Source[bytes]):
    """Emit the body of every HTTP POST to a port. Needs Tornado: ``pip install 'thalweg[http]'``.

    The answer says what came of it: 200 when the pipeline has taken it, 500 when it has failed, 503 when the pipeline
    is closing.

    Parameters
    ----------
    port: int
        The port to listen on, while the source runs.
    path: str
        A regular expression for the paths to answer.
    server_kwargs: dict
        For ``tornado.httpserver.HTTPServer``, and ``address``; without it, only this machine can connect.

    Raises
    ------
    ImportError
        Tornado is not installed.
    TypeError
        `server_kwargs` has what is no argument for a server.

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
        need("tornado.httpserver", "http", "from_http_server")
        self.port: int = check_port(port, "from_http_server")
        if not isinstance(path, str):
            raise TypeError(f"from_http_server: `path` is a regular expression, not {path!r}")
        self.path = path
        self.server_kwargs: dict[str, Any] = dict(server_kwargs or {})
        self._address = self.server_kwargs.pop("address", "localhost")
        self.server: Any = None
        self._answering = 0
        # Arguments that are none are told of now, not when the source starts.
        self._make_server()
        super().__init__(**kwargs)

    def _make_server(self) -> Any:
        import re

        from tornado.httpserver import HTTPServer
        from tornado.web import Application, RequestHandler

        source = self

        class Handler(RequestHandler):
            async def post(self) -> None:
                status, answer = await source._answer(self.request.body)
                self.set_status(status)
                self.write(answer)

        try:
            return HTTPServer(Application([(self.path, Handler)]), **self.server_kwargs)
        except TypeError as error:
            raise TypeError(f"from_http_server: `server_kwargs`: {error}") from None
        except re.error as error:
            raise ValueError(f"from_http_server: `path` is a regular expression, not {self.path!r}: {error}") from None

    async def _answer(self, body: bytes) -> tuple[int, str]:
        """Emit a body; return the status and the text that say what came of it."""
        from thalweg.errors import ClosedError

        if self.stopped:
            return _CLOSING
        self._answering += 1
        try:
            for waiting in self._begin(self._emit, body):
                await waiting
        except ClosedError as error:
            self._end_with(error)
            return _CLOSING
        except Interrupted as error:
            self._end_with(error)
            return _FAILED
        except Exception as error:
            self._log(error)
            return _FAILED
        finally:
            self._answering -= 1
            self._wake()
        return 200, "OK"

    async def run(self) -> None:
        """Listen until stopped, and answer whom it has listened to."""
        self.server = server = self._make_server()
        try:
            server.listen(self.port, self._address)
            while not self.stopped:
                await self._pause(3600)
            server.stop()
            while self._answering:
                await self._rest(1)
        finally:
            self.server = None
            server.stop()
            await server.close_all_connections()


_FAILED = (500, "the pipeline failed on this")
_CLOSING = (503, "the pipeline is closing")
