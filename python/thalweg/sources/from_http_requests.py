"""HTTP requests, answered by the pipeline."""

from __future__ import annotations

from thalweg.http import HttpRequest
from thalweg.sources.http_server import HttpSource
from thalweg.stream import Stream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thalweg._thalweg.sources import RustSource


@Stream.register_api(staticmethod)
class from_http_requests(HttpSource[HttpRequest]):
    """Emit the requests that arrive at a port; elements at :class:`respond` are their responses.

    A request is answered with 500 if it failed, with 204 if it was dropped, with 504 if there was no response within
    `time_limit`, and with 503 if the pipeline is closing, or too many requests are in flight.

    Parameters
    ----------
    port: int or None
        The port to listen on while the source runs; 0 takes any free port, which `port` then returns. With None, it
        does not listen: :meth:`asgi` is a part of another server.
    path: str
        A regular expression that the whole path must match; otherwise the answer is 404.
    time_limit: number or text
        Time limit of the pipeline for a request: a minute by default.
    **kwargs:
        Those of :class:`from_http_server`.

    Examples
    --------
    >>> import asyncio, urllib.request
    >>> from thalweg import Stream
    >>> def get(port, path):
    ...     return urllib.request.urlopen(f"http://localhost:{port}{path}").read()
    >>> async def main():
    ...     requests = Stream.from_http_requests(0, asynchronous=True)
    ...     node = requests.map(lambda request: {"hello": request.query["name"]}).respond()
    ...     requests.start()
    ...     answer = await asyncio.to_thread(get, requests.port, "/?name=river")
    ...     await requests.drain()
    ...     return answer
    >>> asyncio.run(main())
    b'{"hello": "river"}'

    See Also
    --------
    from_http_server, respond
    """

    def _make_source(self) -> RustSource:
        return self._server.requests(HttpRequest)
